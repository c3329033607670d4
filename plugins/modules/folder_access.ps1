#!powershell

# MIT License. Written for Windows PowerShell 5.1. Wine keeps no access rights: what reads and writes them (the first
# five functions) was never run on Windows; the rest was, on PowerShell 7, with doubles for those.

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -CSharpUtil Ansible.Privilege

function New-Security([string] $Path, [string] $Sddl) {
    $kind = if ([System.IO.File]::Exists($Path)) { 'FileSecurity' } else { 'DirectorySecurity' }
    $security = New-Object "System.Security.AccessControl.$kind"
    $security.SetSecurityDescriptorSddlForm($Sddl, 'Owner, Access')
    $security
}

function Get-Rights([string] $Path) {
    (Get-Item -LiteralPath $Path -Force).GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access')
}

function Set-Rights([string] $Path, [string] $Sddl) {
    $item = Get-Item -LiteralPath $Path -Force
    $security = New-Security $Path $Sddl
    $owner = New-Object $security.GetType().FullName
    $owner.SetOwner($security.GetOwner([System.Security.Principal.SecurityIdentifier]))
    # The owner by itself first: whoever owns a file may set its rights, also where they leave administrators none.
    $item.SetAccessControl($owner)
    $item.SetAccessControl($security)
}

function New-Folder([string] $Path, [string] $Sddl) {
    # Made with its rights, so that it is never open, not even for a moment.
    $null = [System.IO.Directory]::CreateDirectory($Path, (New-Security $Path $Sddl))
}

function Enable-Privilege {
    # Needed to see, and to take away from its owner, what leaves administrators no right. Not strict: where one of them
    # cannot be had, what fails for it says so.
    $names = 'SeBackupPrivilege', 'SeTakeOwnershipPrivilege', 'SeRestorePrivilege'
    New-Object -TypeName Ansible.Privilege.PrivilegeEnabler -ArgumentList (@($false) + $names)
}

$spec = @{
    options = @{
        path = @{ type = 'list'; elements = 'path'; default = @() }
        private = @{ type = 'list'; elements = 'path'; default = @() }
        state = @{ type = 'str'; default = 'present'; choices = 'present', 'absent' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'

# BA administrators, SY the system, BU users, LS LocalService; FA full, 1200a9 read and execute; OICI for all below; P no inheritance.
$closed = '(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)'
$readable = "$closed(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;LS)"
# Administrators, the system, TrustedInstaller, and whoever makes a file (which only these can).
$trusted = 'S-1-5-32-544', 'S-1-5-18', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464', 'S-1-3-0'
# Every right by which content, rights or owner can be changed, the two generic ones included.
$writing = 0x2 -bor 0x4 -bor 0x10 -bor 0x40 -bor 0x100 -bor 0x10000 -bor 0x40000 -bor 0x80000 -bor 0x10000000 -bor 0x40000000

function Get-Known([string] $Path) {
    <# The rights; "" where they leave nobody, not even administrators, the right to read them. #>
    try { Get-Rights $Path }
    catch [System.UnauthorizedAccessException] { '' }
    catch { throw "$Path cannot be read: $($_.Exception.GetBaseException().Message)" }
}

function Set-Known([string] $Path, [string] $Sddl) {
    # .NET says "unauthorized operation", and not on which file.
    try { Set-Rights $Path $Sddl }
    catch { throw "$Path cannot be changed: $($_.Exception.GetBaseException().Message)" }
}

function Get-Entries($Descriptor) {
    @(foreach ($entry in $Descriptor.DiscretionaryAcl) {
            "$($entry.AceType) $($entry.SecurityIdentifier) $($entry.AccessMask) $([int]$entry.AceFlags)"
        }) | Sort-Object
}

function Test-Same([string] $Found, [string] $Wanted) {
    if (-not $Found) { return $false }
    $one = New-Object System.Security.AccessControl.RawSecurityDescriptor $Found
    $two = New-Object System.Security.AccessControl.RawSecurityDescriptor $Wanted
    $protected = [System.Security.AccessControl.ControlFlags]::DiscretionaryAclProtected
    ($one.Owner -eq $two.Owner) -and (($one.ControlFlags -band $protected) -eq ($two.ControlFlags -band $protected)) -and
    ((Get-Entries $one) -join '|') -eq ((Get-Entries $two) -join '|')
}

function Test-Tight([string] $Sddl, [bool] $Private) {
    <# Whether nobody but those trusted owns it or may change it (private: or may read it). #>
    if (-not $Sddl) { return $false }
    $descriptor = New-Object System.Security.AccessControl.RawSecurityDescriptor $Sddl
    if ($null -eq $descriptor.DiscretionaryAcl -or $trusted -notcontains $descriptor.Owner.Value) { return $false }
    foreach ($entry in $descriptor.DiscretionaryAcl) {
        # What is allowed on a condition (a callback) is allowed.
        if ($entry.AceQualifier -eq 'AccessDenied' -or $trusted -contains $entry.SecurityIdentifier.Value) { continue }
        if ($Private -or ($entry.AccessMask -band $writing)) { return $false }
    }
    $true
}

function Assert-NoLink([string] $Path) {
    # What a link points to would get our rights, and our files: somebody may have made it for just that.
    try { $attributes = [System.IO.File]::GetAttributes($Path) }
    catch [System.IO.FileNotFoundException], [System.IO.DirectoryNotFoundException] { return }
    if ($attributes -band 'ReparsePoint') {
        throw "$Path is a link to somewhere else. Find out who made it and why, and remove it"
    }
}

function Get-Below([string] $Folder) {
    foreach ($path in [System.IO.Directory]::GetFileSystemEntries($Folder)) {
        Assert-NoLink $path
        $path
        if ([System.IO.Directory]::Exists($path)) { Get-Below $path }
    }
}

function Assert-Own($Paths) {
    <# That neither a folder, nor one above it, nor anything below it leads elsewhere: before anything is changed. #>
    foreach ($path in @($Paths)) {
        for ($above = $path.TrimEnd('\'); $above; $above = [System.IO.Path]::GetDirectoryName($above)) { Assert-NoLink $above }
        if ([System.IO.Directory]::Exists($path)) { $null = Get-Below $path }
    }
}

function Set-Folder([string] $Path, [bool] $Private) {
    $wanted = 'O:BAD:PAI' + $(if ($Private) { $closed } else { $readable })
    $exists = [System.IO.Directory]::Exists($Path)
    $found = if ($exists) { Get-Known $Path } else { $null }
    $module.Result.before[$Path] = $found
    $module.Diff.before += if ($exists) { "$Path $found`n" } else { '' }
    $module.Diff.after += "$Path $wanted`n"
    if (-not $exists) {
        $module.Result.changed = $true
        if (-not $module.CheckMode) { New-Folder $Path $wanted }
        return
    }
    if (-not (Test-Same $found $wanted)) {
        $module.Result.changed = $true
        if (-not $module.CheckMode) { Set-Known $Path $wanted }
    }
    # In check mode what is below still shows the rights that it has by inheritance: only the folder's own are told.
    if ($module.CheckMode -and $module.Result.changed) { return }
    foreach ($below in @(Get-Below $Path)) {
        if (Test-Tight (Get-Known $below) $Private) { continue }
        $module.Result.changed = $true
        $module.Diff.before += "$below can be changed or read by others`n"
        if (-not $module.CheckMode) { Set-Known $below 'O:BAD:AI' }
    }
}

function Set-Each($Paths, [bool] $Private) {
    <# A path below another one of the list has that one's rights: it is only made. #>
    $tops = @()
    foreach ($path in @($Paths | ForEach-Object { $_.TrimEnd('\') } | Sort-Object -Property Length)) {
        $above = @($tops | Where-Object { $path.StartsWith("$_\", [System.StringComparison]::OrdinalIgnoreCase) })
        if ($tops -contains $path) { continue }
        if (-not $above) {
            $tops += $path
            Set-Folder $path $Private
        }
        elseif (-not [System.IO.Directory]::Exists($path)) {
            $module.Result.changed = $true
            $module.Result.before[$path] = $null
            $module.Diff.after += "$path`n"
            if (-not $module.CheckMode) { $null = [System.IO.Directory]::CreateDirectory($path) }
        }
    }
}

function Remove-Each($Paths) {
    <# Those in which nothing is left, the lowest first. #>
    foreach ($path in @($Paths | ForEach-Object { $_.TrimEnd('\') } | Sort-Object -Property Length -Descending)) {
        $exists = [System.IO.Directory]::Exists($path)
        $module.Result.before[$path] = if ($exists) { Get-Known $path } else { $null }
        if (-not $exists -or [System.IO.Directory]::GetFileSystemEntries($path)) { continue }
        $module.Result.changed = $true
        $module.Diff.before += "$path`n"
        if (-not $module.CheckMode) { [System.IO.Directory]::Delete($path) }
    }
}

$module.Result.before = @{}
$module.Diff.before = ''
$module.Diff.after = ''
try {
    $privileges = Enable-Privilege
    Assert-Own @($module.Params.path + $module.Params.private)
    if ($module.Params.state -eq 'absent') { Remove-Each @($module.Params.path + $module.Params.private) }
    else {
        Set-Each $module.Params.path $false
        Set-Each $module.Params.private $true
    }
}
catch {
    $module.FailJson("the rights could not be set: $($_.Exception.GetBaseException().Message)", $_)
}
finally {
    if ($privileges) { $privileges.Dispose() }
}

$module.ExitJson()
