# What runs, who started it, and whose connections are open: for systmone and connector.

function Get-Connections {
    # The TCP table with its owners. .NET knows states in no language but not the owners; netstat's numbers do.
    $owners = @{}
    $printed = Invoke-Quietly { Invoke-Program "$env:SystemRoot\System32\netstat.exe" '-ano' 8 }
    foreach ($line in "$($printed.Text)".Split("`n")) {
        $word = $line.Trim() -split '\s+'
        if ($word.Count -ge 4 -and $word[0] -eq 'TCP' -and $word[-1] -match '^\d+$') { $owners["$($word[1]) $($word[2])"] = [int]$word[-1] }
    }
    foreach ($one in @(Get-Endpoint)) {
        $remote = @($one.Remote)
        if ($one.State -eq 'Listen') { $remote = '0.0.0.0:0', '[::]:0' }
        $one.Owner = Select-First @($remote | ForEach-Object { $owners["$($one.Local) $_"] })
        $one
    }
}

function Get-Processes {
    # All processes by their number: .NET's list, with what WMI tells of each; and whether WMI told anything.
    $property = 'ProcessId', 'ParentProcessId', 'Name', 'SessionId', 'ExecutablePath', 'CommandLine', 'CreationDate'
    $told = Invoke-Quietly { , @(Get-Instance Win32_Process $property) }
    $all = @{}
    foreach ($one in @(Get-Running)) { $all[[int]$one.Id] = @{ Id = [int]$one.Id; Name = "$($one.Name).exe"; Session = $one.Session } }
    foreach ($one in @($told)) {
        if ($null -eq $one) { continue }
        $all[[int]$one.ProcessId] = @{ Id = [int]$one.ProcessId; Name = "$($one.Name)"; Session = $one.SessionId; Path = $one.ExecutablePath
            Line = $one.CommandLine; Parent = [int]$one.ParentProcessId; Started = $one.CreationDate; Told = $true }
    }
    $names = @($all.Values | Where-Object { -not $_.Path } | ForEach-Object { $_.Name -replace '\.exe$', '' } | Sort-Object -Unique)
    foreach ($one in $(if ($names) { @(Get-Running $names) })) {
        $mine = $all[[int]$one.Id]
        if ($null -ne $mine -and -not $mine.Path) { $mine.Path = $one.Path; $mine.Started = Select-First $mine.Started, $one.Started }
    }
    @{ All = $all; Told = $null -ne $told }
}

function Get-Lineage($One, $All) {
    # Who started a process, the nearest first; null where the gateway does not tell. A parent is older than its child:
    # Windows gives a dead one's number away again.
    if (-not $One.Told) { return $null }
    $ids = [Collections.Generic.List[int]]::new()
    while ($ids.Count -lt 16 -and $One.Parent) {
        $parent = $All[$One.Parent]
        if ($null -eq $parent -or $ids.Contains($parent.Id) -or ($parent.Started -and $One.Started -and $parent.Started -gt $One.Started)) { break }
        $ids.Add($parent.Id)
        $One = $parent
    }
    , $ids.ToArray()
}
