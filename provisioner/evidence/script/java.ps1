# The Java runtime that fleet.yml names.

function Read-Java($s) {
    $release = @{}
    foreach ($line in "$(Invoke-Quietly { Read-Text "$($s.java_home)\release" })".Split("`n")) {
        if ($line -match '^\s*(\w+)="?([^"\r]*)"?\s*$') { $release[$Matches[1]] = $Matches[2] }
    }
    $processors = @{ amd64 = 'x64'; x86_64 = 'x64'; x86 = 'x86'; i386 = 'x86'; i586 = 'x86'; aarch64 = 'arm64' }
    $processor = $release.OS_ARCH
    [ordered]@{
        home = $s.java_home
        present = [IO.File]::Exists("$($s.java_home)\bin\java.exe")
        version = ConvertTo-Text $release.JAVA_VERSION
        vendor = ConvertTo-Text $release.IMPLEMENTOR
        architecture = $(if ($processor) { Select-First $processors[$processor], (ConvertTo-Text $processor) })
    }
}
