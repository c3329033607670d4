# The clock, and where Windows takes the time from.

function Read-Clock {
    $policy = Get-Values 'SOFTWARE\Policies\Microsoft\W32Time\Parameters'
    $own = Get-Values 'SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
    $type = Select-First $policy.Type, $own.Type
    $servers = Select-First $policy.NtpServer, $own.NtpServer
    $state = Get-ServiceState 'W32Time'
    $kinds = @{ NT5DS = 'the domain'; NoSync = 'nowhere (NoSync)'; AllSync = 'the domain or NTP'; NTP = "NTP: $servers" }
    [ordered]@{
        utc = (Get-Now).ToString('yyyy-MM-ddTHH:mm:ss.fffZ', [Globalization.CultureInfo]::InvariantCulture)
        time_zone = ConvertTo-Text (Get-Here 'time zone')
        source = $(if ($type) { ConvertTo-Text (Select-First $kinds[$type], $type) })
        service_running = $(if ($state) { $state -eq 'Running' })
    }
}
