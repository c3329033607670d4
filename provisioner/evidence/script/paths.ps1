# Paths as Windows itself finds the file, and folders in command lines: for connector, service and firewall.

function Resolve-Place($Path, $Depth = 0) {
    # A whole path as Windows itself finds the file: without short names, links, drives that stand for a folder (subst),
    # the PC's own share of a drive.
    $place = ("$Path".Trim().Trim('"') -replace '/', '\') -replace '^\\(\\[?.]|\?\?)\\(?=[A-Za-z]:)', ''
    if ($place -match '^\\\\([^\\]+)\\([A-Za-z])\$\\(.*)$' -and $Matches[1] -in 'localhost', '127.0.0.1', '::1', (Get-Here 'name')) { $place = "$($Matches[2]):\$($Matches[3])" }
    if ($place -match '~\d') { $place = Select-First @(Invoke-Quietly { Get-LongPath $place } | Where-Object { $_ -match '^[A-Za-z]:\\' }), $place }
    if ($place -notmatch '^[A-Za-z]:\\' -or $Depth -gt 8) { return $place }
    $stands = "$(Get-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\DOS Devices' $place.Substring(0, 2))"
    if ($stands -match '^\\\?\?\\([A-Za-z]:\\.*)$') { return Resolve-Place "$($Matches[1].TrimEnd('\'))$($place.Substring(2))" ($Depth + 1) }
    $parts = $place.Split('\')
    $so = $parts[0]
    for ($n = 1; $n -lt $parts.Length; $n++) {
        if ($parts[$n] -in '', '.') { continue }
        if ($parts[$n] -eq '..') { if ($so.Contains('\')) { $so = $so.Substring(0, $so.LastIndexOf('\')) }; continue }
        $target = Invoke-Quietly { Get-Link "$so\$($parts[$n])" }
        if ($target) {
            $whole = if ($target -match '^(\\\\|[A-Za-z]:|\\\?\?\\)') { $target } else { "$so\$target" }
            return Resolve-Place "$($whole.TrimEnd('\'))\$([string]::Join('\', $parts, $n + 1, $parts.Length - $n - 1))".TrimEnd('\') ($Depth + 1)
        }
        $so = "$so\$($parts[$n])"
    }
    $so
}

function Get-Place($Path, $s) {
    # The same for the document: what lies below the Connector's folder has that folder's name as fleet.yml writes it.
    if (-not $Path) { return $null }
    $place = Resolve-Place $Path
    $folder = Resolve-Place $s.folder
    if (Test-Under $place $folder) { "$($s.folder.TrimEnd('\'))$($place.Substring($folder.TrimEnd('\').Length))" } else { $place }
}

function Get-Mention($Folder) {
    # What finds a folder in a command line, with either slash, and not C:\iPlatoOld for C:\iPlato; also from where the
    # drive stands (C:iPlato), from its root (\iPlato), and by its share (\\PC\C$\iPlato).
    $both = $Folder, (Resolve-Place $Folder) | Sort-Object -Unique | ForEach-Object {
        $path = [regex]::Escape($_.TrimEnd('\')) -replace '\\\\', '[\\/]+'
        if ($path -notmatch '^([A-Za-z]):\[\\\\/\]\+(.+)$') { "(?<!\w)$path" }
        else { '(?<!\w){0}(:|\$(?=[\\/]))[\\/]*{1}|(?<=^|[\s"''=;,])[\\/]{1}' -f $Matches[1], $Matches[2] }
    }
    [regex]"(?i)($($both -join '|'))(?![\w.~$-])"
}

function Test-Mention($Line, $Mention, $Folder, $Deep = $true) {
    # Whether a command line names a folder: as it stands, or by a short name or a link.
    if ($Mention.IsMatch($Line)) { return $true }
    if (-not $Deep -and $Line -notmatch '~\d') { return $false }
    foreach ($path in [regex]::Matches($Line, '[A-Za-z]:[\\/][^"<>|;,*?\s]+|(?<=")[A-Za-z]:[\\/][^"<>|;,*?]+')) {
        $place = Resolve-Place $path.Value
        if ((Test-Under $place $Folder) -or (Test-Same $place $Folder)) { return $true }
    }
    $false
}
