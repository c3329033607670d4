# Who listens where SystmOne's gateway client listens.

function Get-Ancestors($Id) {
    # A process and those that started it (a batch file's name is only in its cmd.exe), three steps back.
    $property = 'ProcessId', 'ParentProcessId', 'Name', 'SessionId', 'ExecutablePath', 'CommandLine', 'CreationDate'
    $next = $Id
    $younger = $null
    foreach ($step in 1..4) {
        $one = @(Get-Instance Win32_Process $property "ProcessId = $next")[0]
        # Windows gives a dead parent's number away again: whoever is younger than its child did not start it.
        if ($null -eq $one -or ($younger -and $one.CreationDate -gt $younger)) { return }
        $one
        if (-not $one.ParentProcessId) { return }
        $next = $one.ParentProcessId
        $younger = $one.CreationDate
    }
}

function Get-Listener($Id, $s) {
    $family = @(Invoke-Quietly { Get-Ancestors $Id })
    $lines = @($family | ForEach-Object { $_.CommandLine; $_.ExecutablePath } | Where-Object { $_ })
    # Without its parent a client may still be one that the batch file started: then its mode cannot be told.
    $told = @($family | Where-Object { $_.CommandLine }).Count -gt 0
    $in = { param($part) @($lines | Where-Object { $_.IndexOf($part, [StringComparison]::OrdinalIgnoreCase) -ge 0 }).Count -gt 0 }
    [ordered]@{
        process = $(if ($family) { ConvertTo-Text $family[0].Name })
        session = $(if ($family) { ConvertTo-Number $family[0].SessionId })
        folder_matches = $(if ($lines) { & $in $s.systmone.folder.TrimEnd('\') })
        gateway_mode = $(if ($told) { if (& $in $s.systmone.gateway_mark) { $true } elseif ($family.Count -gt 1) { $false } })
    }
}

function Read-SystmOne($s) {
    $ends = @(Get-Connections | Where-Object { $_.State -eq 'Listen' -and $_.Port -eq $s.systmone.port })
    $owners = @($ends | Where-Object { $null -ne $_.Owner } | ForEach-Object { $_.Owner } | Sort-Object -Unique)
    $listeners = @(foreach ($id in $owners) { Get-Listener $id $s })
    if ($ends -and -not $owners) { $listeners = @([ordered]@{ process = $null; session = $null; folder_matches = $null; gateway_mode = $null }) }
    [ordered]@{ port = $s.systmone.port; listeners = $listeners; folder_present = [IO.Directory]::Exists($s.systmone.folder) }
}
