# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 under Wine, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ansible_collections.ansible.windows.plugins.module_utils.WebRequest

# What package_tree fetches and verifies, by its parameters source, location, sha256, size and
# signer.

$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.IO.Compression.FileSystem

# The most bytes of a package whose size fleet.yml does not give.
$largest = 4GB

function Get-StreamSha256($Stream) {
    <# Of a stream from its beginning; it is at its beginning again afterwards, where it can be. #>
    $algorithm = [System.Security.Cryptography.SHA256]::Create()
    if ($Stream.CanSeek) { $Stream.Position = 0 }
    try { [System.BitConverter]::ToString($algorithm.ComputeHash($Stream)).Replace('-', '').ToLowerInvariant() }
    finally { $algorithm.Dispose() }
    if ($Stream.CanSeek) { $Stream.Position = 0 }
}

function Get-Sha256([string] $Path) {
    $stream = [System.IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite, Delete')
    try { Get-StreamSha256 $stream } finally { $stream.Dispose() }
}

function Get-Cause($ErrorRecord) {
    $ErrorRecord.Exception.GetBaseException().Message
}

function Get-Largest($Module) {
    if ($Module.Params.size -gt 0) { [long]$Module.Params.size } else { $largest }
}

function Get-TooLarge($Module) {
    "it is larger than $(Get-Largest $Module) bytes, $(if ($Module.Params.size -gt 0) { 'the size that fleet.yml gives' } else { 'the most where fleet.yml gives no size' })"
}

function Copy-AtMost($Source, $Target, $Module) {
    <# All of a stream; what is larger than it may be is not read to its end. #>
    $most = Get-Largest $Module
    $buffer = New-Object byte[] 1MB
    while (($count = $Source.Read($buffer, 0, $buffer.Length)) -gt 0) {
        if ($Target.Length + $count -gt $most) { throw (New-Object System.IO.InvalidDataException (Get-TooLarge $Module)) }
        $Target.Write($buffer, 0, $count)
    }
}

function Get-Response($Module, [string] $Method) {
    $request = Get-AnsibleWindowsWebRequest -Uri $Module.Params.location -UrlMethod $Method -UrlTimeout 30
    $request.GetResponse()
}

function Test-Source($Module) {
    <# Check mode: only whether the package is there. A server that refuses HEAD has answered. #>
    $location = $Module.Params.location
    $wanted = $Module.Params.sha256.ToLowerInvariant()
    if ($Module.Params.source -eq 'push') { return }
    if ($Module.Params.source -eq 'path') {
        if (-not [System.IO.File]::Exists($location)) { $Module.FailJson("there is no file $location on this gateway") }
        $found = Get-Sha256 $location
        if ($found -ne $wanted) { $Module.FailJson("$location has sha256 $found, wanted $wanted") }
        return
    }
    try {
        $response = Get-Response $Module 'HEAD'
        if ($response.ContentLength -ge 0) { $Module.Result.size = $response.ContentLength }
        $response.Close()
        if ($response.ContentLength -gt (Get-Largest $Module)) { throw (New-Object System.IO.InvalidDataException (Get-TooLarge $Module)) }
    }
    catch {
        $answer = $_.Exception.GetBaseException().Response
        if ($null -eq $answer -or [int]$answer.StatusCode -notin 405, 501) {
            $Module.FailJson("$location cannot be fetched from this gateway: $(Get-Cause $_)", $_)
        }
    }
}

function Open-Package($Module) {
    <# The verified package, as a stream at its beginning. It is a copy that nobody else can open as long as the stream
       is: what is verified is what is unpacked or run, whoever may write where it came from. #>
    $location = $Module.Params.location
    $wanted = $Module.Params.sha256.ToLowerInvariant()
    $fetched = $Module.Params.source -eq 'url'
    if (-not $fetched -and -not [System.IO.File]::Exists($location)) { $Module.FailJson("there is no file $location on this gateway") }
    $response = $source = $null
    $package = [System.IO.File]::Open((Join-Path $Module.Tmpdir 'package'), 'Create', 'ReadWrite', 'None')
    try {
        if ($fetched) {
            $response = Get-Response $Module 'GET'
            if ($response.ContentLength -gt (Get-Largest $Module)) { throw (New-Object System.IO.InvalidDataException (Get-TooLarge $Module)) }
            $source = $response.GetResponseStream()
        }
        else { $source = [System.IO.File]::Open($location, 'Open', 'Read', 'Read') }
        Copy-AtMost $source $package $Module
        $found = Get-StreamSha256 $package
    }
    catch {
        $package.Dispose()
        $Module.FailJson("$location could not be $(if ($fetched) { 'fetched' } else { 'read' }): $(Get-Cause $_)", $_)
    }
    finally { foreach ($one in $source, $response) { if ($one) { $one.Dispose() } } }
    if ($found -ne $wanted) {
        $package.Dispose()
        $Module.FailJson("$location has sha256 $found, wanted ${wanted}: nothing was unpacked or run")
    }
    $Module.Result.size = $package.Length
    $package
}

function Get-NameFault([string] $Path) {
    <# Why Windows would take a package's path for something else than a file of just that name; "" where it would not.
       https://learn.microsoft.com/windows/win32/fileio/naming-a-file #>
    if ($Path -match '[\x00-\x1f\x7f"*<>?|]') { return 'a character that no name can have' }
    foreach ($part in $Path -split '[\\/]') {
        if ($part -match '^\.*$' -or $part.Contains(':')) { return 'it leads out of its folder' }
        if ($part -match '[. ]$') { return 'Windows drops a dot or a blank at the end' }
        if ($part -match '^(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)') { return 'it is the name of a device' }
        if ($part -match '^\.provisioner-(new|old|package\.json)$') { return 'it is the name of a file of ours' }
        if ($part.Length -gt 255) { return 'it is longer than a name can be' }
    }
    ''
}

function Get-NamesFault($Paths, [string] $Folder) {
    <# The first of a package's paths below a folder that cannot stay what it is there, and why; "" for none. #>
    $kinds = New-Object 'System.Collections.Generic.Dictionary[string,string]' ([System.StringComparer]::OrdinalIgnoreCase)
    foreach ($path in $Paths) {
        $fault = Get-NameFault $path
        # Where neither Windows nor .NET was told that paths may be long: MAX_PATH, with its ending 0.
        if (-not $fault -and $Folder.Length + 1 + $path.Length -gt 259) { $fault = 'its path is longer than 259 characters' }
        if (-not $fault -and $kinds.ContainsKey($path)) { $fault = 'there is another one of that name' }
        if ($fault) { return "${path}: $fault" }
        $kinds[$path] = 'file'
        $above = $path
        while (($cut = $above.LastIndexOf('\')) -gt 0) {
            $above = $above.Substring(0, $cut)
            if ($kinds.ContainsKey($above) -and $kinds[$above] -eq 'file') { return "${path}: there is a file of the name of its folder" }
            $kinds[$above] = 'folder'
        }
    }
    ''
}

# A loop of PowerShell's over a Java runtime's bytes would take minutes.
$digester = $null
$digesting = @'
public static class ProvisionerDigest
{
    private static readonly uint[] Table = Make();

    private static uint[] Make()
    {
        var table = new uint[256];
        for (uint at = 0; at < 256; at++)
        {
            uint value = at;
            for (int bit = 0; bit < 8; bit++) { value = (value & 1) != 0 ? (value >> 1) ^ 0xEDB88320u : value >> 1; }
            table[at] = value;
        }
        return table;
    }

    // The stream's CRC-32; the algorithm has its own digest of it then.
    public static uint Read(System.IO.Stream stream, System.Security.Cryptography.HashAlgorithm algorithm)
    {
        var buffer = new byte[1 << 16];
        uint crc = 0xFFFFFFFFu;
        int count;
        while ((count = stream.Read(buffer, 0, buffer.Length)) > 0)
        {
            for (int at = 0; at < count; at++) { crc = (crc >> 8) ^ Table[(byte)crc ^ buffer[at]]; }
            algorithm.TransformBlock(buffer, 0, count, null, 0);
        }
        algorithm.TransformFinalBlock(buffer, 0, 0);
        return crc ^ 0xFFFFFFFFu;
    }
}
'@

function Get-Digests($Stream) {
    <# Of what is left of a stream: sha256, and crc32 as a zip has it. #>
    if ($null -eq $digester) { $script:digester = @(Add-Type -TypeDefinition $digesting -PassThru)[0] }
    $algorithm = [System.Security.Cryptography.SHA256]::Create()
    try {
        $crc32 = $digester::Read($Stream, $algorithm)
        @{ crc32 = $crc32; sha256 = [System.BitConverter]::ToString($algorithm.Hash).Replace('-', '').ToLowerInvariant() }
    }
    finally { $algorithm.Dispose() }
}

function Get-ZipFacts($Package) {
    <# Of each entry of a zip, in their order, what .NET Framework does not tell: its crc32, and why it is no file, "" for
       one that is. APPNOTE.TXT, 4.3.12 to 4.3.16, 4.4.2 and 4.4.15; a UNIX mode's uppermost bits: 4 a
       folder, 8 a file, 10 a link. #>
    $reader = New-Object System.IO.BinaryReader $Package
    $Package.Position = [Math]::Max(0, $Package.Length - 65557)
    $tail = $reader.ReadBytes(65557)
    $at = $tail.Length - 22
    while ($at -gt 0 -and [System.BitConverter]::ToUInt32($tail, $at) -ne 0x06054b50) { $at-- }
    $count = [long][System.BitConverter]::ToUInt16($tail, $at + 10)
    $Package.Position = [System.BitConverter]::ToUInt32($tail, $at + 16)
    # Where a number has no room in 16 or 32 bits.
    $more = $count -eq [uint16]::MaxValue -or $Package.Position -eq [uint32]::MaxValue
    if ($more -and $at -ge 20 -and [System.BitConverter]::ToUInt32($tail, $at - 20) -eq 0x07064b50) {
        $Package.Position = [System.BitConverter]::ToInt64($tail, $at - 12)
        $zip64 = $reader.ReadBytes(56)
        $count = [System.BitConverter]::ToInt64($zip64, 32)
        $Package.Position = [System.BitConverter]::ToInt64($zip64, 48)
    }
    for ($number = 0; $number -lt $count; $number++) {
        $head = $reader.ReadBytes(46)
        if ($head.Length -ne 46 -or [System.BitConverter]::ToUInt32($head, 0) -ne 0x02014b50) {
            throw (New-Object System.IO.InvalidDataException 'its list of files is damaged')
        }
        $kind = if ($head[5] -in 3, 19) { [System.BitConverter]::ToUInt32($head, 38) -shr 28 } else { 0 }
        $fault = if ($kind -eq 10) { 'it is a link, and no file' } elseif ($kind -notin 0, 4, 8) { 'it is a device, and no file' } else { '' }
        @{ crc32 = [System.BitConverter]::ToUInt32($head, 16); fault = $fault }
        foreach ($place in 28, 30, 32) { $Package.Position += [System.BitConverter]::ToUInt16($head, $place) }
    }
}

function Expand-Entry($Entry, [string] $Target, [string] $Path, $Crc32) {
    <# Unpack one file of a zip, which is $Path in words; its sha256, by what the package holds and not by what lies on the
       disk. #>
    try { [System.IO.Compression.ZipFileExtensions]::ExtractToFile($Entry, $Target, $false) }
    catch [System.IO.InvalidDataException] {
        throw (New-Object System.IO.InvalidDataException "$Path is damaged, or packed in a way that Windows does not know: $(Get-Cause $_)")
    }
    # .NET hands on what is encrypted as it is.
    if ((New-Object System.IO.FileInfo $Target).Length -ne $Entry.Length) {
        throw (New-Object System.IO.InvalidDataException "$Path is not as long as the package says: it is encrypted, or damaged")
    }
    $content = $Entry.Open()
    try { $digests = Get-Digests $content } finally { $content.Dispose() }
    # .NET Framework does not compare them.
    if ($digests.crc32 -ne $Crc32) {
        throw (New-Object System.IO.InvalidDataException "$Path is damaged: it has another CRC-32 than the package says. Ask whoever made the package for a whole one")
    }
    $digests.sha256
}

function Assert-Signer($Module, [string[]] $Paths) {
    <# Each of these programs is signed, by the one who must have signed them. #>
    $signer = $Module.Params.signer
    foreach ($path in $Paths) {
        $signature = Get-AuthenticodeSignature -LiteralPath $path
        if ("$($signature.Status)" -ne 'Valid') { $Module.FailJson("the signature of $path is not valid: $($signature.StatusMessage)") }
        $name = $signature.SignerCertificate.GetNameInfo('SimpleName', $false)
        if ($name -ne $signer) { $Module.FailJson("$path is signed by '$name', wanted '$signer'") }
    }
}

Export-ModuleMember -Function Get-Sha256, Get-Cause, Test-Source, Open-Package, Get-NameFault, Get-NamesFault, Get-ZipFacts, Expand-Entry, Assert-Signer
