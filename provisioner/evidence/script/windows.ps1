# Which Windows, and whether it gets updates: by build, edition and licence.

function Get-Programme($Build, $Server) {
    # The last day of each year in which Microsoft sells extended security updates for a build, and the ids of their
    # licences where they are known; null where it sells none. As policy/windows-lifecycle.yml has them.
    $key = "$Build$(if ($Server) { ' server' })"
    $years = @{
        '19045' = '2026-10-13', '2027-10-12', '2028-10-10'
        '14393' = '2027-10-12', '2028-10-10', '2029-10-09'
        '14393 server' = '2028-01-11', '2029-01-09', '2030-01-12'
        '9600 server' = '2024-10-08', '2025-10-14', '2026-10-13'
        '9200 server' = '2024-10-08', '2025-10-14', '2026-10-13'
        '7601 server' = '2021-01-12', '2022-01-11', '2023-01-10'
    }
    $ids = @{
        '19045' = 'f520e45e-7413-4a34-a497-d2765967d094', '1043add5-23b1-4afb-9a0f-64343c8f3f8d', '83d49986-add3-41d7-ba33-87c7bfb5c0fb'
    }
    if ($years[$key]) { @{ Ends = $years[$key]; Ids = @($ids[$key] | Where-Object { $_ }) } }
}

function Get-ExtendedUpdates($Build, $Server) {
    # Whether a licence for extended security updates is active today by this PC's clock, why it is told so, and until
    # when. A licence is known by its id, or by its product's name: Client-ESU-Year1 add-on.
    $programme = Get-Programme $Build $Server
    if ($null -eq $programme) { return @{ Active = $null; Reason = "there are no extended security updates for build $Build" } }
    try { $licences = @(Get-Instance SoftwareLicensingProduct ID, Name, LicenseStatus 'LicenseStatus = 1') }
    catch { return @{ Active = $null; Reason = "the licences could not be read: $(Get-ErrorText $_)" } }
    $active = if ($programme.Ids) { $false }
    $reason = if ($programme.Ids) { 'no licence for extended security updates is active' }
    else { "no active licence is named ESU, and the ids of those for build $Build are not known" }
    $latest = 0
    $unsaid = $null
    foreach ($licence in $licences) {
        $year = 1 + [Array]::IndexOf($programme.Ids, "$($licence.ID)".ToLowerInvariant())
        if (-not $year) {
            if ("$($licence.Name)" -notmatch '\bESU\b|Extended Security Update') { continue }
            if ("$($licence.Name)" -match 'Year\W?(\d)') { $year = [int]$Matches[1] }
        }
        if ($year -lt 1 -or $year -gt $programme.Ends.Count) { $unsaid = "the licence '$(ConvertTo-Text $licence.Name)' does not say for which year it is"; continue }
        if ($year -gt $latest) { $latest = $year }
    }
    $until = if ($latest) { $programme.Ends[$latest - 1] }
    if ($until) {
        $active = (Get-Now).Date -le [datetime]::ParseExact($until, 'yyyy-MM-dd', [Globalization.CultureInfo]::InvariantCulture)
        $reason = if ($active) { "licensed for year $latest, until $until" } else { "the licence for year $latest ended on $until" }
    }
    if ($unsaid -and -not $active) { return @{ Active = $null; Reason = $unsaid } }
    @{ Active = $active; Reason = $reason; Until = $until }
}

function Read-Windows {
    $version = Get-Values 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $system = Invoke-Quietly { Get-Instance Win32_OperatingSystem OperatingSystemSKU, LastBootUpTime }
    $types = @{ WinNT = 1; LanmanNT = 2; ServerNT = 3 }
    $processors = @{ AMD64 = 'x64'; x86 = 'x86'; ARM64 = 'arm64'; ARM = 'arm' }
    $type = Get-Value 'SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType'
    $processor = Get-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'PROCESSOR_ARCHITECTURE'
    $integrity = Get-Values 'SYSTEM\CurrentControlSet\Control\CI\Policy'
    $build = ConvertTo-Number (Select-First $version.CurrentBuildNumber, $version.CurrentBuild)
    # A server by its edition first: the multi-session editions of Windows for desktops have a server's product type.
    $server = "$($version.EditionID)" -like 'Server*' -and "$($version.EditionID)" -ne 'ServerRdsh'
    $extended = Get-ExtendedUpdates $build $server
    [ordered]@{
        product_name = ConvertTo-Text $version.ProductName
        edition_id = ConvertTo-Text $version.EditionID
        display_version = ConvertTo-Text (Select-First $version.DisplayVersion, $version.ReleaseId)
        build = $build
        ubr = ConvertTo-Number $version.UBR
        product_type = $(if ($type) { $types[$type] })
        sku = ConvertTo-Number $system.OperatingSystemSKU
        architecture = $(if ($processor) { $processors[$processor] })
        s_mode = $(if ($null -ne $integrity) { $integrity.SkuPolicyRequired -eq 1 })
        esu = $extended.Active
        esu_reason = $extended.Reason
        esu_until = $extended.Until
        locale = ConvertTo-Text (Get-Here 'language')
        last_boot = ConvertTo-Iso $system.LastBootUpTime
    }
}
