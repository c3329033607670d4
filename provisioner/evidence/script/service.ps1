# The Connector's service, and others that could be one.

function Get-ServiceCommand($Values) { Split-Command (Expand-Text $Values.ImagePath (Get-Variables $Values.Environment)) }

function Test-ServiceOf($Name, $Values, $Mention, $Folder) {
    # Whether a service is one of the Connector's: the folder is in its command or in what its host was told.
    $told = Invoke-Quietly { Get-Values "SYSTEM\CurrentControlSet\Services\$Name\Parameters" }
    $procrun = if ("$($Values.ImagePath)" -like '*//RS//*') { Get-Procrun $Name }
    $start = if ($procrun) { Get-Values "$procrun\Start" }
    $java = if ($procrun) { Get-Values "$procrun\Java" }
    $texts = @($Values.ImagePath, $told.Application, $told.AppDirectory, $told.AppParameters, $start.Image, $start.WorkingPath) +
        @($start.Params) + @($java.JavaHome, $java.Classpath) + @($java.Options)
    $variables = Get-Variables $Values.Environment
    foreach ($text in $texts) { if ($text -and (Test-Mention (Expand-Text $text $variables) $Mention $Folder)) { return $true } }
    Test-Under (Get-HostedImage $Name (Get-ServiceCommand $Values) $Values.Environment).Image $Folder
}

function Get-FailureActions($Bytes) {
    # SERVICE_FAILURE_ACTIONS as the service manager keeps it: period, two pointers, count, offset; then type and delay.
    $kinds = 'none', 'restart', 'reboot', 'run_command'
    if ($null -eq $Bytes -or $Bytes.Length -lt 20) { return @{ Actions = @(); Reset = $null } }
    $count = [Math]::Min([BitConverter]::ToInt32($Bytes, 12), [int](($Bytes.Length - 20) / 8))
    $actions = @(for ($i = 0; $i -lt $count; $i++) {
        $kind = [BitConverter]::ToInt32($Bytes, 20 + 8 * $i)
        [ordered]@{ type = $(if ($kind -ge 0 -and $kind -lt 4) { $kinds[$kind] } else { "$kind" }); delay_ms = [BitConverter]::ToUInt32($Bytes, 24 + 8 * $i) }
    })
    $reset = [BitConverter]::ToUInt32($Bytes, 0)
    @{ Actions = $actions; Reset = $(if ($reset -ne [uint32]::MaxValue) { [long]$reset }) }
}

function Get-ServiceFacts($Name, $s) {
    $values = Get-Values "SYSTEM\CurrentControlSet\Services\$Name"
    if ($null -eq $values -or -not $values.ImagePath) { return $null }
    $states = @{ Running = 'running'; Stopped = 'stopped'; Paused = 'paused'; StartPending = 'start_pending'; StopPending = 'stop_pending'
        ContinuePending = 'start_pending'; PausePending = 'stop_pending' }
    $modes = @{ 2 = 'auto'; 3 = 'manual'; 4 = 'disabled' }
    $state = Get-ServiceState $Name
    $command = Get-ServiceCommand $values
    $hosted = Get-HostedImage $Name $command $values.Environment
    $failure = Get-FailureActions $values.FailureActions
    $mode = $modes[[int](ConvertTo-Number $values.Start)]
    if ($mode -eq 'auto' -and $values.DelayedAutostart -eq 1) { $mode = 'delayed' }
    [ordered]@{
        name = $Name
        display_name = ConvertTo-Text $values.DisplayName
        state = $(if ($state) { $states[$state] })
        start_mode = $mode
        account = ConvertTo-Text $values.ObjectName
        command = ConvertTo-Text $command.Program
        image = ConvertTo-Text (Get-Place $hosted.Image $s)
        host = $hosted.Host
        pid = $(if ($state -and $state -ne 'Stopped') { Invoke-Quietly { ConvertTo-Number (Get-Instance Win32_Service ProcessId "Name = '$($Name.Replace("'", "\'"))'").ProcessId } | Where-Object { $_ } })
        actions = $failure.Actions
        reset_seconds = $failure.Reset
        on_non_crash = ConvertTo-Flag (Select-First $values.FailureActionsOnNonCrashFailures, 0)
        marked_for_deletion = (ConvertTo-Flag $values.DeleteFlag) -eq $true
    }
}

function Read-Service($s) {
    $root = 'SYSTEM\CurrentControlSet\Services'
    $folder = Resolve-Place $s.folder
    $mention = Get-Mention $s.folder
    $others = foreach ($name in @(Get-Keys $root)) {
        if (Test-Same $name $s.service) { continue }
        # Security products guard their keys; of ours, below, what cannot be read is an error.
        $values = Invoke-Quietly { Get-Values "$root\$name" }
        $path = "$($values.ImagePath)"
        # Drivers, and nearly every service, are passed by with one cheap look.
        if ($path.IndexOf('.exe', [StringComparison]::OrdinalIgnoreCase) -lt 0 -and -not $mention.IsMatch($path)) { continue }
        if ($path -match '(?i)\\(system32|syswow64)\\' -and -not $mention.IsMatch($path) -and $path -notmatch '(?i)\\(srvany|nssm|prunsrv)\w*\.exe') { continue }
        if (Invoke-Quietly { Test-ServiceOf $name $values $mention $folder }) { Get-ServiceFacts $name $s }
    }
    [ordered]@{
        wanted = "$($s.service)"
        service = $(if ($s.service) { Get-ServiceFacts $s.service $s })
        others = @($others)
    }
}
