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

function Get-Plan {
    "$([Microsoft.Win32.Registry]::GetValue("$power\User\PowerSchemes", 'ActivePowerScheme', ''))"
}

function Get-Seconds([string] $Plan, [string] $Setting) {
    <# On mains power: the plan's own value, else the one that Windows ships for that plan; null where there is neither. #>
    $places = "$power\User\PowerSchemes\$Plan\$group\$Setting", "$power\PowerSettings\$group\$Setting\DefaultPowerSchemeValues\$Plan"
    foreach ($place in $places) {
        $value = [Microsoft.Win32.Registry]::GetValue($place, 'ACSettingIndex', $null)
        # A DWORD comes as a signed number.
        if ($null -ne $value) { return [long]$value -band 0xFFFFFFFFL }
    }
    # Said aloud: no output at all would become an empty object in JSON.
    return $null
}

function Get-Policy([string] $Setting) {
    [Microsoft.Win32.Registry]::GetValue("HKEY_LOCAL_MACHINE\SOFTWARE\Policies\Microsoft\Power\PowerSettings\$Setting", 'ACSettingIndex', $null)
}

function Get-All([string] $Plan) {
    $found = [ordered]@{ plan = $Plan }
    foreach ($name in $settings.Keys) { $found[$name] = Get-Seconds $Plan $settings[$name] }
    $found
}

function Get-Words($Found) {
    (@($settings.Keys | ForEach-Object { "$_ $($Found[$_])`n" })) -join ''
}

$plan = Get-Plan
if (-not $plan) { $module.FailJson('Windows does not say which power plan is active') }
$before = Get-All $plan
$module.Result.before = $before
$module.Diff.before = Get-Words $before
$wanted = @{ sleep_seconds = $module.Params.sleep_seconds; hibernate_seconds = $module.Params.hibernate_seconds }
$module.Diff.after = Get-Words $wanted

foreach ($name in $settings.Keys) {
    $policy = Get-Policy $settings[$name]
    if ($null -ne $policy -and [long]$policy -ne $wanted[$name]) {
        $module.Result.cause = 'managed_policy'
        $module.FailJson("a group policy sets $name to $policy, which beats this PC's own plan: ask the desktop team")
    }
    if ($before[$name] -ne $wanted[$name]) { $module.Result.changed = $true }
}

if ($module.Result.changed -and -not $module.CheckMode) {
    try {
        foreach ($name in $settings.Keys) {
            if ($before[$name] -ne $wanted[$name]) { Invoke-PowerCfg '/setacvalueindex', $plan, $group, $settings[$name], "$($wanted[$name])" }
        }
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
