#!powershell

# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 under Wine, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ansible_collections.ansible.windows.plugins.module_utils.WebRequest

$spec = @{
    options = @{
        source = @{ type = 'str'; choices = 'url', 'path', 'push' }
        location = @{ type = 'str' }
        sha256 = @{ type = 'str' }
        signer = @{ type = 'str'; default = '' }
        root = @{ type = 'str'; default = '' }
        member = @{ type = 'str'; default = '' }
        keep = @{ type = 'str' }
        skip = @{ type = 'list'; elements = 'path'; default = @() }
        unpack = @{ type = 'bool'; default = $true }
        destination = @{ type = 'path'; required = $true }
        state = @{ type = 'str'; default = 'present'; choices = 'present', 'absent' }
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
# Where the manifest's paths begin: a single file has its manifest beside it.
$folder = if ($member) { [System.IO.Path]::GetDirectoryName($destination) } else { $destination }
$manifestPath = if ($member) { "$destination.provisioner-package.json" } else { Join-Path $destination '.provisioner-package.json' }
# In the destination, so that the last step is a rename on one volume, under rights that are closed already.
$staging = Join-Path $folder '.provisioner-new'
$replaced = Join-Path $folder '.provisioner-old'
$kept = "$($module.Params.keep)"
# Whoever reads the gateway sees from this that we are still at work: a module outlives its client.
$note = if ($kept) { Join-Path ([System.IO.Path]::GetDirectoryName($kept)) "running\package-$PID.json" } else { '' }

function Get-Sha256([string] $Path) {
    $algorithm = [System.Security.Cryptography.SHA256]::Create()
    $stream = [System.IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite, Delete')
    try { [System.BitConverter]::ToString($algorithm.ComputeHash($stream)).Replace('-', '').ToLowerInvariant() }
    finally { $stream.Dispose(); $algorithm.Dispose() }
}

function Get-Manifest {
    if (-not [System.IO.File]::Exists($manifestPath)) { return $null }
    try { $read = ConvertFrom-Json ([System.IO.File]::ReadAllText($manifestPath)) } catch { return $null }
    # Anybody may have written it before the folder was closed: a path that leads out of the folder makes it worthless.
    foreach ($file in $read.files) {
        if ("$($file.path)" -match '(^|[\\/])\.\.([\\/]|$)|:|^[\\/]') { return $null }
    }
    $read
}

function Test-Manifest($Manifest) {
    if ($null -eq $Manifest) { return $false }
    foreach ($file in $Manifest.files) {
        $info = New-Object System.IO.FileInfo (Join-Path $folder $file.path)
        if (-not $info.Exists -or $info.Length -ne $file.size -or (Get-Sha256 $info.FullName) -ne $file.sha256) { return $false }
    }
    $true
}

function Get-Response([string] $Method) {
    $request = Get-AnsibleWindowsWebRequest -Uri $module.Params.location -UrlMethod $Method -UrlTimeout 30
    $request.GetResponse()
}

function Get-Cause($ErrorRecord) {
    $ErrorRecord.Exception.GetBaseException().Message
}

function Test-Source {
    <# Check mode: only whether the package is there. A server that refuses HEAD has answered. #>
    $location = $module.Params.location
    if ($module.Params.source -eq 'push') { return }
    if ($module.Params.source -eq 'path') {
        if (-not [System.IO.File]::Exists($location)) { $module.FailJson("there is no file $location on this gateway") }
        $found = Get-Sha256 $location
        if ($found -ne $wanted) { $module.FailJson("$location has sha256 $found, wanted $wanted") }
        return
    }
    try {
        $response = Get-Response 'HEAD'
        if ($response.ContentLength -ge 0) { $module.Result.size = $response.ContentLength }
        $response.Close()
    }
    catch {
        $answer = $_.Exception.GetBaseException().Response
        if ($null -eq $answer -or [int]$answer.StatusCode -notin 405, 501) {
            $module.FailJson("$location cannot be fetched from this gateway: $(Get-Cause $_)", $_)
        }
    }
}

function Get-Package {
    <# The verified package's path. Nothing is opened, run or unpacked before its sha256 is right. #>
    $location = $module.Params.location
    if ($module.Params.source -eq 'url') {
        $file = Join-Path $module.Tmpdir 'package'
        try {
            $response = Get-Response 'GET'
            $source = $response.GetResponseStream()
            $target = [System.IO.File]::Create($file)
            try { $source.CopyTo($target) } finally { $target.Dispose(); $source.Dispose(); $response.Close() }
        }
        catch { $module.FailJson("$location could not be fetched: $(Get-Cause $_)", $_) }
    }
    else {
        $file = $location
        if (-not [System.IO.File]::Exists($file)) { $module.FailJson("there is no file $file on this gateway") }
    }
    $found = Get-Sha256 $file
    if ($found -ne $wanted) { $module.FailJson("$location has sha256 $found, wanted ${wanted}: nothing was unpacked or run") }
    $module.Result.size = (New-Object System.IO.FileInfo $file).Length
    $file
}

function Assert-Signer([string[]] $Paths) {
    $signer = $module.Params.signer
    foreach ($path in $Paths) {
        $signature = Get-AuthenticodeSignature -LiteralPath $path
        if ("$($signature.Status)" -ne 'Valid') { $module.FailJson("the signature of $path is not valid: $($signature.StatusMessage)") }
        $name = $signature.SignerCertificate.GetNameInfo('SimpleName', $false)
        if ($name -ne $signer) { $module.FailJson("$path is signed by '$name', wanted '$signer'") }
    }
}

function Expand-Package([string] $File) {
    <# The files of `root` (or its one `member`) into the staging folder; returns the new manifest's files. #>
    Add-Type -AssemblyName System.IO.Compression, System.IO.Compression.FileSystem
    $root = $module.Params.root.Replace('\', '/').Trim('/')
    $prefix = if ($root) { "$root/" } else { '' }
    $archive = [System.IO.Compression.ZipFile]::OpenRead($File)
    try {
        foreach ($entry in $archive.Entries) {
            $name = $entry.FullName.Replace('\', '/')
            if ($name.EndsWith('/') -or -not $name.StartsWith($prefix, [System.StringComparison]::OrdinalIgnoreCase)) { continue }
            $path = $name.Substring($prefix.Length)
            if ($member -and $path -ne $member) { continue }
            # A name that leads out of the folder is an attack, not a package.
            if (($path.Split('/') -contains '..') -or $path.Contains(':') -or $path.StartsWith('/')) {
                $module.FailJson("the package holds a file that leads out of its folder: $name")
            }
            $path = if ($member) { [System.IO.Path]::GetFileName($destination) } else { $path.Replace('/', '\') }
            if ($module.Params.skip -contains (Join-Path $folder $path)) { continue }
            $target = Join-Path $staging $path
            $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($target))
            [System.IO.Compression.ZipFileExtensions]::ExtractToFile($entry, $target, $true)
            @{ path = $path; size = $entry.Length; sha256 = (Get-Sha256 $target) }
        }
    }
    finally { $archive.Dispose() }
}

function Remove-Folder([string] $Path) {
    # A program that still runs may be renamed but not deleted; the next run deletes it.
    if ([System.IO.Directory]::Exists($Path)) { try { [System.IO.Directory]::Delete($Path, $true) } catch { $null = $_ } }
}

function Save-Edited([string] $Path, $Old) {
    <# A file that is not as a package of ours left it, somebody has made or edited: it is kept before it is replaced. #>
    if (-not $kept) { return }
    $was = Get-Sha256 $Path
    if ($Old.files | Where-Object { $_ -and (Join-Path $folder $_.path) -eq $Path -and $_.sha256 -eq $was }) { return }
    $null = [System.IO.Directory]::CreateDirectory($kept)
    $name = "$([System.IO.Path]::GetFileName($Path)).$($was.Substring(0, 12))"
    [System.IO.File]::Copy($Path, (Join-Path $kept $name), $true)
}

function Move-IntoPlace($Files, $Old) {
    <# Swap file by file; on any error everything is put back. A running program can be renamed, not overwritten. #>
    $done = New-Object System.Collections.ArrayList
    $keep = @($Files | ForEach-Object { $_.path })
    $gone = @($Old.files | Where-Object { $_ -and $keep -notcontains $_.path })
    $path = ''
    try {
        foreach ($file in @($Files) + $gone) {
            $path = Join-Path $folder $file.path
            $new = Join-Path $staging $file.path
            if ([System.IO.File]::Exists($path)) {
                if ([System.IO.File]::Exists($new) -and (Get-Sha256 $path) -eq $file.sha256) { continue }
                Save-Edited $path $Old
                $aside = Join-Path $replaced ([guid]::NewGuid().ToString('N'))
                $null = [System.IO.Directory]::CreateDirectory($replaced)
                [System.IO.File]::Move($path, $aside)
                $null = $done.Add(@($aside, $path))
            }
            if ([System.IO.File]::Exists($new)) {
                $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($path))
                [System.IO.File]::Move($new, $path)
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
    $text = ConvertTo-Json -InputObject @{ pid = $PID; what = "package_tree $destination"; started = $at }
    [System.IO.File]::WriteAllText($note, $text)
}

function Install-Tree($Old) {
    $package = Get-Package
    Remove-Folder $staging
    try {
        $null = [System.IO.Directory]::CreateDirectory($staging)
        $files = @(Expand-Package $package)
        if (-not $files) { $module.FailJson("the package has no file under '$(Join-Path $module.Params.root $member)'") }
        if ($module.Params.signer) {
            Assert-Signer @($files | Where-Object { $_.path -match '\.(exe|msi)$' } | ForEach-Object { Join-Path $staging $_.path })
        }
        Move-IntoPlace $files $Old
        $text = ConvertTo-Json -Depth 4 -InputObject @{ sha256 = $wanted; files = $files }
        [System.IO.File]::WriteAllText($manifestPath, $text)
    }
    catch [System.IO.IOException], [System.IO.InvalidDataException], [System.UnauthorizedAccessException] {
        $module.FailJson("the package could not be unpacked into ${folder}: $(Get-Cause $_)", $_)
    }
    finally { Remove-Folder $staging; Remove-Folder $replaced }
    $module.Result.files = $files.Count
}

function Install-File {
    $package = Get-Package
    if ($module.Params.signer) { Assert-Signer @($package) }
    $null = [System.IO.Directory]::CreateDirectory([System.IO.Path]::GetDirectoryName($destination))
    [System.IO.File]::Copy($package, $destination, $true)
    $module.Result.files = 1
}

function Remove-Tree($Manifest) {
    if (-not $unpack) { [System.IO.File]::Delete($destination); return }
    $folders = @($folder)
    foreach ($file in $Manifest.files) {
        $path = Join-Path $folder $file.path
        if ([System.IO.File]::Exists($path)) { [System.IO.File]::Delete($path) }
        $parent = [System.IO.Path]::GetDirectoryName($path)
        while ($parent.Length -gt $folder.Length -and $folders -notcontains $parent) {
            $folders += $parent
            $parent = [System.IO.Path]::GetDirectoryName($parent)
        }
    }
    [System.IO.File]::Delete($manifestPath)
    foreach ($path in ($folders | Sort-Object -Property Length -Descending)) {
        if ($member -and $path -eq $folder) { continue }
        if ([System.IO.Directory]::Exists($path) -and -not [System.IO.Directory]::GetFileSystemEntries($path)) { [System.IO.Directory]::Delete($path) }
    }
}

function Get-Words([string] $Sha256) {
    if ($Sha256) { "package $Sha256`n" } else { '' }
}

$manifest = if ($unpack) { Get-Manifest } else { $null }
$found = if ($manifest) { "$($manifest.sha256)" } elseif (-not $unpack -and [System.IO.File]::Exists($destination)) { Get-Sha256 $destination } else { $null }
$intact = if ($unpack) { Test-Manifest $manifest } else { $null -ne $found }
$module.Result.before = @{ exists = $null -ne $found; sha256 = $found }
$module.Result.files = if ($manifest) { @($manifest.files).Count } else { 0 }
$module.Result.size = $null
$module.Diff.before = Get-Words $found

if ($module.Params.state -eq 'absent') {
    $module.Diff.after = ''
    $module.Result.changed = $null -ne $found
    if ($module.Result.changed -and -not $module.CheckMode) { Remove-Tree $manifest }
}
else {
    $module.Diff.after = Get-Words $wanted
    if ($found -and -not $intact) { $module.Diff.before += "files are missing or changed`n" }
    $module.Result.changed = -not ($intact -and $found -eq $wanted)
    if ($module.Result.changed -and $module.CheckMode) { Test-Source }
    elseif ($module.Result.changed) {
        Write-Note
        try { if ($unpack) { Install-Tree $manifest } else { Install-File } }
        finally { if ($note) { [System.IO.File]::Delete($note) } }
    }
}

$module.ExitJson()
