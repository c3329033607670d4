# Who may write in a place: for connector.

function ConvertTo-Rights($Mask) {
    # A mask of a file's rights with its generic bits spelt out, as .NET has them: all, write, read, execute.
    $mask = [long]$Mask
    $rights = $mask -band 2032127
    foreach ($one in @(268435456, 2032127), @(1073741824, 1179926), @(2147483648, 1179785), @(536870912, 1179808)) {
        if ($mask -band $one[0]) { $rights = $rights -bor $one[1] }
    }
    $rights
}

function Get-Granted($Path) {
    # What each entry of a list allows and no earlier one denies to the same SID or to everyone, here or below. Of an
    # entry that cannot be read the SID is null.
    $denied = @{}
    foreach ($rule in (Get-Access $Path).Rules) {
        $rights = Invoke-Quietly { ConvertTo-Rights $rule.Rights }
        if ($null -eq $rights -or -not $rule.Sid) { @{ Sid = $null; Rights = 0 }; continue }
        $left = 0
        foreach ($place in 'Here', 'Below') {
            if ($rule[$place] -eq $false) { continue }
            if (-not $rule.Allow) { $denied["$place $($rule.Sid)"] = $rights -bor [long]$denied["$place $($rule.Sid)"] }
            else { $left = $left -bor ($rights -band -bnot ([long]$denied["$place $($rule.Sid)"] -bor [long]$denied["$place S-1-1-0"])) }
        }
        if ($left) { @{ Sid = $rule.Sid; Rights = $left } }
    }
}

function Get-Writers($Paths, $s) {
    # Who may write in any of these places; null where one of them cannot be read and no other is open. SYSTEM,
    # administrators, TrustedInstaller and those who stand for whoever makes or owns a file left out.
    $left = 'S-1-5-18', 'S-1-5-32-544', 'S-1-3-0', 'S-1-3-1', 'S-1-3-4', 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
    # WriteData, AppendData, DeleteSubdirectoriesAndFiles, Delete, ChangePermissions, TakeOwnership
    $writing = 2 -bor 4 -bor 64 -bor 65536 -bor 262144 -bor 524288
    $rights = [ordered]@{}
    $unread = $false
    foreach ($path in $Paths) {
        $granted = Invoke-Quietly { , @(Get-Granted $path) }
        if ($null -eq $granted) { $unread = $true }
        foreach ($one in @($granted | Where-Object { $_ })) {
            if (-not $one.Sid) { $unread = $true }
            elseif ($left -notcontains $one.Sid -and ($one.Rights -band $writing)) { $rights[$one.Sid] = $one.Rights -bor [long]$rights[$one.Sid] }
        }
    }
    if ($unread -and -not $rights.Count) { return $null }
    , @(foreach ($sid in $rights.Keys) {
        # A person's or a domain's name is asked for only where the fleet wants names: it may need a domain controller.
        $name = if ($s.user_names -or $sid -notmatch '^S-1-(5-21|12-1)-') {
            Invoke-Quietly { "$((New-Object Security.Principal.SecurityIdentifier $sid).Translate([Security.Principal.NTAccount]))" }
        }
        [ordered]@{ sid = $sid; name = ConvertTo-Text $name; rights = "$([Enum]::ToObject([Security.AccessControl.FileSystemRights], [int]$rights[$sid]))" }
    })
}
