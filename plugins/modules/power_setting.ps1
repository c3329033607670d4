#!powershell

# MIT License. Written for Windows PowerShell 5.1; run so far on PowerShell 7 under Wine with a double for powercfg, never on Windows.

#AnsibleRequires -CSharpUtil Ansible.Basic

function Invoke-PowerCfg([string[]] $Arguments) {
    $answer = & "$env:SystemRoot\System32\powercfg.exe" @Arguments
    if ($LASTEXITCODE -ne 0) { throw "powercfg.exe $($Arguments -join ' ') ended with ${LASTEXITCODE}: $($answer -join ' ')" }
}

$spec = @{
    options = @{
        sleep_seconds = @{ type = 'int'; required = $true }
        hibernate_seconds = @{ type = 'int'; required = $true }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$ErrorActionPreference = 'Stop'

# By GUID: the names that powercfg prints follow the display language.
$group = '238c9fa8-0aad-41ed-83f4-97be242c8f20'
$settings = [ordered]@{
    sleep_seconds = '29f6c1db-86da-48c5-9fdb-f2b67b1f44da'
    hibernate_seconds = '9d7815a6-7ee4-497e-8888-515a05f02364'
}
$power = 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Power'
$policy = 'HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Power\PowerSettings'

# The places and their order are those of the evidence script (docs/windows.md, "power").

function Get-Number([string] $Key, [string] $Name) {
    $value = [Microsoft.Win32.Registry]::GetValue($Key, $Name, $null)
    # A DWORD comes as a signed number. Null said aloud: no output at all would become an empty object in JSON.
    if ($null -eq $value) { return $null }
    [long]$value -band 0xFFFFFFFFL
}

function Get-Own([string] $Plan, [string] $Setting) {
    <# What was set in the plan, on mains power; null for nothing. #>
    Get-Number "$power\User\PowerSchemes\$Plan\$group\$Setting" 'ACSettingIndex'
}

function Get-Seconds([string] $Plan, [string] $Setting) {
    <# On mains power: the plan's own value, else the one that Windows came with for that plan; null where there is neither. #>
    $default = "$power\PowerSettings\$group\$Setting\DefaultPowerSchemeValues\$Plan"
    foreach ($value in (Get-Own $Plan $Setting), (Get-Number $default 'ProvAcSettingIndex'), (Get-Number $default 'ACSettingIndex')) {
        if ($null -ne $value) { return $value }
    }
    return $null
}

function Get-All([string] $Plan) {
    $found = [ordered]@{ plan = $Plan }
    foreach ($name in $settings.Keys) { $found[$name] = Get-Seconds $Plan $settings[$name] }
    $found
}

function Get-Words($Found) {
    (@($settings.Keys | ForEach-Object { "$_ $($Found[$_])`n" })) -join ''
}

function Stop-Managed([string] $Words) {
    $module.Result.changed = $false
    $module.Result.cause = 'managed_policy'
    $module.FailJson("a group policy ${Words}: ask the desktop team")
}

$chosen = "$([Microsoft.Win32.Registry]::GetValue("$power\User\PowerSchemes", 'ActivePowerScheme', ''))"
$imposed = "$([Microsoft.Win32.Registry]::GetValue($policy, 'ActivePowerScheme', ''))"
$plan = if ($imposed) { $imposed } else { $chosen }
if (-not $plan) { $module.FailJson('Windows does not say which power plan is active') }
$before = Get-All $plan
$module.Result.before = $before
$module.Diff.before = Get-Words $before
$wanted = @{ sleep_seconds = $module.Params.sleep_seconds; hibernate_seconds = $module.Params.hibernate_seconds }
$module.Diff.after = Get-Words $wanted

if ($imposed -and $imposed -ne $chosen) { Stop-Managed "makes $imposed the active power plan, and not $chosen, which this PC has chosen" }
# What Windows came with is nothing that stays: a value is as wanted only where it was set in the plan.
$different = @($settings.Keys | Where-Object { (Get-Own $plan $settings[$_]) -ne $wanted[$_] })
foreach ($name in $settings.Keys) {
    $ruled = Get-Number "$policy\$($settings[$name])" 'ACSettingIndex'
    if ($null -ne $ruled -and $ruled -ne $wanted[$name]) { Stop-Managed "sets $name to $ruled, which beats this PC's own plan" }
}
$module.Result.changed = [bool]$different

if ($different -and -not $module.CheckMode) {
    try {
        foreach ($name in $different) { Invoke-PowerCfg '/setacvalueindex', $plan, $group, $settings[$name], "$($wanted[$name])" }
        # A changed plan applies only once it is made the active one again.
        Invoke-PowerCfg '/setactive', $plan
    }
    catch { $module.FailJson($_.Exception.Message, $_) }
    $after = Get-All $plan
    foreach ($name in $settings.Keys) {
        if ($after[$name] -ne $wanted[$name]) { $module.FailJson("$name is $($after[$name]) after it was set to $($wanted[$name])") }
    }
}

$module.ExitJson()
