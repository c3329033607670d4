# WinRM as it is set.

function Get-Listeners {
    # By WinRM itself (policy's listeners are in no registry key of it), else by what its registry keeps.
    $told = Invoke-Quietly { , @(Get-WinRm 'listeners') }
    if ($null -ne $told) {
        foreach ($text in $told) {
            $one = ([xml]$text).DocumentElement
            @{ Transport = $one.Transport; Port = [int]$one.Port; Thumbprint = "$($one.CertificateThumbprint)" }
        }
        return
    }
    $root = 'SOFTWARE\Microsoft\Windows\CurrentVersion\WSMAN\Listener'
    foreach ($name in @(Get-Keys $root)) {
        $values = Get-Values "$root\$name"
        $transport = "$name".Split('+')[-1].ToUpperInvariant()
        @{ Transport = $transport; Port = [int](Select-First $values.Port, $(if ($transport -eq 'HTTPS') { 5986 } else { 5985 }))
            Thumbprint = "$(Select-First $values.certThumbprint, $values.CertificateThumbprint)" }
    }
}

function Find-Certificate($Thumbprint) {
    $wanted = $Thumbprint -replace '\s', ''
    if (-not $wanted) { return $null }
    $store = New-Object Security.Cryptography.X509Certificates.X509Store ([Security.Cryptography.X509Certificates.StoreName]'My'), ([Security.Cryptography.X509Certificates.StoreLocation]'LocalMachine')
    $store.Open('ReadOnly, OpenExistingOnly')
    foreach ($certificate in $store.Certificates) { if (Test-Same $certificate.Thumbprint $wanted) { return $certificate } }
}

function Read-WinRM {
    $config = Invoke-Quietly { ([xml](Get-WinRm 'config')).DocumentElement }
    $policy = Get-Values 'SOFTWARE\Policies\Microsoft\Windows\WinRM\Service'
    $shells = Get-Values 'SOFTWARE\Policies\Microsoft\Windows\WinRM\Service\WinRS'
    $truth = { param($told, $set) if ($null -ne $told) { "$told" -eq 'true' } else { ConvertTo-Flag $set } }
    # The settings that policy fixed are elements with an attribute: their text is the element's.
    $plain = { param($node) if ($node -is [Xml.XmlElement]) { $node.InnerText } else { $node } }
    $filter = Get-Value 'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System' 'LocalAccountTokenFilterPolicy'
    [ordered]@{
        listeners = @(foreach ($one in @(Get-Listeners)) {
            $certificate = Invoke-Quietly { Find-Certificate $one.Thumbprint }
            [ordered]@{ transport = $one.Transport; port = $one.Port; certificate_not_after = ConvertTo-Iso $certificate.NotAfter; certificate_subject = ConvertTo-Text $certificate.Subject }
        })
        max_shells_per_user = ConvertTo-Number (Select-First (& $plain $config.Winrs.MaxShellsPerUser), $shells.MaxShellsPerUser)
        max_memory_mb = ConvertTo-Number (Select-First (& $plain $config.Winrs.MaxMemoryPerShellMB), $shells.MaxMemoryPerShellMB)
        basic = & $truth (& $plain $config.Service.Auth.Basic) $policy.AllowBasic
        allow_unencrypted = & $truth (& $plain $config.Service.AllowUnencrypted) $policy.AllowUnencryptedTraffic
        local_account_filter = $filter -ne 1
    }
}
