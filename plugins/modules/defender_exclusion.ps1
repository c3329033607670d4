#!powershell

# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 with a simulated Defender, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic

$spec = @{
    options = @{
        path = @{ type = 'list'; elements = 'str'; default = @() }
        process = @{ type = 'list'; elements = 'str'; default = @() }
        state = @{ type = 'str'; default = 'present'; choices = 'present', 'absent' }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'
$present = $module.Params.state -eq 'present'
$defender = 'SOFTWARE\Microsoft\Windows Defender'
$policy = 'SOFTWARE\Policies\Microsoft\Windows Defender'

function Get-Setting([string] $Key, [string] $Name) {
    # Always the 64-bit view: WinRM's shell is 64-bit, but a value must not depend on that.
    try {
        $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine', 'Registry64')
        $opened = $base.OpenSubKey($Key)
        if ($opened) { $opened.GetValue($Name) }
    }
    catch { $null }
    finally {
        if ($opened) { $opened.Dispose() }
        if ($base) { $base.Dispose() }
    }
}

function Test-Excluded([string] $Path) {
    <# What Defender itself says of a path: true, false, or null where it cannot be asked. #>
    $folder = Get-Setting $defender 'InstallLocation'
    if (-not $folder) { $folder = Join-Path $env:ProgramFiles 'Windows Defender' }
    $program = Join-Path $folder 'MpCmdRun.exe'
    if (-not [System.IO.File]::Exists($program)) { return $null }
    # Windows PowerShell puts quotes around a path with a blank in it, and a backslash before the last one would escape that.
    $null = & $program -CheckExclusion -path ($Path -replace '(?<=[^:\\])\\+$')
    # 0 excluded, 1 not; anything else is a platform too old to be asked.
    if ($LASTEXITCODE -in 0, 1) { $LASTEXITCODE -eq 0 } else { $null }
}

function Test-Switch([string] $Name) {
    <# Whether a switch of Defender is on: by policy, by MDM, or by itself, in this order, as a reading has it. #>
    foreach ($key in $policy, "$policy\Policy Manager", $defender) {
        $value = Get-Setting $key $Name
        if ($null -ne $value) { return $value -eq 1 }
    }
    $false
}

function Stop-With([string] $Cause, [string] $Message) {
    $module.Result.cause = $Cause
    $module.FailJson($Message)
}

function Get-Listed {
    <# What Defender lists. Where that is hidden: of our paths those that it says are excluded, and in `untold` those of
       which it says nothing; of processes it never says. #>
    # Told to each command of Defender: these are functions of a module, which does not see our $ErrorActionPreference. What
    # they only report would pass for an empty list.
    try {
        $preference = Get-MpPreference -ErrorAction Stop
        if ($null -eq $preference) { throw 'Get-MpPreference told nothing' }
    }
    catch { Stop-With 'not_running' "Microsoft Defender does not answer: $($_.Exception.Message). Which antivirus does this gateway have?" }
    $listed = @{ path = @($preference.ExclusionPath); process = @($preference.ExclusionProcess); untold = @() }
    # Who may not see them gets one entry in their place: "N/A: Administrators are not allowed to view exclusions".
    $listed.hidden = (Test-Switch 'HideExclusionsFromLocalAdmins') -or [bool](@($listed.path + $listed.process) -like 'N/A:*')
    if ($listed.hidden) {
        $listed.path, $listed.process = @(), @()
        foreach ($path in $module.Params.path) {
            $answer = Test-Excluded $path
            if ($null -eq $answer) { $listed.untold += $path } elseif ($answer) { $listed.path += $path }
        }
    }
    $listed
}

function Get-Wanting($Listed) {
    <# What is still to be changed, by kind. #>
    $wanting = @{}
    foreach ($kind in 'path', 'process') {
        $wanting[$kind] = @($module.Params.$kind | Where-Object { ($Listed.$kind -contains $_) -ne $present })
    }
    if ($Listed.hidden -and -not $present) {
        # What may be there unseen is taken away all the same.
        $wanting.path = @($wanting.path) + @($Listed.untold)
        $wanting.process = @($module.Params.process)
    }
    $wanting
}

function Set-Listed($Wanting) {
    # Add and Remove only: Set-MpPreference would replace the lists of others.
    $arguments = @{}
    if ($Wanting.path) { $arguments.ExclusionPath = $Wanting.path }
    if ($Wanting.process) { $arguments.ExclusionProcess = $Wanting.process }
    try { if ($present) { Add-MpPreference @arguments -ErrorAction Stop } else { Remove-MpPreference @arguments -ErrorAction Stop } }
    catch { Stop-With (Get-Cause) "Microsoft Defender refused the change: $($_.Exception.Message)" }
}

function Get-Cause {
    <# The likeliest cause, in the order in which one hides another. #>
    if (Test-Switch 'DisableLocalAdminMerge') { return 'local_merge_disabled' }
    # Tamper protection is on nearly everywhere, and guards the exclusions only where this says so.
    if ((Get-Setting "$defender\Features" 'TPExclusions') -eq 1) { return 'tamper_protection' }
    if ((Get-Setting $defender 'ManagedDefenderProductType') -in 6, 7) { return 'managed_policy' }
    if ($listed.hidden) { return 'hidden' }
    'not_effective'
}

$reasons = @{
    local_merge_disabled = 'its policy takes no exclusions from local administrators (DisableLocalAdminMerge)'
    tamper_protection = 'tamper protection is on: the change seemed to succeed and was blocked'
    managed_policy = 'Intune or Configuration Manager manages it'
    hidden = 'its policy hides the exclusions, so that the change cannot be read back'
    not_effective = 'it took the change and does not apply it'
}

function Confirm-Effect {
    $now = Get-Listed
    $left = Get-Wanting $now
    if ($present) {
        foreach ($path in $module.Params.path) {
            $answer = Test-Excluded $path
            $wrong = if ($null -ne $answer) { -not $answer } else { $left.path -contains $path }
            if ($wrong) { Stop-Here "the exclusion of $path" }
        }
        if ($left.process) { Stop-Here "the exclusion of $($left.process -join ', ')" }
        return
    }
    # What is to go may still be excluded by a policy or by a folder above: only the list is ours.
    $still = @($left.path) + @($left.process)
    if ($still -and $now.hidden) { $module.Warn("Whether the exclusion of $($still -join ', ') is gone cannot be read: $($reasons.hidden).") }
    elseif ($still) { Stop-Here "the exclusion of $($still -join ', ')" }
}

function Stop-Here([string] $What) {
    $cause = Get-Cause
    Stop-With $cause "Microsoft Defender did not change ${What}: $($reasons.$cause). Ask the owner of its policy."
}

$listed = Get-Listed
$wanting = Get-Wanting $listed
$module.Result.before = @{
    path = @($module.Params.path | Where-Object { $listed.path -contains $_ })
    process = @($module.Params.process | Where-Object { $listed.process -contains $_ })
}
# An undo must not take what nobody could see for what was not there.
if ($listed.hidden) { $module.Result.before.untold = @($listed.untold) + @($module.Params.process) }
if ($listed.hidden -and $present -and $module.Params.process) {
    Stop-With 'hidden' "Whether Microsoft Defender applies an exclusion of $($module.Params.process -join ', ') could not be read: $($reasons.hidden). Nothing was changed. Ask the owner of its policy."
}
$module.Result.changed = [bool]($wanting.path -or $wanting.process)
$module.Diff.before = ($module.Result.before.path + $module.Result.before.process | ForEach-Object { "$_`n" }) -join ''
$module.Diff.after = if ($present) { ($module.Params.path + $module.Params.process | ForEach-Object { "$_`n" }) -join '' } else { '' }

if ($module.Result.changed) {
    if ($present -and (Test-Switch 'DisableLocalAdminMerge')) { Stop-Here 'its exclusions' }
    if (-not $module.CheckMode) {
        Set-Listed $wanting
        Confirm-Effect
    }
}
elseif (-not $module.CheckMode) { Confirm-Effect }

$module.ExitJson()
