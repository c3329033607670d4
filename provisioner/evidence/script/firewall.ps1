# The firewall: its profiles, and the rules that bear on the Connector.

function ConvertTo-AddressNumber($Address) {
    # An IPv4 address as a number that can be compared; null for anything else.
    $parsed = $null
    if (-not [Net.IPAddress]::TryParse($Address, [ref]$parsed) -or "$($parsed.AddressFamily)" -ne 'InterNetwork') { return $null }
    $bytes = $parsed.GetAddressBytes()
    [Array]::Reverse($bytes)
    [long][BitConverter]::ToUInt32($bytes, 0)
}

function Get-Range($Text) {
    # The first and last address of a rule's entry (one, a range, a subnet by mask or by length); null for a word.
    if ("$Text" -match '^(\*|any)$') { return 0, 4294967295 }
    $from, $to = "$Text".Split('-')
    $base, $mask = $from.Split('/')
    $low = ConvertTo-AddressNumber $base
    if ($null -eq $low) { return $null }
    $high = $low
    if ($to) { $high = ConvertTo-AddressNumber $to }
    elseif ($mask) {
        $bits = if ($mask -match '^\d+$') { [long][Math]::Pow(2, 32) - [long][Math]::Pow(2, 32 - [int]$mask) } else { ConvertTo-AddressNumber $mask }
        if ($null -eq $bits) { return $null }
        $low = $low -band $bits
        $high = $low + 4294967295 - $bits
    }
    $low, $high
}

function Test-Range($Text, $Numbers) {
    # Whether a rule's entry holds one of these addresses.
    $low, $high = Get-Range $Text
    if ($null -eq $low) { return $false }
    foreach ($number in $Numbers) { if ($number -ge $low -and $number -le $high) { return $true } }
    $false
}

function Test-Whole($Texts) {
    # Whether these entries hold, between them, every address that a PC can have: from 1.0.0.1 to 223.255.255.254.
    $next = [long]16777217
    $ranges = foreach ($text in $Texts) { $low, $high = Get-Range $text; if ($null -ne $high) { @{ Low = $low; High = $high } } }
    foreach ($range in @($ranges | Sort-Object { $_.Low })) {
        if ($range.Low -gt $next) { return $false }
        if ($range.High -ge $next) { $next = $range.High + 1 }
    }
    $next -gt 3758096382
}

function Test-Everybody($Sddl) {
    # Whether a list of users lets a rule hold for whoever runs: everyone, every user or service (WD, AU, BU, SU), nobody
    # left out.
    if ("$Sddl" -match '\(X?D;') { return $false }
    "$Sddl" -match '\(A;[^)]*;(WD|AU|BU|SU|S-1-1-0|S-1-5-11|S-1-5-32-545|S-1-5-6)\)'
}

function Get-Conditions($Fields) {
    # The names of a rule's fields that make it hold not always. One that holds for whatever happens is none.
    $local = @($Fields.Keys | Where-Object { $_ -match '^LA(4|42)$' } | ForEach-Object { $Fields[$_] })
    foreach ($name in @($Fields.Keys | Sort-Object)) {
        $values = @($Fields[$name] | ForEach-Object { "$_".Trim() })
        $always = switch -Regex ($name) {
            '^(Action|Active|Dir|Protocol|[LR]Port.*|RA4|RA6|RA42|RA62|App|Svc|Name|Desc|EmbedCtxt|Profile|Edge|Defer|LSM|SkipVer)$' { $true; break }
            # What counts is IPv4: an address of the other kind narrows nothing where all of these are there.
            '^LA(4|6|42|62)$' { Test-Whole $local; break }
            '^IFType$' { @($values | Where-Object { $_ -match '^(all|any|\*)$' }).Count -gt 0 -or @($values | Where-Object { $_ -match '^(lan|wireless|remoteaccess)$' } | Sort-Object -Unique).Count -eq 3; break }
            '^(Security2?|Security2_\d+)$' { @($values | Where-Object { $_ -notmatch '^(none|notrequired)$' }).Count -eq 0; break }
            '^(LUAuth|RUAuth|RMAuth)' { @($values | Where-Object { -not (Test-Everybody $_) }).Count -eq 0; break }
            '^LUOwn$' { @($values | Where-Object { $_ -notmatch '^(S-1-1-0|S-1-5-11)$' }).Count -eq 0; break }
            # The Windows that the rule is for: this one or later, and every Windows that has this script is 10.0.
            '^Platform2?$' { @($Fields['Platform'] | Where-Object { Test-Platform $_ ($Fields['Platform2'] -contains 'GTEQ') }).Count -gt 0; break }
            default { $false }
        }
        if (-not $always) { $name }
    }
}

function Test-Platform($Text, $Later) {
    if ("$Text" -notmatch '^2:(\d+):(\d+)$') { return $false }
    $major, $minor = [int]$Matches[1], [int]$Matches[2]
    if ($Later) { $major -lt 10 -or ($major -eq 10 -and $minor -eq 0) } else { $major -eq 10 -and $minor -eq 0 }
}

function ConvertFrom-Rule($Id, $Store, $Text) {
    # One rule's text by the grammar of [MS-GPFAS] 2.2.2.19: v2.31|Action=Allow|Active=TRUE|Dir=Out|...|
    $fields = @{}
    foreach ($part in $Text.Split('|')) {
        $at = $part.IndexOf('=')
        if ($at -lt 1) { continue }
        $name = $part.Substring(0, $at)
        if (-not $fields.ContainsKey($name)) { $fields[$name] = [Collections.Generic.List[string]]::new() }
        $fields[$name].Add($part.Substring($at + 1))
    }
    $all = { param($pattern) foreach ($name in @($fields.Keys | Where-Object { $_ -match $pattern } | Sort-Object)) { $fields[$name] } }
    $one = { param($name) if ($fields.ContainsKey($name)) { $fields[$name][0] } }
    $program = & $one 'App'
    # 256 is every protocol, and * every program: as if nothing stood there.
    $protocol = ConvertTo-Number (& $one 'Protocol')
    [ordered]@{
        id = $Id
        store = $Store
        name = ConvertTo-Text (& $one 'Name')
        group = ConvertTo-Text (& $one 'EmbedCtxt')
        enabled = Test-Same (& $one 'Active') 'TRUE'
        action = "$(& $one 'Action')".ToLowerInvariant()
        direction = "$(& $one 'Dir')".ToLowerInvariant()
        protocol = $(if ($protocol -ne 256) { $protocol })
        remote_addresses = @(& $all '^RA(4|6|42|62)$' | ForEach-Object { $_ -replace '/(255\.255\.255\.255|32)$', '' })
        remote_ports = @(& $all '^RPort')
        local_ports = @(& $all '^LPort')
        program = $(if ($program -and $program -notmatch '^\s*(\*|any)\s*$') { ConvertTo-Text ([Environment]::ExpandEnvironmentVariables($program)) })
        service = ConvertTo-Text (& $one 'Svc')
        profiles = @(& $all '^Profile$' | ForEach-Object { $_.ToLowerInvariant() })
        conditions = @(Get-Conditions $fields)
    }
}

function Test-Rule($Rule, $s, $Numbers) {
    # Whether a rule bears on the Connector.
    if (Test-Same $Rule.name $s.firewall_name) { return $true }
    if (Test-Same $Rule.program $s.image) { return $true }
    $addressed = @($Rule.remote_addresses | Where-Object { $s.endpoints -contains $_ -or (Test-Range $_ $Numbers) }).Count -gt 0
    if ($addressed -and (-not $Rule.program -or $Rule.action -eq 'allow')) { return $true }
    # What is left: an outbound block that would stop a program on its way to port 443 of any address. Which program runs
    # is told elsewhere.
    if ($Rule.action -ne 'block' -or $Rule.direction -ne 'out' -or -not $Rule.enabled) { return $false }
    if ($Rule.conditions -contains 'AppPkgId') { return $false }
    if ($Rule.service -and $Rule.service -ne '*' -and -not (Test-Same $Rule.service $s.service)) { return $false }
    if ($Rule.protocol -and $Rule.protocol -ne 6) { return $false }
    $wide = @($Rule.remote_addresses | Where-Object { $_ -match '^(internet|any|\*)$' }).Count -gt 0
    if ($Rule.remote_addresses.Count -and -not $wide -and -not $addressed) { return $false }
    if (-not $Rule.remote_ports.Count) { return $true }
    foreach ($port in $Rule.remote_ports) {
        $low, $high = "$port".Split('-')
        if (-not $high) { $high = $low }
        if ($low -match '^(\*|any)$' -or ($low -match '^\d+$' -and [int]$low -le 443 -and [int]$high -ge 443)) { return $true }
    }
    $false
}

function Get-Profile($Base, $Names) {
    # One profile as it applies: policy, then MDM, then what stands on the PC.
    $places = @(foreach ($name in $Names) { "SOFTWARE\Policies\Microsoft\WindowsFirewall\$name" }) +
        @(foreach ($name in $Names) { "$Base\Mdm\$name" }) + "$Base\$($Names[-1])"
    $found = @(foreach ($place in $places) { $values = Get-Values $place; if ($null -ne $values) { $values } })
    $managed = @(foreach ($place in $places[0..($places.Count - 2)]) { $values = Get-Values $place; if ($null -ne $values) { $values } })
    [ordered]@{
        enabled = ConvertTo-Flag (Select-First @($found | ForEach-Object { $_.EnableFirewall }))
        outbound_blocked = $(if ($found) { ConvertTo-Flag (Select-First (@($found | ForEach-Object { $_.DefaultOutboundAction }) + 0)) })
        local_rules_apply = ConvertTo-Flag (Select-First (@($managed | ForEach-Object { $_.AllowLocalPolicyMerge }) + 1))
    }
}

function Read-Firewall($s) {
    $base = 'SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy'
    $stores = [ordered]@{ local = "$base\FirewallRules"; policy = 'SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules'; mdm = "$base\Mdm\FirewallRules" }
    $numbers = @($s.endpoints | ForEach-Object { ConvertTo-AddressNumber $_ } | Where-Object { $null -ne $_ })
    # Reading a rule costs a hundred times as much as this look at its text, and most rules are of no interest.
    $marks = @("|Name=$($s.firewall_name)|", "\$(Get-Leaf $s.image)|") + @($s.endpoints | ForEach-Object { "=$_" }) | ForEach-Object { [regex]::Escape($_) }
    $look = [regex]("(?i)$($marks -join '|')|\|RA4=[\d.]+[-/](?!255\.255\.255\.255\|)|^(?=.*\|Action=Block\|)(?=.*\|Dir=Out\|)(?=.*\|Active=TRUE\|)")
    $read = 0
    $rules = @(foreach ($store in $stores.Keys) {
        $values = Get-Values $stores[$store]
        if ($null -eq $values) { continue }
        foreach ($id in @($values.Keys | Sort-Object)) {
            $read++
            $text = "$($values[$id])"
            if (-not $look.IsMatch($text)) { continue }
            $rule = ConvertFrom-Rule $id $store $text
            if (Test-Same (Get-Leaf $rule.program) (Get-Leaf $s.image)) { $rule.program = Get-Place $rule.program $s }
            if (Test-Rule $rule $s $numbers) { $rule.program = Get-Place $rule.program $s; $rule }
        }
    })
    [ordered]@{
        service_running = $(switch (Get-ServiceState 'MpsSvc') { $null { $null } 'Running' { $true } default { $false } })
        profiles = [ordered]@{
            domain = Get-Profile $base @('DomainProfile')
            private = Get-Profile $base @('PrivateProfile', 'StandardProfile')
            public = Get-Profile $base @('PublicProfile')
        }
        rules_read = $read
        rules = $rules
    }
}
