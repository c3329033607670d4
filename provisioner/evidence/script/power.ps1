# When the PC goes to sleep.

function Get-PowerSeconds($Plan, $Group, $Setting) {
    # The plan's own value, else the one that Windows came with for that plan; 0 is never.
    $power = 'SYSTEM\CurrentControlSet\Control\Power'
    $default = Get-Values "$power\PowerSettings\$Group\$Setting\DefaultPowerSchemeValues\$Plan"
    ConvertTo-Number (Select-First (Get-Value "$power\User\PowerSchemes\$Plan\$Group\$Setting" 'ACSettingIndex'), $default.ProvAcSettingIndex, $default.ACSettingIndex)
}

function Read-Power {
    $power = 'SYSTEM\CurrentControlSet\Control\Power'
    $policy = 'SOFTWARE\Policies\Microsoft\Power\PowerSettings'
    $group = '238c9fa8-0aad-41ed-83f4-97be242c8f20'
    $sleep = '29f6c1db-86da-48c5-9fdb-f2b67b1f44da'
    $hibernate = '9d7815a6-7ee4-497e-8888-515a05f02364'
    $values = Get-Values $power
    $plan = Select-First (Get-Value $policy 'ActivePowerScheme'), (Get-Value "$power\User\PowerSchemes" 'ActivePowerScheme')
    [ordered]@{
        plan = ConvertTo-Text $plan
        sleep_seconds = $(if ($plan) { Get-PowerSeconds $plan $group $sleep })
        hibernate_seconds = $(if ($plan) { Get-PowerSeconds $plan $group $hibernate })
        policy_sleep_seconds = ConvertTo-Number (Get-Value "$policy\$sleep" 'ACSettingIndex')
        policy_hibernate_seconds = ConvertTo-Number (Get-Value "$policy\$hibernate" 'ACSettingIndex')
        hibernation_enabled = ConvertTo-Flag (Select-First $values.HibernateEnabled, $values.HibernateEnabledDefault)
        modern_standby = ConvertTo-Flag $values.CsEnabled
        fast_startup = ConvertTo-Flag (Get-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\Power' 'HiberbootEnabled')
        battery = Invoke-Quietly { @(Get-Instance Win32_Battery DeviceID).Count -gt 0 }
    }
}
