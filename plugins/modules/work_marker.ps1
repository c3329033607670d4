#!powershell

# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 under Wine with a double for New-Folder, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic

function New-Folder([string] $Path) {
    # Made with its rights, as folder_access has them, so that it is never open, not even for a moment.
    $security = New-Object System.Security.AccessControl.DirectorySecurity
    $security.SetSecurityDescriptorSddlForm('O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)', 'Owner, Access')
    $null = [System.IO.Directory]::CreateDirectory($Path, $security)
}

function Wait-Moment {
    [System.Threading.Thread]::Sleep(100)
}

$spec = @{
    options = @{
        journal = @{ type = 'str'; default = '' }
        step = @{ type = 'str'; default = '' }
        by = @{ type = 'str'; default = '' }
        minutes = @{ type = 'int' }
        known = @{ type = 'list'; elements = 'str'; default = @() }
        path = @{ type = 'path'; default = 'C:\ProgramData\provisioner\marker.json' }
        computer = @{ type = 'str'; default = '' }
        state = @{ type = 'str'; default = 'present'; choices = 'present', 'absent', 'free' }
    }
    required_if = @(, @('state', 'present', @('minutes')))
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'

$path = $module.Params.path
$folder = [System.IO.Path]::GetDirectoryName($path)
$present = $module.Params.state -eq 'present'
$free = $module.Params.state -eq 'free'
$names = 'journal', 'step', 'by', 'since', 'minutes'
# When it began and how long it stands are this gateway's to say, by its own clock: no other clock is asked.
$format = 'yyyy-MM-ddTHH:mm:ssZ'
$invariant = [System.Globalization.CultureInfo]::InvariantCulture
$wanted = [ordered]@{}
foreach ($name in $names) { $wanted[$name] = "$($module.Params.$name)" }
$wanted.since = [datetime]::UtcNow.ToString($format, $invariant)
$ours = @($wanted.journal) + @($module.Params.known)
# A longer one would keep others away for longer than anybody works.
$longest = 1440
# Ours has some hundred bytes: what is larger than this is not one.
$largest = 16384

function Get-Time([string] $Text) {
    <# A time of a marker, UTC; null for what is none. #>
    $time = [datetime]::MinValue
    $styles = [System.Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
    if ([datetime]::TryParseExact($Text, $format, $invariant, $styles, [ref]$time)) { $time }
}

function Get-Minutes([string] $Text) {
    <# How long a marker stands; null for what is no such number. #>
    $minutes = 0
    if ([int]::TryParse($Text, [ref]$minutes) -and $minutes -ge 1 -and $minutes -le $longest) { $minutes }
}

function Get-Marker {
    <# The marker that is there: null for none, all empty for one that cannot be read. #>
    if (-not [System.IO.File]::Exists($path)) { return $null }
    $marker = [ordered]@{}
    foreach ($name in $names) { $marker[$name] = '' }
    try {
        if ((New-Object System.IO.FileInfo $path).Length -gt $largest) { return $marker }
        $read = ConvertFrom-Json ([System.IO.File]::ReadAllText($path))
    }
    catch { return $marker }
    # Of a list PowerShell would give the fields of what is in it.
    if ($read -is [array] -or $read.journal -isnot [string] -or -not $read.journal) { return $marker }
    if (-not (Get-Time $read.since) -or -not (Get-Minutes $read.minutes)) { return $marker }
    foreach ($name in $names) { $marker[$name] = "$($read.$name)" }
    $marker
}

function Get-Words($Marker) {
    if ($null -eq $Marker) { return '' }
    if (-not $Marker.journal) { return 'a marker that cannot be read' }
    @($names | Where-Object { $Marker[$_] } | ForEach-Object { "$_ $($Marker[$_])" }) -join ', '
}

function Get-Line($Marker) {
    if ($null -eq $Marker) { '' } else { "$(Get-Words $Marker)`n" }
}

function Stop-Held([string] $Words) {
    $module.Result.held = $true
    $module.FailJson("${Words}; nothing was changed")
}

function Assert-Computer {
    <# Ends here where the PC is another one than it should be. Windows cuts the name by which it calls itself. #>
    $short = $module.Params.computer.Trim().Split('.')[0]
    $short = $short.Substring(0, [Math]::Min(15, $short.Length))
    $here = [Environment]::MachineName
    if ($short -and $short -ne $here) {
        $module.FailJson("the PC at this address is $here, and the row names $($module.Params.computer); nothing was changed")
    }
}

function Assert-Free($Marker) {
    <# Ends here where the work of another team is marked and not over: by its age, by this gateway's own clock. #>
    if ($null -eq $Marker -or $ours -ccontains $Marker.journal) { return }
    if ($Marker.journal) {
        # One from the future too: this clock was set back since, and its age cannot be told.
        $age = [datetime]::UtcNow - (Get-Time $Marker.since)
        if ($age.TotalMinutes -lt (Get-Minutes $Marker.minutes)) { Stop-Held "another team works on this gateway: $(Get-Words $Marker)" }
    }
    # Half written by whoever is at work now, or damaged: which of them is never guessed.
    elseif ([System.IO.File]::GetLastWriteTimeUtc($path) -gt [datetime]::UtcNow.AddDays(-1)) {
        Stop-Held "another team may work on this gateway: $path cannot be read and is less than a day old"
    }
}

function Test-Fresh($Marker) {
    <# Whether it is what is wanted, and has more than half of its time yet: an older one begins anew. #>
    if ($null -eq $Marker -or -not $Marker.journal) { return $false }
    foreach ($name in 'journal', 'step', 'by', 'minutes') { if ($Marker[$name] -cne $wanted[$name]) { return $false } }
    $age = ([datetime]::UtcNow - (Get-Time $Marker.since)).TotalMinutes
    $age -ge 0 -and $age -lt (Get-Minutes $Marker.minutes) / 2
}

function Enter-Alone {
    <# The lock under which a marker is read and replaced: two teams that both find one expired must not both have it. It is
       a file held open, because Windows closes and deletes it whatever becomes of us. #>
    # Each by its type: .NET Framework has a second constructor of six, and a word fits them both.
    $mode, $access, $share = [System.IO.FileMode]::OpenOrCreate, [System.IO.FileAccess]::ReadWrite, [System.IO.FileShare]::None
    $options = [System.IO.FileOptions]::DeleteOnClose
    foreach ($attempt in 1..50) {
        try { return [System.IO.FileStream]::new("$path.lock", $mode, $access, $share, 1, $options) }
        catch [System.IO.IOException], [System.UnauthorizedAccessException] { $cause = $_.Exception.GetBaseException().Message }
        Wait-Moment
    }
    Stop-Held "whether another team works on this gateway cannot be told: $path.lock cannot be opened: $cause"
}

function Set-Marker {
    [System.IO.File]::WriteAllText("$path.new", (ConvertTo-Json -Compress -Depth 1 -InputObject $wanted))
    [System.IO.File]::Delete($path)
    # Not over one that somebody without our lock has put there meanwhile: then this fails.
    [System.IO.File]::Move("$path.new", $path)
}

Assert-Computer
if (-not $wanted.journal -and -not $free) { $module.FailJson('journal is empty: whose marker is it to be?') }
if ($present -and -not (Get-Minutes $wanted.minutes)) {
    $module.FailJson("minutes is a number from 1 to $longest, not '$($wanted.minutes)'")
}

$alone = $null
try {
    if (-not $module.CheckMode -and -not $free) {
        if ($present -and -not [System.IO.Directory]::Exists($folder)) { New-Folder $folder }
        if ([System.IO.Directory]::Exists($folder)) { $alone = Enter-Alone }
    }
    $found = Get-Marker
    $module.Result.before = $found
    $module.Diff.before = $module.Diff.after = Get-Line $found
    if ($free) { Assert-Free $found }
    elseif ($present) {
        Assert-Free $found
        $module.Diff.after = Get-Line $wanted
        $module.Result.changed = -not (Test-Fresh $found)
        if ($module.Result.changed -and -not $module.CheckMode) { Set-Marker }
    }
    elseif ($null -ne $found -and $found.journal -and $ours -ccontains $found.journal) {
        $module.Diff.after = ''
        $module.Result.changed = $true
        if (-not $module.CheckMode) { [System.IO.File]::Delete($path) }
    }
}
catch [System.IO.IOException], [System.UnauthorizedAccessException], [System.ArgumentException], [System.NotSupportedException] {
    $module.Result.changed = $false
    $module.FailJson("the marker $path could not be changed: $($_.Exception.GetBaseException().Message)", $_)
}
finally {
    if ($alone) { $alone.Dispose() }
}

$module.ExitJson()
