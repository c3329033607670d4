# What provisioner left on this gateway.

function Find-Installer($Note) {
    # The process of an installer that we noted, if it still runs. Ansible does not tell its number (0): then it is the
    # process whose command line names the package. Where that cannot be told, the note counts as running.
    $noted = Invoke-Quietly { ([datetimeoffset]::Parse("$($Note.started)", [Globalization.CultureInfo]::InvariantCulture)).UtcDateTime }
    if ([int]$Note.pid -gt 0) {
        $process = Invoke-Quietly { [Diagnostics.Process]::GetProcessById([int]$Note.pid) }
        if ($null -eq $process) { return }
        $started = Invoke-Quietly { $process.StartTime.ToUniversalTime() }
        # A number is given away again: who started later than the note says is somebody else.
        if ($null -eq $noted -or $null -eq $started -or $started -le $noted.AddSeconds(10)) { [int]$Note.pid }
        return
    }
    $what = "$($Note.what)"
    $like = $what.Replace('\', '\\').Replace("'", "\'")
    try { $found = @(Get-Instance Win32_Process ProcessId, CommandLine "CommandLine LIKE '%$like%'") }
    catch { return 0 }
    foreach ($process in $found) {
        if ("$($process.CommandLine)".IndexOf($what, [StringComparison]::OrdinalIgnoreCase) -ge 0) { return [int]$process.ProcessId }
    }
}

function Get-Marker($Path) {
    # Whose work is marked here, and for how long yet by this PC's own clock; null where the marker does not say.
    $marker = Invoke-Quietly { Read-Json $Path }
    if (-not $marker) { return }
    $left = Invoke-Quietly {
        $styles = [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
        $since = [datetime]::ParseExact("$($marker.since)", 'yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture, $styles)
        [long][Math]::Ceiling(($since.AddMinutes([int]$marker.minutes) - [datetime]::UtcNow).TotalSeconds)
    }
    [ordered]@{ journal = "$($marker.journal)"; step = "$($marker.step)"; seconds_left = $left }
}

function Read-Ours {
    $root = Get-DataFolder
    $notes = if ([IO.Directory]::Exists("$root\running")) { foreach ($path in [IO.Directory]::GetFiles("$root\running", '*.json')) { Invoke-Quietly { Read-Json $path } } }
    [ordered]@{
        marker = Get-Marker "$root\marker.json"
        unfinished = @(foreach ($note in @($notes | Where-Object { $_.what })) {
            $id = Find-Installer $note
            if ($null -ne $id) { [ordered]@{ pid = $id; what = "$($note.what)"; started = ConvertTo-Text $note.started } }
        })
        kept = $(if ([IO.Directory]::Exists("$root\kept")) { [IO.Directory]::GetFiles("$root\kept", '*', [IO.SearchOption]'AllDirectories').Length } else { 0 })
    }
}
