# Who is logged on.

function Get-Sessions {
    # People logged on: a loaded user hive whose Volatile Environment names the session, still alive.
    $running = @(Get-Running)
    $alive = @($running | ForEach-Object { $_.Session })
    $locked = @($running | Where-Object { $_.Name -eq 'LogonUI' } | ForEach-Object { $_.Session })
    foreach ($sid in @(Get-Keys '' 'Users')) {
        if ($sid -notmatch '^S-1-(5-21|12-1)-[\d-]+$') { continue }
        $place = "$sid\Volatile Environment"
        foreach ($number in @(Get-Keys $place 'Users')) {
            # Session 0 is that of services and of our own log-on.
            if ($number -notmatch '^[1-9]\d*$' -or $alive -notcontains [int]$number) { continue }
            $at = "$(Get-Value "$place\$number" 'SESSIONNAME' 'Users')"
            $who = Get-Values $place 'Users'
            @{ Session = [int]$number; Locked = $locked -contains [int]$number; Name = "$($who.USERDOMAIN)\$($who.USERNAME)"
                Kind = $(if ($at -eq 'Console') { 'console' } elseif ($at -like 'RDP-*') { 'remote' } else { 'unknown' }) }
        }
    }
}

function Read-Users($s) {
    $office = 'winword', 'excel', 'powerpnt', 'outlook', 'olk', 'onenote', 'msaccess', 'mspub'
    [ordered]@{
        sessions = @(foreach ($one in @(Get-Sessions | Sort-Object { $_.Session })) {
            [ordered]@{ session = $one.Session; kind = $one.Kind; locked = $one.Locked; name = $(if ($s.user_names) { ConvertTo-Text $one.Name }) }
        })
        office_running = Invoke-Quietly { @(Get-Running | Where-Object { $office -contains $_.Name }).Count -gt 0 }
    }
}
