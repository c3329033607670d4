# The antivirus products, and what Defender leaves alone.

function Get-Exclusions($Kind, $Packed) {
    # The names of the excluded things, from the PC's own list, from policy, and from MDM (which packs its list in one text).
    $lists = @("SOFTWARE\Microsoft\Windows Defender\Exclusions\$Kind", "SOFTWARE\Policies\Microsoft\Windows Defender\Exclusions\$Kind")
    $names = foreach ($list in $lists) { $values = Get-Values $list; if ($null -ne $values) { $values.Keys } }
    $mdm = "$(Get-Value 'SOFTWARE\Policies\Microsoft\Windows Defender\Policy Manager' $Packed)".Split('|') | Where-Object { $_ }
    @($names) + @($mdm) | Where-Object { $_ } | Sort-Object -Unique
}

function Get-DefenderPlace {
    # The folder of the newest platform (4.18.24090.11-0): by version, because as text .2 comes after .11.
    $root = "$env:ProgramData\Microsoft\Windows Defender\Platform"
    $newest = Invoke-Quietly { [IO.Directory]::GetDirectories($root) | Sort-Object { [version]((Split-Path $_ -Leaf) -replace '-.*$') } | Select-Object -Last 1 }
    Select-First $newest, "$env:ProgramFiles\Windows Defender"
}

function Get-Effective($Path, $Running, $Place) {
    # What Defender itself says of the path: 0 excluded, 1 not excluded, 2 no such path.
    $answer = [ordered]@{ path = $Path; excluded = $null; reason = $null }
    $program = "$Place\MpCmdRun.exe"
    if (-not $Running) { $answer.reason = 'Defender does not run here' }
    elseif (-not (Get-Program $program)) { $answer.reason = 'MpCmdRun.exe was not found' }
    else {
        # A backslash before the last quote would escape it.
        $said = Invoke-Quietly { Invoke-Program $program "-CheckExclusion -Path `"$("$Path".TrimEnd('\'))`"" 10 }
        if ($null -eq $said -or $null -eq $said.Code) { $answer.reason = 'MpCmdRun.exe gave no answer' }
        elseif ($said.Code -eq 0 -or $said.Code -eq 1) { $answer.excluded = $said.Code -eq 0 }
        elseif ($said.Code -eq 2) { $answer.reason = 'Defender says that there is no such file yet' }
        else { $answer.reason = "MpCmdRun.exe ended with $($said.Code)" }
    }
    $answer
}

function Get-Defender($Running, $Place) {
    $root = 'SOFTWARE\Microsoft\Windows Defender'
    $policy = 'SOFTWARE\Policies\Microsoft\Windows Defender'
    $own = Get-Values $root
    if ($null -eq $own) { return $null }
    $features = Get-Values "$root\Features"
    $managed = @(foreach ($key in $policy, "$policy\Policy Manager", $root) { $values = Get-Values $key; if ($null -ne $values) { $values } })
    $property = 'AMRunningMode', 'RealTimeProtectionEnabled', 'IsTamperProtected', 'AMProductVersion'
    $status = if ($Running) { Invoke-Quietly { Get-Instance MSFT_MpComputerStatus $property $null 'root/Microsoft/Windows/Defender' } }
    $tamper = @{ 0 = $false; 4 = $false; 5 = $true }
    $hidden = ConvertTo-Flag (Select-First (@($managed | ForEach-Object { $_.HideExclusionsFromLocalAdmins }) + 0))
    $platform = if ($Place -match '\\Platform\\([\d.]+)') { $Matches[1] }
    [ordered]@{
        running = $Running
        mode = $(if ($Running -eq $false) { 'Not running' } else { ConvertTo-Text $status.AMRunningMode })
        realtime = $(if ($Running -eq $false) { $false } else { ConvertTo-Flag $status.RealTimeProtectionEnabled })
        tamper_protected = Select-First (ConvertTo-Flag $status.IsTamperProtected), $(if ($null -ne $features.TamperProtection) { $tamper[[int](ConvertTo-Number $features.TamperProtection)] })
        platform = Select-First (ConvertTo-Text $status.AMProductVersion), $platform
        managed_by = ConvertTo-Number $own.ManagedDefenderProductType
        exclusions_protected = ConvertTo-Flag (Select-First $features.TPExclusions, 0)
        local_merge_disabled = ConvertTo-Flag (Select-First (@($managed | ForEach-Object { $_.DisableLocalAdminMerge }) + 0))
        exclusions_hidden = $hidden
        path_exclusions = $(if (-not $hidden) { Invoke-Quietly { , @(Get-Exclusions 'Paths' 'ExcludedPaths') } })
        process_exclusions = $(if (-not $hidden) { Invoke-Quietly { , @(Get-Exclusions 'Processes' 'ExcludedProcesses') } })
    }
}

function Read-Antivirus($s) {
    $state = Get-ServiceState 'WinDefend'
    $running = if ($state) { $state -eq 'Running' }
    $place = Get-DefenderPlace
    $products = Invoke-Quietly { , @(Get-Instance AntiVirusProduct displayName, productState $null 'root/SecurityCenter2') }
    [ordered]@{
        products = $(if ($null -ne $products) { , @($products | ForEach-Object { [ordered]@{ name = "$($_.displayName)"; state = ConvertTo-Number $_.productState } }) })
        defender = Get-Defender $running $place
        effective = Get-Effective $s.image $running $place
    }
}
