# Which program a service runs in the end, by the host that starts it (procrun, nssm, winsw ...): for service.

function Split-Command($Line) {
    # The program of a command line, and its arguments.
    if ("$Line" -match '^\s*"([^"]+)"\s*(.*)$') { return @{ Program = $Matches[1]; Rest = $Matches[2] } }
    # Unquoted, blanks belong to the path up to the first .exe; a name without a path ends at the first.
    if ("$Line" -match '^\s*([A-Za-z]:|\\|%|\.)' -and "$Line" -match '^\s*(.+?\.exe)(?:\s+(.*))?$') { return @{ Program = $Matches[1]; Rest = "$($Matches[2])" } }
    if ("$Line" -match '^\s*(\S+)\s+(.*)$') { return @{ Program = $Matches[1]; Rest = $Matches[2] } }
    @{ Program = "$Line".Trim(); Rest = '' }
}

function Get-Variables($Lists) {
    # The variables that a service is started with: Windows' own, the machine's, and lists of NAME=VALUE of its own.
    $found = @{}
    foreach ($name in 'SystemRoot', 'SystemDrive', 'ProgramFiles', 'ProgramFiles(x86)', 'ProgramData', 'CommonProgramFiles') { $found[$name] = [Environment]::GetEnvironmentVariable($name) }
    $found.windir = $found.SystemRoot
    $machine = Get-Values 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    if ($null -ne $machine) { foreach ($name in $machine.Keys) { $found[$name] = "$($machine[$name])" } }
    foreach ($line in @($Lists)) {
        $name, $value = "$line".Split('=', 2)
        if ($name -and $value) { $found[$name] = $value }
    }
    $found
}

function Expand-Text($Text, $Variables) {
    # With variables in place; what is not defined stays as it is.
    $expanded = "$Text"
    foreach ($round in 1..3) {
        $expanded = [regex]::Replace($expanded, '%([^%]+)%', { param($one) $value = $Variables[$one.Groups[1].Value]; if ($value) { "$value" } else { $one.Value } })
    }
    $expanded
}

function Find-Program($Text, $Folders, $Variables) {
    # The file of a program as a service's settings have it, as CreateProcess finds it; null where that cannot be told.
    $name = (Expand-Text $Text $Variables).Trim().Trim('"').Replace('/', '\')
    if (-not $name -or $name.Contains('%')) { return $null }
    if (-not (Get-Leaf $name).Contains('.')) { $name = "$name.exe" }
    if ($name -match '^([A-Za-z]:\\|\\\\)') { return Resolve-Place $name }
    $root = $Variables.SystemRoot
    $places = @($Folders) + "$root\System32", $root
    if (-not $name.Contains('\')) { $places += @((Expand-Text $Variables.Path $Variables).Split(';') | ForEach-Object { $_.Trim().Trim('"').TrimEnd('\') }) }
    foreach ($place in $places) { if ($place -match '^[A-Za-z]:' -and [IO.File]::Exists("$($place.TrimEnd('\'))\$name")) { return Resolve-Place "$($place.TrimEnd('\'))\$name" } }
}

function Get-Procrun($Name) {
    # Where procrun keeps what it was told of a service; null where it knows none of that name.
    foreach ($root in 'SOFTWARE\WOW6432Node', 'SOFTWARE') {
        $at = "$root\Apache Software Foundation\Procrun 2.0\$Name\Parameters"
        if ($null -ne (Get-Values "$at\Start")) { return $at }
    }
}

function Test-Script($Program) {
    # Whether it is a script, or runs one: the program that it starts in the end is another.
    (Get-Leaf $Program) -match '^(cmd|powershell|pwsh|wscript|cscript)(\.exe)?$|\.(bat|cmd|ps1|vbs|vbe|js|wsf)$'
}

function Get-HostedImage($Name, $Command, $Own) {
    # The program that the service is set to run, and by which host that is told. No host: the service's own program, which
    # may start another. No image: it is another than the service's own, and cannot be told.
    $program = Resolve-Place $Command.Program
    $beside = $program -replace '\\[^\\]*$', ''
    $answer = { param($by, $text, $folders, $more)
        $image = Find-Program $text (@($folders) + $beside | Where-Object { $_ }) (Get-Variables (@($Own) + @($more)))
        @{ Host = $by; Image = $(if (-not (Test-Script $image)) { $image }) }
    }
    $procrun = if ($Command.Rest -like '*//RS//*') { Get-Procrun $Name }
    if ($procrun) {
        $start = Get-Values "$procrun\Start"
        if ($start.Mode -eq 'jvm') { return @{ Host = 'procrun'; Image = $program } }
        $text = if ($start.Mode -eq 'exe') { $start.Image } elseif ($start.Mode -eq 'java') {
            $at = Get-Value "$procrun\Java" 'JavaHome'
            if ($at) { "$("$at".Trim().Trim('"').TrimEnd('\', '/'))\bin\java.exe" }
        }
        return & $answer 'procrun' $text $start.WorkingPath
    }
    $told = Get-Values "SYSTEM\CurrentControlSet\Services\$Name\Parameters"
    if ($told.Application) {
        $by = if ((Get-Leaf $program) -eq 'srvany.exe') { 'srvany' } else { 'nssm' }
        return & $answer $by $told.Application $told.AppDirectory (@($told.AppEnvironment) + @($told.AppEnvironmentExtra))
    }
    if ($Command.Rest -match '(?:^|\s)--\s+(.+)$') {
        $text = (Split-Command $Matches[1]).Program
        $folder = if ($Command.Rest -match '--cwd[\s=]+("[^"]+"|\S+)') { $Matches[1].Trim('"') }
        return & $answer 'shawl' $text $folder
    }
    $xml = Invoke-Quietly { ([xml](Read-Text ($program -replace '\.exe$', '.xml'))).service }
    if ($xml.executable) {
        $set = @("BASE=$beside") + @($xml.SelectNodes('env') | ForEach-Object { "$($_.GetAttribute('name'))=$($_.GetAttribute('value'))" })
        return & $answer 'winsw' $xml.executable (Expand-Text $xml.workingdirectory @{ BASE = $beside }) $set
    }
    if ($Command.Rest -match '(?:^|\s)-{1,2}s\s+("[^"]+"|\S+)') {
        $conf = $Matches[1].Trim('"').Replace('/', '\')
        $text = Invoke-Quietly { Read-Text $(if ($conf -match '^[A-Za-z]:') { $conf } else { Resolve-Place "$beside\$conf" }) }
        if ("$text" -match '(?m)^\s*wrapper\.java\.command\s*=\s*(.+?)\s*$') { return & $answer 'tanuki' $Matches[1] }
    }
    if (Test-Script $program) { return @{ Host = 'script'; Image = $null } }
    @{ Host = $null; Image = $program }
}
