#!powershell

# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 under Wine, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell Ansible.ModuleUtils.PackageSource

$spec = @{
    options = @{
        source = @{ type = 'str'; choices = 'url', 'path', 'push' }
        location = @{ type = 'str' }
        sha256 = @{ type = 'str' }
        signer = @{ type = 'str'; default = '' }
        size = @{ type = 'int'; default = 0 }
        root = @{ type = 'str'; default = '' }
        member = @{ type = 'str'; default = '' }
        keep = @{ type = 'str' }
        undo = @{ type = 'str'; default = '' }
        existed = @{ type = 'bool'; default = $true }
        skip = @{ type = 'list'; elements = 'path'; default = @() }
        unpack = @{ type = 'bool'; default = $true }
        destination = @{ type = 'path'; required = $true }
        state = @{ type = 'str'; default = 'present'; choices = 'present', 'absent', 'restored' }
    }
    required_if = @(, @('state', 'present', @('source', 'location', 'sha256')))
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'

$destination = $module.Params.destination.TrimEnd('\')
$unpack = $module.Params.unpack
$member = $module.Params.member
$wanted = "$($module.Params.sha256)".ToLowerInvariant()
# Where the manifest's paths begin: a single file has its manifest beside it, a package that is not unpacked has none.
$single = $member -or -not $unpack
$folder = if ($single) { [System.IO.Path]::GetDirectoryName($destination) } else { $destination }
$manifestPath = if (-not $unpack) { '' } elseif ($member) { "$destination.provisioner-package.json" } else { Join-Path $destination '.provisioner-package.json' }
$hadFolder = [System.IO.Directory]::Exists($folder)
# In the destination, so that the last step is a rename on one volume, under rights that are closed already.
$staging = Join-Path $folder '.provisioner-new'
$replaced = Join-Path $folder '.provisioner-old'
$kept = "$($module.Params.keep)"
$undo = $module.Params.undo
if ($undo -and (-not $kept -or $undo -notmatch '^\w[\w.-]*$')) {
    $module.FailJson("undo, '$undo', must be the name of a folder in keep, which must be given")
}
# What was there before, by relative path in `files`, and what else was changed, in the record.
$recordFolder = if ($undo) { Join-Path $kept "$undo\$($destination -replace '[:\\/]+', '-')" } else { '' }
$recordPath = "$recordFolder\undo.json"
$originals = "$recordFolder\files"
# A path that leads out of its folder.
$outside = '(^|[\\/])\.\.([\\/]|$)|:|^[\\/]'
# Whoever reads the gateway sees from this that we are still at work: a module outlives its client.
$note = if ($kept) { Join-Path ([System.IO.Path]::GetDirectoryName($kept)) "running\package-$PID.json" } else { '' }

function Write-Text([string] $Path, [string] $Text) {
    <# Whole or not at all, whenever the process ends. #>
    $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($Path))
    [System.IO.File]::WriteAllText("$Path.new", $Text)
    if ([System.IO.File]::Exists($Path)) { [System.IO.File]::Replace("$Path.new", $Path, [NullString]::Value) }
    else { [System.IO.File]::Move("$Path.new", $Path) }
}

function Get-ManifestText {
    if ([System.IO.File]::Exists($manifestPath)) { [System.IO.File]::ReadAllText($manifestPath) } else { return $null }
}

function Get-Manifest {
    if (-not $unpack) {
        if (-not [System.IO.File]::Exists($destination)) { return $null }
        $sha256 = Get-Sha256 $destination
        return @{ sha256 = $sha256; files = @(@{ path = [System.IO.Path]::GetFileName($destination); sha256 = $sha256 }) }
    }
    $text = Get-ManifestText
    if ($null -eq $text) { return $null }
    try { $read = ConvertFrom-Json $text } catch { return $null }
    # Anybody may have written it before the folder was closed: a path that leads out of the folder makes it worthless.
    foreach ($file in $read.files) {
        if (Get-NameFault $file.path) { return $null }
    }
    $read
}

function Test-Manifest($Manifest) {
    if ($null -eq $Manifest -or -not $unpack) { return $null -ne $Manifest }
    foreach ($file in $Manifest.files) {
        $info = New-Object System.IO.FileInfo (Join-Path $folder $file.path)
        if (-not $info.Exists -or $info.Length -ne $file.size -or (Get-Sha256 $info.FullName) -ne $file.sha256) { return $false }
    }
    $true
}

function Select-Entries($Archive, $Facts) {
    <# What is unpacked of a zip: each entry with its path below the folder, and the CRC-32 that the package says. Refused
       before anything is written where a name would not stay what it is, or an entry is no file. #>
    $root = $module.Params.root.Replace('\', '/').Trim('/')
    $prefix = if ($root) { "$root/" } else { '' }
    $number = -1
    $entries = @(foreach ($entry in $Archive.Entries) {
            $number++
            $name = $entry.FullName.Replace('\', '/')
            if (-not $name.StartsWith($prefix, [System.StringComparison]::OrdinalIgnoreCase)) { continue }
            $path = $name.Substring($prefix.Length)
            if ($member -and $path -ne $member) { continue }
            $fault = $Facts[$number].fault
            if ($fault) { $module.FailJson("the package holds what cannot be unpacked: $($path.Replace('/', '\')): $fault") }
            if (-not $name.EndsWith('/')) { @{ entry = $entry; path = $path.Replace('/', '\'); crc32 = $Facts[$number].crc32 } }
        })
    $fault = Get-NamesFault @($entries | ForEach-Object { $_.path }) $staging
    if ($fault) { $module.FailJson("the package holds a name that it cannot have on Windows: $fault") }
    foreach ($one in $entries) {
        if ($member) { $one.path = [System.IO.Path]::GetFileName($destination) }
        if ($module.Params.skip -notcontains (Join-Path $folder $one.path)) { $one }
    }
}

function Expand-Package($Package) {
    <# The files of `root` (or its one `member`, or the package itself) into the staging folder; returns the new manifest's
       files, by what the package holds and not by what lies on the disk. #>
    if (-not $unpack) {
        $leaf = [System.IO.Path]::GetFileName($destination)
        $target = [System.IO.File]::Open((Join-Path $staging $leaf), 'CreateNew', 'Write', 'None')
        try { $Package.CopyTo($target) } finally { $target.Dispose() }
        return @{ path = $leaf; size = $module.Result.size; sha256 = $wanted }
    }
    Add-Type -AssemblyName System.IO.Compression, System.IO.Compression.FileSystem
    $archive = New-Object System.IO.Compression.ZipArchive $Package, 'Read', $true
    try {
        $facts = @(Get-ZipFacts $Package)
        if ($facts.Count -ne $archive.Entries.Count) { throw (New-Object System.IO.InvalidDataException 'its list of files is damaged') }
        foreach ($one in @(Select-Entries $archive $facts)) {
            $target = Join-Path $staging $one.path
            $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($target))
            $sha256 = Expand-Entry $one.entry $target $one.path $one.crc32
            @{ path = $one.path; size = $one.entry.Length; sha256 = $sha256 }
        }
    }
    finally { $archive.Dispose() }
}

function Remove-Folder([string] $Path) {
    # A program that still runs may be renamed but not deleted; the next run deletes it.
    if ([System.IO.Directory]::Exists($Path)) { try { [System.IO.Directory]::Delete($Path, $true) } catch { $null = $_ } }
}

function Copy-Whole([string] $Path, [string] $Target) {
    <# A copy, and no move: it takes the rights of the folder into which it comes. Never half a file under its name. #>
    $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($Target))
    [System.IO.File]::Copy($Path, "$Target.part", $true)
    [System.IO.File]::Delete($Target)
    [System.IO.File]::Move("$Target.part", $Target)
}

function Get-Changes($Files, $Gone) {
    <# What will not stay as it is: the path, the sha256 that is there (null: none), and whether a new file comes. #>
    foreach ($file in $Files) {
        $path = Join-Path $folder $file.path
        $was = if ([System.IO.File]::Exists($path)) { Get-Sha256 $path } else { $null }
        if ($was -ne $file.sha256) { @{ path = $file.path; was = $was; new = $true } }
    }
    foreach ($name in $Gone) {
        $path = Join-Path $folder $name
        if ([System.IO.File]::Exists($path)) { @{ path = $name; was = (Get-Sha256 $path); new = $false } }
    }
}

function Get-Record {
    <# What an earlier run under this undo's name wrote down; null where there was none. #>
    if (-not $undo -or -not [System.IO.File]::Exists($recordPath)) { return $null }
    try { $read = ConvertFrom-Json ([System.IO.File]::ReadAllText($recordPath)) }
    catch { $module.FailJson("$recordPath cannot be read: $(Get-Cause $_)", $_) }
    $record = @{ manifest = $read.manifest; package = $read.package; existed = [bool]$read.existed; restored = [bool]$read.restored }
    foreach ($name in 'kept', 'added', 'folders') { $record[$name] = @($read.$name | Where-Object { $_ }) }
    $wrong = @($record.kept + $record.added + $record.folders | Where-Object { $_ -match $outside })
    if ($wrong -or $read.destination -ne $destination) { $module.FailJson("$recordPath is not what this module wrote for $destination") }
    $record
}

function Write-Record($Record) {
    $Record.destination = $destination
    Write-Text $recordPath (ConvertTo-Json -Compress -Depth 3 -InputObject $Record)
}

function Save-Originals($Changes) {
    <# Before anything is swapped: keep what will not stay as it is. What an earlier run under the same undo kept was there
       before this one, and stays. Gives the paths that were kept now. #>
    if (-not $undo) { return }
    $record = Get-Record
    if ($null -eq $record -or $record.restored) {
        Remove-Folder $originals
        $record = @{ manifest = (Get-ManifestText); existed = $hadFolder; restored = $false; kept = @(); added = @(); folders = @() }
    }
    $record.package = $wanted
    foreach ($change in $Changes) {
        if ($record.kept + $record.added -contains $change.path) { continue }
        if ($null -eq $change.was) { $record.added += $change.path }
        else {
            Copy-Whole (Join-Path $folder $change.path) (Join-Path $originals $change.path)
            $record.kept += $change.path
            $change.path
        }
        $parent = [System.IO.Path]::GetDirectoryName($change.path)
        while ($parent -and $record.folders -notcontains $parent -and -not [System.IO.Directory]::Exists((Join-Path $folder $parent))) {
            $record.folders += $parent
            $parent = [System.IO.Path]::GetDirectoryName($parent)
        }
    }
    Write-Record $record
}

function Save-Edited($Change, $Old, $KeptNow) {
    <# A file that is not as a package of ours left it, somebody has made or edited: it is kept before it is replaced. #>
    if ($Old.files | Where-Object { $_ -and $_.path -eq $Change.path -and $_.sha256 -eq $Change.was }) { return }
    $module.Result.before.edited++
    if (-not $kept -or $KeptNow -contains $Change.path) { return }
    $name = "$([System.IO.Path]::GetFileName($Change.path)).$($Change.was.Substring(0, 12))"
    Copy-Whole (Join-Path $folder $Change.path) (Join-Path $kept $name)
}

function Move-IntoPlace($Changes, $Old, $KeptNow) {
    <# Swap file by file; on any error everything is put back. A running program can be renamed, not overwritten. #>
    $done = New-Object System.Collections.ArrayList
    $path = ''
    try {
        foreach ($change in $Changes) {
            $path = Join-Path $folder $change.path
            if ($null -ne $change.was) {
                Save-Edited $change $Old $KeptNow
                $aside = Join-Path $replaced ([guid]::NewGuid().ToString('N'))
                $null = [System.IO.Directory]::CreateDirectory($replaced)
                [System.IO.File]::Move($path, $aside)
                $null = $done.Add(@($aside, $path))
            }
            if ($change.new) {
                $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($path))
                [System.IO.File]::Move((Join-Path $staging $change.path), $path)
                $null = $done.Add(@($null, $path))
            }
        }
    }
    catch {
        $cause = Get-Cause $_
        $done.Reverse()
        foreach ($move in $done) {
            if ($null -eq $move[0]) { [System.IO.File]::Delete($move[1]) } else { [System.IO.File]::Move($move[0], $move[1]) }
        }
        $module.FailJson("$path could not be replaced ($cause): everything was put back. Is the Connector still running?", $_)
    }
}

function Write-Note {
    if (-not $note -or -not [System.IO.Directory]::Exists([System.IO.Path]::GetDirectoryName($note))) { return }
    $at = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ', [System.Globalization.CultureInfo]::InvariantCulture)
    $text = ConvertTo-Json -Compress -Depth 1 -InputObject @{ pid = $PID; what = "package_tree $destination"; started = $at }
    [System.IO.File]::WriteAllText($note, $text)
}

function Install-Tree($Old) {
    Remove-Folder $staging
    $package = Open-Package $module
    try {
        $null = [System.IO.Directory]::CreateDirectory($staging)
        $files = @(Expand-Package $package)
        if (-not $files) { $module.FailJson("the package has no file under '$((@($module.Params.root, $member) | Where-Object { $_ }) -join '\')'") }
        $listed = ConvertTo-Json -Compress -Depth 4 -InputObject @{ sha256 = $wanted; files = $files }
        # As much as ConvertFrom-Json of Windows PowerShell reads: what it cannot read again it would put there each time anew.
        if ($listed.Length -gt 2000000) { $module.FailJson("the package has $($files.Count) files, and their list would be too long to be read again") }
        if ($module.Params.signer) {
            Assert-Signer $module @($files | Where-Object { $_.path -match '\.(exe|msi)$' } | ForEach-Object { Join-Path $staging $_.path })
        }
        $names = @($files | ForEach-Object { $_.path })
        $gone = @($Old.files | Where-Object { $_ -and $names -notcontains $_.path } | ForEach-Object { $_.path })
        $changes = @(Get-Changes $files $gone)
        $keptNow = @(Save-Originals $changes)
        Move-IntoPlace $changes $Old $keptNow
        if ($unpack) { Write-Text $manifestPath $listed }
    }
    # The last two are .NET Framework's, of a name that it takes for no path; .NET says so of fewer.
    catch [System.IO.IOException], [System.IO.InvalidDataException], [System.UnauthorizedAccessException], [System.ArgumentException], [System.NotSupportedException] {
        $module.FailJson("the package could not be unpacked into ${folder}: $(Get-Cause $_)", $_)
    }
    finally { $package.Dispose(); Remove-Folder $staging; Remove-Folder $replaced }
    $module.Result.files = $files.Count
}

function Remove-Empty([string[]] $Paths) {
    foreach ($path in ($Paths | Sort-Object -Property Length -Descending)) {
        if ([System.IO.Directory]::Exists($path) -and -not [System.IO.Directory]::GetFileSystemEntries($path)) { [System.IO.Directory]::Delete($path) }
    }
}

function Remove-Tree($Manifest) {
    $null = Save-Originals @(Get-Changes @() @($Manifest.files | Where-Object { $_ } | ForEach-Object { $_.path }))
    $folders = @(if (-not $single) { $folder })
    foreach ($file in $Manifest.files) {
        $path = Join-Path $folder $file.path
        if ([System.IO.File]::Exists($path)) { [System.IO.File]::Delete($path) }
        $parent = [System.IO.Path]::GetDirectoryName($path)
        while ($parent.Length -gt $folder.Length -and $folders -notcontains $parent) {
            $folders += $parent
            $parent = [System.IO.Path]::GetDirectoryName($parent)
        }
    }
    if ($manifestPath) { [System.IO.File]::Delete($manifestPath) }
    Remove-Empty $folders
}

function Get-Undone($Record) {
    <# What differs from what the record says. #>
    $files = @(foreach ($path in $Record.kept) {
            $original = Join-Path $originals $path
            if (-not [System.IO.File]::Exists($original)) { $module.FailJson("$original, which was kept, is gone: nothing was changed") }
            @{ path = $path; sha256 = (Get-Sha256 $original) }
        })
    Get-Changes $files $Record.added
}

function Restore-Tree($Record, $Changes, $Old) {
    <# The originals stay where they are until all is done, so that a run that ends halfway is only done again. #>
    Remove-Folder $staging
    try {
        foreach ($change in $Changes) {
            if ($change.new) { Copy-Whole (Join-Path $originals $change.path) (Join-Path $staging $change.path) }
        }
        Move-IntoPlace $Changes $Old @()
        if ($null -ne $Record.manifest) { Write-Text $manifestPath $Record.manifest }
        elseif ([System.IO.File]::Exists($manifestPath)) { [System.IO.File]::Delete($manifestPath) }
    }
    catch [System.IO.IOException], [System.UnauthorizedAccessException], [System.ArgumentException], [System.NotSupportedException] {
        $module.FailJson("what was kept in $recordFolder could not be put back into ${folder}: $(Get-Cause $_)", $_)
    }
    finally { Remove-Folder $staging; Remove-Folder $replaced }
    Remove-Empty @(@($Record.folders | ForEach-Object { Join-Path $folder $_ }) + @(if (-not $Record.existed) { $folder }))
    Write-Record @{ restored = $true }
    Remove-Folder $originals
}

function Undo-Tree($Manifest) {
    <# All as the record says; without one only where nothing was there before. #>
    $record = Get-Record
    if ($null -eq $record) {
        if ($module.Params.existed) {
            $where = if ($undo) { "nothing of $destination is kept in $recordFolder" } else { "no name is given under which $destination could have been kept" }
            $module.FailJson("${where}: what was there before cannot be put back, and nothing was changed")
        }
        $module.Diff.after = ''
        $module.Result.changed = $null -ne $Manifest
        if ($module.Result.changed -and -not $module.CheckMode) { Remove-Tree $Manifest }
        return
    }
    if ($record.restored) { return }
    $text = Get-ManifestText
    if ($unpack -and $Manifest -and "$($Manifest.sha256)" -ne $record.package -and $text -cne $record.manifest) {
        $module.FailJson("package $($Manifest.sha256) was put into $destination since: undo that first. Nothing was changed")
    }
    $changes = @(Get-Undone $record)
    $back = @($changes | Where-Object { $_.new }).Count
    $module.Result.changed = $changes.Count -gt 0 -or $text -cne $record.manifest
    if ($module.Result.changed) { $module.Diff.after = "as before ${undo}; files put back: $back, taken away: $($changes.Count - $back)`n" }
    if (-not $module.CheckMode) { Restore-Tree $record $changes $Manifest }
}

function Get-Words([string] $Sha256) {
    if ($Sha256) { "package $Sha256`n" } else { '' }
}

$manifest = Get-Manifest
$found = if ($manifest) { "$($manifest.sha256)" } else { $null }
$intact = Test-Manifest $manifest
$module.Result.before = @{ exists = $null -ne $found; sha256 = $found; edited = 0 }
$module.Result.files = if ($manifest -and $unpack) { @($manifest.files).Count } else { 0 }
$module.Result.size = $null
$module.Diff.before = Get-Words $found
$module.Diff.after = $module.Diff.before

if ($module.Params.state -eq 'absent') {
    $module.Diff.after = ''
    $module.Result.changed = $null -ne $found
    if ($module.Result.changed -and -not $module.CheckMode) { Remove-Tree $manifest }
}
else {
    $present = $module.Params.state -eq 'present'
    if ($present) {
        $module.Diff.after = Get-Words $wanted
        if ($found -and -not $intact) { $module.Diff.before += "files are missing or changed`n" }
        $module.Result.changed = -not ($intact -and $found -eq $wanted)
        if ($module.Result.changed -and $module.CheckMode) { Test-Source $module }
    }
    if (-not $module.CheckMode -and ($module.Result.changed -or -not $present)) { Write-Note }
    try {
        if (-not $present) { Undo-Tree $manifest }
        elseif ($module.Result.changed -and -not $module.CheckMode) { Install-Tree $manifest }
        # That nothing was to be changed is worth knowing too.
        elseif (-not $module.CheckMode) { $null = Save-Originals @() }
    }
    finally { if ([System.IO.File]::Exists($note)) { [System.IO.File]::Delete($note) } }
}

$module.ExitJson()
