# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 under Wine, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic
#AnsibleRequires -PowerShell ansible_collections.ansible.windows.plugins.module_utils.WebRequest

# What package_tree fetches and verifies, by its parameters source, location, sha256 and signer.

$ErrorActionPreference = 'Stop'

function Get-Sha256([string] $Path) {
    $algorithm = [System.Security.Cryptography.SHA256]::Create()
    $stream = [System.IO.File]::Open($Path, 'Open', 'Read', 'ReadWrite, Delete')
    try { [System.BitConverter]::ToString($algorithm.ComputeHash($stream)).Replace('-', '').ToLowerInvariant() }
    finally { $stream.Dispose(); $algorithm.Dispose() }
}

function Get-Cause($ErrorRecord) {
    $ErrorRecord.Exception.GetBaseException().Message
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
    }
    catch {
        $answer = $_.Exception.GetBaseException().Response
        if ($null -eq $answer -or [int]$answer.StatusCode -notin 405, 501) {
            $Module.FailJson("$location cannot be fetched from this gateway: $(Get-Cause $_)", $_)
        }
    }
}

function Get-Package($Module) {
    <# The verified package's path. Nothing is opened, run or unpacked before its sha256 is right. #>
    $location = $Module.Params.location
    $wanted = $Module.Params.sha256.ToLowerInvariant()
    if ($Module.Params.source -eq 'url') {
        $file = Join-Path $Module.Tmpdir 'package'
        try {
            $response = Get-Response $Module 'GET'
            $source = $response.GetResponseStream()
            $target = [System.IO.File]::Create($file)
            try { $source.CopyTo($target) } finally { $target.Dispose(); $source.Dispose(); $response.Close() }
        }
        catch { $Module.FailJson("$location could not be fetched: $(Get-Cause $_)", $_) }
    }
    else {
        $file = $location
        if (-not [System.IO.File]::Exists($file)) { $Module.FailJson("there is no file $file on this gateway") }
    }
    $found = Get-Sha256 $file
    if ($found -ne $wanted) { $Module.FailJson("$location has sha256 $found, wanted ${wanted}: nothing was unpacked or run") }
    $Module.Result.size = (New-Object System.IO.FileInfo $file).Length
    $file
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

Export-ModuleMember -Function Get-Sha256, Get-Cause, Test-Source, Get-Package, Assert-Signer
