# Reads one gateway and answers with the JSON document that evidence.schema.json describes. It changes nothing.
#
# $Settings is one line of ASCII JSON (collect.py writes it). The answer is three lines: "#evidence begin", the
# document in ASCII, "#evidence end". Written for Windows PowerShell 5.1 and a network logon of an administrator.
# Where each fact is read, why there, and what nobody has seen on a real gateway yet: docs/windows.md.
param($Settings)

if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    "#evidence refused: PowerShell runs in $($ExecutionContext.SessionState.LanguageMode) here"
    return
}

# ---- doors: everything that is outside this script is reached through one of these ----

function Get-Values($Path, $Hive = 'LocalMachine') {
    # The values of a registry key, by name; null where there is no such key.
    $root = [Microsoft.Win32.RegistryKey]::OpenBaseKey($Hive, 'Registry64')
    $key = $root.OpenSubKey($Path)
    if ($null -eq $key) { return $null }
    $values = @{}
    foreach ($name in $key.GetValueNames()) { $values[$name] = $key.GetValue($name) }
    $key.Close()
    $values
}

function Get-Keys($Path, $Hive = 'LocalMachine') {
    # The names of the keys under a registry key; none where there is no such key.
    $root = [Microsoft.Win32.RegistryKey]::OpenBaseKey($Hive, 'Registry64')
    $key = $root.OpenSubKey($Path)
    if ($null -ne $key) { $key.GetSubKeyNames(); $key.Close() }
}

function Get-Instance($Class, $Property, $Filter, $Namespace = 'root/cimv2') {
    # Without a time of its own a broken WMI would take the whole section with it.
    $query = @{ ClassName = $Class; Property = $Property; Namespace = $Namespace; OperationTimeoutSec = 8; ErrorAction = 'Stop' }
    if ($Filter) { $query.Filter = $Filter }
    Get-CimInstance @query
}

function Invoke-Program($Path, $Arguments, $Seconds) {
    # Runs a Windows program: its exit code (null: it took too long) and what it printed.
    $start = New-Object Diagnostics.ProcessStartInfo $Path, $Arguments
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true
    $start.RedirectStandardOutput = $true
    $process = [Diagnostics.Process]::Start($start)
    $process.StandardInput.Close()
    $reading = $process.StandardOutput.ReadToEndAsync()
    if ($process.WaitForExit($Seconds * 1000) -and $reading.Wait(2000)) {
        return @{ Code = $process.ExitCode; Text = $reading.Result }
    }
    Attempt { $process.Kill() }
    @{ Code = $null; Text = '' }
}

function Get-Program($Path) { [IO.File]::Exists($Path) }

function Get-Here($What) {
    # What the PC calls itself (NetBIOS), the language that it was installed in, its time zone, our own process there.
    switch ($What) {
        'name' { [Environment]::MachineName }
        'language' { [Globalization.CultureInfo]::InstalledUICulture.Name }
        'time zone' { [TimeZoneInfo]::Local.Id }
        'process' { $PID }
    }
}

function Get-Endpoint {
    # The machine's TCP table: listeners and connections, as .NET gives them.
    $table = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
    foreach ($end in $table.GetActiveTcpListeners()) {
        @{ Local = "$end"; Port = $end.Port; Remote = ''; RemoteAddress = ''; RemotePort = 0; State = 'Listen' }
    }
    foreach ($one in $table.GetActiveTcpConnections()) {
        $remote = $one.RemoteEndPoint
        @{ Local = "$($one.LocalEndPoint)"; Port = $one.LocalEndPoint.Port; Remote = "$remote"
            RemoteAddress = "$($remote.Address)"; RemotePort = $remote.Port; State = "$($one.State)" }
    }
}

function Get-Running($Names) {
    # Processes by name (without .exe; none given: all, without their paths).
    $found = if ($Names) { foreach ($name in $Names) { [Diagnostics.Process]::GetProcessesByName($name) } }
    else { [Diagnostics.Process]::GetProcesses() }
    foreach ($process in $found) {
        @{ Id = $process.Id; Name = $process.ProcessName; Session = $process.SessionId
            Path = $(if ($Names) { Attempt { $process.MainModule.FileName } })
            Started = $(if ($Names) { Attempt { $process.StartTime } }) }
    }
}

function Get-Link($Path) {
    # Where a junction or a symbolic link leads; null for anything else.
    $is = [int](New-Object IO.DirectoryInfo $Path).Attributes
    if ($is -ne -1 -and ($is -band 1024)) { @((Get-Item -LiteralPath $Path -Force).Target)[0] }
}

function Get-LongPath($Path) {
    # A path without the short names of MS-DOS in it (PROGRA~1).
    [IO.Path]::GetFullPath($Path)
}

function Get-ServiceState($Name) {
    # Running, Stopped, Paused, StartPending, StopPending; null where there is no such service.
    Attempt { "$((Get-Service -Name ([WildcardPattern]::Escape($Name)) -ErrorAction Stop).Status)" }
}

function Get-Access($Path) {
    # Owner and rights of a file or folder, in the order of its list: SIDs, rights as a number (an entry that is handed
    # down has generic bits, which FileSystemRights has no names for), whether for this object, whether for those below.
    $kind = if ([IO.Directory]::Exists($Path)) { 'DirectorySecurity' } else { 'FileSecurity' }
    $sections = [Security.AccessControl.AccessControlSections]'Owner, Access'
    $access = New-Object "Security.AccessControl.$kind" $Path, $sections
    $sid = [Security.Principal.SecurityIdentifier]
    $rules = foreach ($rule in $access.GetAccessRules($true, $true, $sid)) {
        @{ Sid = "$($rule.IdentityReference)"; Rights = [int]$rule.FileSystemRights; Allow = "$($rule.AccessControlType)" -eq 'Allow'
            Here = -not ([int]$rule.PropagationFlags -band 2); Below = [int]$rule.InheritanceFlags -ne 0 }
    }
    @{ Owner = "$($access.GetOwner($sid))"; Rules = @($rules) }
}

function Get-WinRm($What) {
    # WinRM's own answer, as XML texts: it holds defaults and policy, which the registry does not.
    $session = [Activator]::CreateInstance([Type]::GetTypeFromProgID('WSMan.Automation', $true)).CreateSession()
    if ($What -eq 'config') { return $session.Get('winrm/config') }
    $all = $session.Enumerate('winrm/config/listener')
    while (-not $all.AtEndOfStream) { $all.ReadItem() }
}

# ---- small words ----

function Attempt([scriptblock]$What) { try { & $What } catch { $null } }

function Get-Value($Path, $Name, $Hive = 'LocalMachine') {
    $values = Get-Values $Path $Hive
    if ($null -ne $values) { $values[$Name] }
}

function Text($Value) {
    # Text for the document: null stays null, blanks are null, nothing is longer than 500 characters.
    if ($null -eq $Value) { return $null }
    $text = "$Value".Trim()
    if ($text -eq '') { return $null }
    if ($text.Length -gt 500) { return $text.Substring(0, 500) }
    $text
}

function Iso($Time) {
    if ($null -ne $Time) { ([datetime]$Time).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture) }
}

function Number($Value) { if ($null -ne $Value -and "$Value" -match '^-?\d{1,18}$') { [long]$Value } }

function Flag($Value) {
    # What is no number says nothing, and costs nothing but itself.
    if ($Value -is [bool]) { return $Value }
    $number = Number $Value
    if ($null -ne $number) { $number -ne 0 }
}

function First($Values) { foreach ($value in $Values) { if ($null -ne $value) { return $value } } }

function Under($Path, $Folder) {
    $Path -and $Folder -and $Path.StartsWith($Folder.TrimEnd('\') + '\', [StringComparison]::OrdinalIgnoreCase)
}

function Same($One, $Other) { [string]::Equals($One, $Other, [StringComparison]::OrdinalIgnoreCase) }

function Leaf($Path) { "$Path".Split('\')[-1] }

function Read-Text($Path) {
    # A small text file; null where there is none.
    if (-not [IO.File]::Exists($Path)) { return $null }
    if ((New-Object IO.FileInfo $Path).Length -gt 8MB) { throw "the file $Path is too large" }
    [IO.File]::ReadAllText($Path)
}

function Read-Json($Path) {
    $text = Read-Text $Path
    if ($text) { ConvertFrom-Json -InputObject $text }
}

function Get-DataFolder { "$env:ProgramData\provisioner" }

function Get-Port { 443 }

function Get-Now { [datetime]::UtcNow }

function Get-Drive { New-Object IO.DriveInfo 'C:\' }

# ---- sections: one function each, which returns one ordered dictionary ----

function Read-Identity {
    $computer = Attempt { Get-Instance Win32_ComputerSystem PartOfDomain }
    $bios = Attempt { Get-Instance Win32_BIOS SerialNumber }
    [ordered]@{
        computer_name = Get-Here 'name'
        domain = Text (Get-Value 'SYSTEM\CurrentControlSet\Services\Tcpip\Parameters' 'Domain')
        domain_joined = Flag $computer.PartOfDomain
        serial = Text $bios.SerialNumber
        machine_guid = Text (Get-Value 'SOFTWARE\Microsoft\Cryptography' 'MachineGuid')
    }
}

function Read-Account {
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $administrators = New-Object Security.Principal.SecurityIdentifier 'S-1-5-32-544'
    $elevated = (New-Object Security.Principal.WindowsPrincipal $identity).IsInRole($administrators)
    # A group that UAC took away stays in the token as one that can only deny.
    $denied = Attempt { @($identity.Claims | Where-Object { $_.Type -like '*/denyonlysid' -and $_.Value -eq 'S-1-5-32-544' }).Count -gt 0 }
    $place = $identity.Name.Split('\')[0]
    [ordered]@{
        user = $identity.Name
        administrator = [bool]($elevated -or $denied)
        elevated = $elevated
        local = $(if ("$($identity.User)" -like 'S-1-5-21-*') { Same $place (Get-Here 'name') })
    }
}

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
    # Whether a licence for extended security updates is active today, and why it is told so. A licence is known by its
    # id, or by its product's name: Client-ESU-Year1 add-on.
    $programme = Get-Programme $Build $Server
    if ($null -eq $programme) { return @{ Active = $null; Reason = "there are no extended security updates for build $Build" } }
    try { $licences = @(Get-Instance SoftwareLicensingProduct ID, Name, LicenseStatus 'LicenseStatus = 1') }
    catch { return @{ Active = $null; Reason = "the licences could not be read: $(Explain $_)" } }
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
        if ($year -lt 1 -or $year -gt $programme.Ends.Count) { $unsaid = "the licence '$(Text $licence.Name)' does not say for which year it is"; continue }
        $end = $programme.Ends[$year - 1]
        if ((Get-Now).Date -le [datetime]::ParseExact($end, 'yyyy-MM-dd', [Globalization.CultureInfo]::InvariantCulture)) {
            return @{ Active = $true; Reason = "licensed for year $year, until $end" }
        }
        if ($year -gt $latest) { $latest, $active, $reason = $year, $false, "the licence for year $year ended on $end" }
    }
    if ($unsaid) { return @{ Active = $null; Reason = $unsaid } }
    @{ Active = $active; Reason = $reason }
}

function Read-Windows {
    $version = Get-Values 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'
    $system = Attempt { Get-Instance Win32_OperatingSystem OperatingSystemSKU, LastBootUpTime }
    $types = @{ WinNT = 1; LanmanNT = 2; ServerNT = 3 }
    $processors = @{ AMD64 = 'x64'; x86 = 'x86'; ARM64 = 'arm64'; ARM = 'arm' }
    $type = Get-Value 'SYSTEM\CurrentControlSet\Control\ProductOptions' 'ProductType'
    $processor = Get-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment' 'PROCESSOR_ARCHITECTURE'
    $integrity = Get-Values 'SYSTEM\CurrentControlSet\Control\CI\Policy'
    $build = Number (First $version.CurrentBuildNumber, $version.CurrentBuild)
    # A server by its edition first: the multi-session editions of Windows for desktops have a server's product type.
    $server = "$($version.EditionID)" -like 'Server*' -and "$($version.EditionID)" -ne 'ServerRdsh'
    $extended = Get-ExtendedUpdates $build $server
    [ordered]@{
        product_name = Text $version.ProductName
        edition_id = Text $version.EditionID
        display_version = Text (First $version.DisplayVersion, $version.ReleaseId)
        build = $build
        ubr = Number $version.UBR
        product_type = $(if ($type) { $types[$type] })
        sku = Number $system.OperatingSystemSKU
        architecture = $(if ($processor) { $processors[$processor] })
        s_mode = $(if ($null -ne $integrity) { $integrity.SkuPolicyRequired -eq 1 })
        esu = $extended.Active
        esu_reason = $extended.Reason
        locale = Text (Get-Here 'language')
        last_boot = Iso $system.LastBootUpTime
    }
}

function Read-Hardware {
    $bios = Get-Values 'HARDWARE\DESCRIPTION\System\BIOS'
    $root = 'HARDWARE\DESCRIPTION\System\CentralProcessor'
    $cores = @(Get-Keys $root)
    $clocks = foreach ($core in $cores) {
        $one = Get-Values "$root\$core"
        # The name's figure is the nominal one; ~MHz was measured at the start and may lie a little below it.
        if ("$($one.ProcessorNameString)" -match '@\s*([\d.]+)\s*GHz') { [int]([double]::Parse($Matches[1], [Globalization.CultureInfo]::InvariantCulture) * 1000) }
        elseif ($one.'~MHz') { [int]$one.'~MHz' }
    }
    $computer = Attempt { Get-Instance Win32_ComputerSystem HypervisorPresent }
    # Who made the firmware and the board, and the OEM ids of the ACPI tables: a virtual machine keeps its own there.
    $texts = @('BIOSVendor', 'BIOSVersion', 'SystemFamily', 'BaseBoardManufacturer', 'BaseBoardProduct' | ForEach-Object { $bios.$_ }) +
        @(Attempt { Get-Value 'HARDWARE\DESCRIPTION\System' 'SystemBiosVersion' }) +
        @('DSDT', 'FADT', 'RSDT' | ForEach-Object { $table = $_; Attempt { Get-Keys "HARDWARE\ACPI\$table" } })
    [ordered]@{
        manufacturer = Text $bios.SystemManufacturer
        model = Text $bios.SystemProductName
        logical_cores = $(if ($cores.Count) { $cores.Count })
        clock_mhz = Number ($clocks | Measure-Object -Minimum).Minimum
        processor = $(if ($cores.Count) { Text (Get-Value "$root\$($cores[0])" 'ProcessorNameString') })
        hypervisor_present = Flag $computer.HypervisorPresent
        firmware = @($texts | ForEach-Object { Text $_ } | Where-Object { $_ } | Select-Object -Unique)
    }
}

function Read-Disk {
    $drive = Get-Drive
    [ordered]@{ drive = 'C:'; free_bytes = $drive.TotalFreeSpace; total_bytes = $drive.TotalSize }
}

function Read-Memory {
    $system = Get-Instance Win32_OperatingSystem TotalVisibleMemorySize, FreePhysicalMemory
    [ordered]@{
        total_bytes = $(if ($system.TotalVisibleMemorySize) { [long]$system.TotalVisibleMemorySize * 1024 })
        available_bytes = $(if ($system.FreePhysicalMemory) { [long]$system.FreePhysicalMemory * 1024 })
    }
}

function Get-Sessions {
    # People logged on: a loaded user hive whose Volatile Environment names the session, still alive.
    $running = @(Get-Running)
    $alive = @($running | ForEach-Object { $_.Session })
    $locked = @($running | Where-Object { $_.Name -eq 'LogonUI' } | ForEach-Object { $_.Session })
    foreach ($sid in @(Get-Keys '' 'Users')) {
        if ($sid -notmatch '^S-1-(5-21|12-1)-[\d-]+$') { continue }
        $place = "$sid\Volatile Environment"
        foreach ($number in @(Get-Keys $place 'Users')) {
            # Session 0 is that of services and of our own log-on.
            if ($number -notmatch '^[1-9]\d*$' -or $alive -notcontains [int]$number) { continue }
            $at = "$(Get-Value "$place\$number" 'SESSIONNAME' 'Users')"
            $who = Get-Values $place 'Users'
            @{ Session = [int]$number; Locked = $locked -contains [int]$number; Name = "$($who.USERDOMAIN)\$($who.USERNAME)"
                Kind = $(if ($at -eq 'Console') { 'console' } elseif ($at -like 'RDP-*') { 'remote' } else { 'unknown' }) }
        }
    }
}

function Read-Screen {
    $adapters = @(Get-Instance Win32_VideoController Name, CurrentHorizontalResolution, CurrentVerticalResolution)
    $remote = Attempt { @(Get-Sessions | Where-Object { $_.Kind -eq 'remote' }).Count -gt 0 }
    [ordered]@{
        adapters = @(foreach ($one in $adapters) {
            [ordered]@{ name = Text $one.Name; width = Number $one.CurrentHorizontalResolution; height = Number $one.CurrentVerticalResolution }
        })
        remote_session = $remote
    }
}

function Get-PowerSeconds($Plan, $Group, $Setting) {
    # The plan's own value, else the one that Windows came with for that plan; 0 is never.
    $power = 'SYSTEM\CurrentControlSet\Control\Power'
    $default = Get-Values "$power\PowerSettings\$Group\$Setting\DefaultPowerSchemeValues\$Plan"
    Number (First (Get-Value "$power\User\PowerSchemes\$Plan\$Group\$Setting" 'ACSettingIndex'), $default.ProvAcSettingIndex, $default.ACSettingIndex)
}

function Read-Power {
    $power = 'SYSTEM\CurrentControlSet\Control\Power'
    $policy = 'SOFTWARE\Policies\Microsoft\Power\PowerSettings'
    $group = '238c9fa8-0aad-41ed-83f4-97be242c8f20'
    $sleep = '29f6c1db-86da-48c5-9fdb-f2b67b1f44da'
    $hibernate = '9d7815a6-7ee4-497e-8888-515a05f02364'
    $values = Get-Values $power
    $plan = First (Get-Value $policy 'ActivePowerScheme'), (Get-Value "$power\User\PowerSchemes" 'ActivePowerScheme')
    [ordered]@{
        plan = Text $plan
        sleep_seconds = $(if ($plan) { Get-PowerSeconds $plan $group $sleep })
        hibernate_seconds = $(if ($plan) { Get-PowerSeconds $plan $group $hibernate })
        policy_sleep_seconds = Number (Get-Value "$policy\$sleep" 'ACSettingIndex')
        policy_hibernate_seconds = Number (Get-Value "$policy\$hibernate" 'ACSettingIndex')
        hibernation_enabled = Flag (First $values.HibernateEnabled, $values.HibernateEnabledDefault)
        modern_standby = Flag $values.CsEnabled
        fast_startup = Flag (Get-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\Power' 'HiberbootEnabled')
        battery = Attempt { @(Get-Instance Win32_Battery DeviceID).Count -gt 0 }
    }
}

function Read-Users($s) {
    $office = 'winword', 'excel', 'powerpnt', 'outlook', 'olk', 'onenote', 'msaccess', 'mspub'
    [ordered]@{
        sessions = @(foreach ($one in @(Get-Sessions | Sort-Object { $_.Session })) {
            [ordered]@{ session = $one.Session; kind = $one.Kind; locked = $one.Locked; name = $(if ($s.user_names) { Text $one.Name }) }
        })
        office_running = Attempt { @(Get-Running | Where-Object { $office -contains $_.Name }).Count -gt 0 }
    }
}

function Get-Connections {
    # The TCP table with its owners. .NET knows states in no language but not the owners; netstat's numbers do.
    $owners = @{}
    $printed = Attempt { Invoke-Program "$env:SystemRoot\System32\netstat.exe" '-ano' 8 }
    foreach ($line in "$($printed.Text)".Split("`n")) {
        $word = $line.Trim() -split '\s+'
        if ($word.Count -ge 4 -and $word[0] -eq 'TCP' -and $word[-1] -match '^\d+$') { $owners["$($word[1]) $($word[2])"] = [int]$word[-1] }
    }
    foreach ($one in @(Get-Endpoint)) {
        $remote = @($one.Remote)
        if ($one.State -eq 'Listen') { $remote = '0.0.0.0:0', '[::]:0' }
        $one.Owner = First @($remote | ForEach-Object { $owners["$($one.Local) $_"] })
        $one
    }
}

function Get-Ancestors($Id) {
    # A process and those that started it (a batch file's name is only in its cmd.exe), three steps back.
    $property = 'ProcessId', 'ParentProcessId', 'Name', 'SessionId', 'ExecutablePath', 'CommandLine', 'CreationDate'
    $next = $Id
    $younger = $null
    foreach ($step in 1..4) {
        $one = @(Get-Instance Win32_Process $property "ProcessId = $next")[0]
        # Windows gives a dead parent's number away again: whoever is younger than its child did not start it.
        if ($null -eq $one -or ($younger -and $one.CreationDate -gt $younger)) { return }
        $one
        if (-not $one.ParentProcessId) { return }
        $next = $one.ParentProcessId
        $younger = $one.CreationDate
    }
}

function Get-Listener($Id, $s) {
    $family = @(Attempt { Get-Ancestors $Id })
    $lines = @($family | ForEach-Object { $_.CommandLine; $_.ExecutablePath } | Where-Object { $_ })
    # Without its parent a client may still be one that the batch file started: then its mode cannot be told.
    $told = @($family | Where-Object { $_.CommandLine }).Count -gt 0
    $in = { param($part) @($lines | Where-Object { $_.IndexOf($part, [StringComparison]::OrdinalIgnoreCase) -ge 0 }).Count -gt 0 }
    [ordered]@{
        process = $(if ($family) { Text $family[0].Name })
        session = $(if ($family) { Number $family[0].SessionId })
        folder_matches = $(if ($lines) { & $in $s.systmone.folder.TrimEnd('\') })
        gateway_mode = $(if ($told) { if (& $in $s.systmone.gateway_mark) { $true } elseif ($family.Count -gt 1) { $false } })
    }
}

function Read-SystmOne($s) {
    $ends = @(Get-Connections | Where-Object { $_.State -eq 'Listen' -and $_.Port -eq $s.systmone.port })
    $owners = @($ends | Where-Object { $null -ne $_.Owner } | ForEach-Object { $_.Owner } | Sort-Object -Unique)
    $listeners = @(foreach ($id in $owners) { Get-Listener $id $s })
    if ($ends -and -not $owners) { $listeners = @([ordered]@{ process = $null; session = $null; folder_matches = $null; gateway_mode = $null }) }
    [ordered]@{ port = $s.systmone.port; listeners = $listeners; folder_present = [IO.Directory]::Exists($s.systmone.folder) }
}

function Get-Package($Folder) {
    # What we unpacked there, by our manifest, and whether each of its files is there with its size.
    $manifest = Read-Json "$Folder\.provisioner-package.json"
    if ($null -eq $manifest) { return @{} }
    $intact = $true
    foreach ($file in @($manifest.files)) {
        $path = "$Folder\$("$($file.path)".Replace('/', '\'))"
        if (-not [IO.File]::Exists($path) -or (New-Object IO.FileInfo $path).Length -ne $file.size) { $intact = $false; break }
    }
    @{ Sha256 = Text $manifest.sha256; Version = Text $manifest.version; Intact = $intact }
}

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
        $rights = Attempt { ConvertTo-Rights $rule.Rights }
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
        $granted = Attempt { , @(Get-Granted $path) }
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
            Attempt { "$((New-Object Security.Principal.SecurityIdentifier $sid).Translate([Security.Principal.NTAccount]))" }
        }
        [ordered]@{ sid = $sid; name = Text $name; rights = "$([Enum]::ToObject([Security.AccessControl.FileSystemRights], [int]$rights[$sid]))" }
    })
}

function Get-Hash($Path) {
    if (-not [IO.File]::Exists($Path)) { return $null }
    $sha256 = New-Object Security.Cryptography.SHA256CryptoServiceProvider
    $stream = New-Object IO.FileStream $Path, ([IO.FileMode]'Open'), ([IO.FileAccess]'Read'), ([IO.FileShare]'ReadWrite, Delete')
    try { ([BitConverter]::ToString($sha256.ComputeHash($stream)) -replace '-', '').ToLowerInvariant() }
    finally { $stream.Close() }
}

function Resolve-Place($Path, $Depth = 0) {
    # A whole path as Windows itself finds the file: without short names, links, drives that stand for a folder (subst).
    $place = ("$Path".Trim().Trim('"') -replace '/', '\') -replace '^\\(\\[?.]|\?\?)\\(?=[A-Za-z]:)', ''
    if ($place -match '~\d') { $place = First @(Attempt { Get-LongPath $place } | Where-Object { $_ -match '^[A-Za-z]:\\' }), $place }
    if ($place -notmatch '^[A-Za-z]:\\' -or $Depth -gt 8) { return $place }
    $stands = "$(Get-Value 'SYSTEM\CurrentControlSet\Control\Session Manager\DOS Devices' $place.Substring(0, 2))"
    if ($stands -match '^\\\?\?\\([A-Za-z]:\\.*)$') { return Resolve-Place "$($Matches[1].TrimEnd('\'))$($place.Substring(2))" ($Depth + 1) }
    $parts = $place.Split('\')
    $so = $parts[0]
    for ($n = 1; $n -lt $parts.Length; $n++) {
        if ($parts[$n] -in '', '.') { continue }
        if ($parts[$n] -eq '..') { if ($so.Contains('\')) { $so = $so.Substring(0, $so.LastIndexOf('\')) }; continue }
        $target = Attempt { Get-Link "$so\$($parts[$n])" }
        if ($target) {
            $whole = if ($target -match '^(\\\\|[A-Za-z]:|\\\?\?\\)') { $target } else { "$so\$target" }
            return Resolve-Place "$($whole.TrimEnd('\'))\$([string]::Join('\', $parts, $n + 1, $parts.Length - $n - 1))".TrimEnd('\') ($Depth + 1)
        }
        $so = "$so\$($parts[$n])"
    }
    $so
}

function Get-Place($Path, $s) {
    # The same for the document: what lies below the Connector's folder has that folder's name as fleet.yml writes it.
    if (-not $Path) { return $null }
    $place = Resolve-Place $Path
    $folder = Resolve-Place $s.folder
    if (Under $place $folder) { "$($s.folder.TrimEnd('\'))$($place.Substring($folder.TrimEnd('\').Length))" } else { $place }
}

function Get-Mention($Folder) {
    # What finds a folder in a command line, with either slash, and not C:\iPlatoOld for C:\iPlato.
    $both = $Folder, (Resolve-Place $Folder) | Sort-Object -Unique | ForEach-Object { [regex]::Escape($_.TrimEnd('\')) -replace '\\\\', '[\\/]+' }
    [regex]"(?i)(?<!\w)($($both -join '|'))(?![\w.~$-])"
}

function Test-Mention($Line, $Mention, $Folder, $Deep = $true) {
    # Whether a command line names a folder: as it stands, or by a short name or a link.
    if ($Mention.IsMatch($Line)) { return $true }
    if (-not $Deep -and $Line -notmatch '~\d') { return $false }
    foreach ($path in [regex]::Matches($Line, '[A-Za-z]:[\\/][^"<>|;,*?\s]+|(?<=")[A-Za-z]:[\\/][^"<>|;,*?]+')) {
        $place = Resolve-Place $path.Value
        if ((Under $place $Folder) -or (Same $place $Folder)) { return $true }
    }
    $false
}

function Get-Processes {
    # All processes by their number: .NET's list, with what WMI tells of each; and whether WMI told anything.
    $property = 'ProcessId', 'ParentProcessId', 'Name', 'SessionId', 'ExecutablePath', 'CommandLine', 'CreationDate'
    $told = Attempt { , @(Get-Instance Win32_Process $property) }
    $all = @{}
    foreach ($one in @(Get-Running)) { $all[[int]$one.Id] = @{ Id = [int]$one.Id; Name = "$($one.Name).exe"; Session = $one.Session } }
    foreach ($one in @($told)) {
        if ($null -eq $one) { continue }
        $all[[int]$one.ProcessId] = @{ Id = [int]$one.ProcessId; Name = "$($one.Name)"; Session = $one.SessionId; Path = $one.ExecutablePath
            Line = $one.CommandLine; Parent = [int]$one.ParentProcessId; Started = $one.CreationDate; Told = $true }
    }
    $names = @($all.Values | Where-Object { -not $_.Path } | ForEach-Object { $_.Name -replace '\.exe$', '' } | Sort-Object -Unique)
    foreach ($one in $(if ($names) { @(Get-Running $names) })) {
        $mine = $all[[int]$one.Id]
        if ($null -ne $mine -and -not $mine.Path) { $mine.Path = $one.Path; $mine.Started = First $mine.Started, $one.Started }
    }
    @{ All = $all; Told = $null -ne $told }
}

function Get-Lineage($One, $All) {
    # Who started a process, the nearest first; null where the gateway does not tell. A parent is older than its child:
    # Windows gives a dead one's number away again.
    if (-not $One.Told) { return $null }
    $ids = [Collections.Generic.List[int]]::new()
    while ($ids.Count -lt 16 -and $One.Parent) {
        $parent = $All[$One.Parent]
        if ($null -eq $parent -or $ids.Contains($parent.Id) -or ($parent.Started -and $One.Started -and $parent.Started -gt $One.Started)) { break }
        $ids.Add($parent.Id)
        $One = $parent
    }
    , $ids.ToArray()
}

function Get-ConnectorProcesses($s) {
    # What may be the Connector: programs below its folder, those that hold a connection to an endpoint, those that name
    # the folder in their command line, what its service started, and a Java of which nothing is told.
    $java = @('java', 'javaw', ((Leaf $s.image) -replace '\.exe$', ''), $s.service | Where-Object { $_ })
    $shells = 'cmd', 'powershell', 'pwsh', 'wscript', 'cscript'
    $connections = Attempt { , @(Get-Connections) }
    $ends = @($connections | Where-Object { $_ -and $_.State -eq 'Established' })
    $vendor = @($ends | Where-Object { $_.RemotePort -eq (Get-Port) -and $s.endpoints -contains $_.RemoteAddress })
    $owned = @($ends | Where-Object { $null -ne $_.Owner }).Count -gt 0
    $listeners = @($connections | Where-Object { $_ -and $_.State -eq 'Listen' -and $_.Port -eq $s.systmone.port } | ForEach-Object { $_.Owner })
    $read = Get-Processes
    $all = $read.All
    foreach ($end in $vendor) { if ($null -ne $end.Owner -and -not $all.ContainsKey($end.Owner)) { $all[$end.Owner] = @{ Id = $end.Owner } } }
    $hostid = Attempt { if ($s.service) { [int](Get-Instance Win32_Service ProcessId "Name = '$($s.service.Replace("'", "\'"))'").ProcessId } }
    $folder = Resolve-Place $s.folder
    $mention = Get-Mention $s.folder
    $places = @{}
    foreach ($one in $all.Values) {
        $short = "$($one.Name)" -replace '\.exe$', ''
        # Each path of a command line costs a look at the disk: only of what could run a program of the Connector's.
        $one.Names = if ($one.Line) { Test-Mention $one.Line $mention $folder ($java -contains $short -or $shells -contains $short) }
        if (-not $one.Path) { continue }
        $at = [Math]::Max(0, "$($one.Path)".LastIndexOfAny([char[]]'\/'))
        $in = $one.Path.Substring(0, $at)
        if (-not $places.ContainsKey($in)) { $places[$in] = Resolve-Place $in }
        $one.Place = if ($one.Path -match '~\d[^\\]*$') { Resolve-Place $one.Path } else { "$($places[$in])\$(Leaf ($one.Path -replace '/', '\'))" }
        $one.In = Under $one.Place $folder
    }
    $us = Get-Here 'process'
    $processes = @(foreach ($id in @($all.Keys | Sort-Object)) {
        $one = $all[$id]
        $lineage = Get-Lineage $one $all
        $name = "$($one.Name)" -replace '\.exe$', ''
        # Our own reading measures the endpoints; so may another team's.
        if (($us -and ($id -eq $us -or $lineage -contains $us)) -or "$($one.Line)".Contains("'#provisioner '") -or $name -eq 'conhost') { continue }
        $isjava = $java -contains $name
        # A batch file's name, and with it the folder, is only in the command line of its cmd.exe.
        foreach ($parent in $lineage) {
            if (-not $isjava -or $one.Names -or $shells -notcontains ("$($all[$parent].Name)" -replace '\.exe$', '')) { break }
            if ($all[$parent].Names) { $one.Names = $true }
        }
        $own = @($vendor | Where-Object { $_.Owner -eq $id }).Count
        $dark = $isjava -and -not $one.In -and (-not $one.Path -or -not $one.Line) -and $listeners -notcontains $id -and -not (Under $one.Path $s.systmone.folder)
        if (-not ($one.In -or $one.Names -or $own -or $dark -or ($hostid -and $lineage -contains $hostid))) { continue }
        [ordered]@{
            pid = $id
            name = Text $one.Name
            image = Text (Get-Place (First $one.Place, $one.Path) $s)
            session = Number $one.Session
            started = Iso $one.Started
            in_folder = $(if ($one.Path) { [bool]$one.In })
            names_folder = $one.Names
            ancestors = $lineage
            endpoint_connections = $(if ($owned) { $own })
            systmone_connections = $(if ($owned) { @($ends | Where-Object { $_.Owner -eq $id -and $_.RemotePort -eq $s.systmone.port }).Count })
        }
    })
    @{ Processes = $processes; Lines = $read.Told; Unowned = $(if ($null -ne $connections) { @($vendor | Where-Object { $null -eq $_.Owner }).Count }) }
}

function Get-Installed {
    # What Windows lists as installed: product id, name, version.
    foreach ($root in 'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall', 'SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall') {
        foreach ($id in @(Get-Keys $root)) {
            $values = Attempt { Get-Values "$root\$id" }
            @{ Id = $id; Name = Text $values.DisplayName; Version = Text $values.DisplayVersion }
        }
    }
}

function Read-Connector($s) {
    $known = 'accuRx', 'MJog', 'Hero', 'Sidekick', 'Informatica', 'ISHealth', 'Engage', 'Anima', 'Ardens', 'Klinik', 'Docman', 'Jayex'
    $present = [IO.Directory]::Exists($s.folder)
    $package = if ($present) { Get-Package $s.folder } else { @{} }
    $installed = Attempt { , @(Get-Installed) }
    $asked = @($installed | Where-Object { @($s.product_ids) -contains $_.Id })
    $others = @($known | Where-Object { $word = $_; @($installed | Where-Object { $_.Name -match "\b$word\b" }).Count -gt 0 })
    $running = Get-ConnectorProcesses $s
    $places = @($s.folder, $s.java_home, $s.image | Where-Object { [IO.Directory]::Exists($_) -or [IO.File]::Exists($_) })
    [ordered]@{
        folder = $s.folder
        present = $present
        image = $s.image
        image_present = [IO.File]::Exists($s.image)
        version = First (@($package.Version) + @($asked | ForEach-Object { $_.Version }))
        package_sha256 = $package.Sha256
        package_intact = $package.Intact
        owner = $(if ($present) { Attempt { (Get-Access $s.folder).Owner } })
        writers = $(if ($present) { Attempt { , (Get-Writers $places $s) } })
        files = @(foreach ($path in @($s.files)) { [ordered]@{ path = $path; sha256 = Get-Hash $path } })
        processes = $running.Processes
        command_lines = $running.Lines
        unowned_connections = $running.Unowned
        installed = $(if ($null -ne $installed) { , @($asked | ForEach-Object { [ordered]@{ product_id = $_.Id; name = $_.Name; version = $_.Version } }) })
        other_products = $(if ($null -ne $installed) { , $others })
    }
}

function Read-Java($s) {
    $release = @{}
    foreach ($line in "$(Attempt { Read-Text "$($s.java_home)\release" })".Split("`n")) {
        if ($line -match '^\s*(\w+)="?([^"\r]*)"?\s*$') { $release[$Matches[1]] = $Matches[2] }
    }
    $processors = @{ amd64 = 'x64'; x86_64 = 'x64'; x86 = 'x86'; i386 = 'x86'; i586 = 'x86'; aarch64 = 'arm64' }
    $processor = $release.OS_ARCH
    [ordered]@{
        home = $s.java_home
        present = [IO.File]::Exists("$($s.java_home)\bin\java.exe")
        version = Text $release.JAVA_VERSION
        vendor = Text $release.IMPLEMENTOR
        architecture = $(if ($processor) { First $processors[$processor], (Text $processor) })
    }
}

function Split-Command($Line) {
    # The program of a command line, and its arguments.
    if ("$Line" -match '^\s*"([^"]+)"\s*(.*)$') { return @{ Program = $Matches[1]; Rest = $Matches[2] } }
    # Unquoted, blanks belong to the path up to the first .exe; a name without a path ends at the first.
    if ("$Line" -match '^\s*([A-Za-z]:|\\|%|\.)' -and "$Line" -match '^\s*(.+?\.exe)(?:\s+(.*))?$') { return @{ Program = $Matches[1]; Rest = "$($Matches[2])" } }
    if ("$Line" -match '^\s*(\S+)\s+(.*)$') { return @{ Program = $Matches[1]; Rest = $Matches[2] } }
    @{ Program = "$Line".Trim(); Rest = '' }
}

function Get-Variables($Lists) {
    # The variables that a service is started with: Windows' own, the machine's, and lists of NAME=VALUE of its own.
    $found = @{}
    foreach ($name in 'SystemRoot', 'SystemDrive', 'ProgramFiles', 'ProgramFiles(x86)', 'ProgramData', 'CommonProgramFiles') { $found[$name] = [Environment]::GetEnvironmentVariable($name) }
    $found.windir = $found.SystemRoot
    $machine = Get-Values 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    if ($null -ne $machine) { foreach ($name in $machine.Keys) { $found[$name] = "$($machine[$name])" } }
    foreach ($line in @($Lists)) {
        $name, $value = "$line".Split('=', 2)
        if ($name -and $value) { $found[$name] = $value }
    }
    $found
}

function Expand-Text($Text, $Variables) {
    # With variables in place; what is not defined stays as it is.
    $expanded = "$Text"
    foreach ($round in 1..3) {
        $expanded = [regex]::Replace($expanded, '%([^%]+)%', { param($one) $value = $Variables[$one.Groups[1].Value]; if ($value) { "$value" } else { $one.Value } })
    }
    $expanded
}

function Find-Program($Text, $Folders, $Variables) {
    # The file of a program as a service's settings have it, as CreateProcess finds it; null where that cannot be told.
    $name = (Expand-Text $Text $Variables).Trim().Trim('"').Replace('/', '\')
    if (-not $name -or $name.Contains('%')) { return $null }
    if (-not (Leaf $name).Contains('.')) { $name = "$name.exe" }
    if ($name -match '^([A-Za-z]:\\|\\\\)') { return Resolve-Place $name }
    $root = $Variables.SystemRoot
    $places = @($Folders) + "$root\System32", $root
    if (-not $name.Contains('\')) { $places += @((Expand-Text $Variables.Path $Variables).Split(';') | ForEach-Object { $_.Trim().Trim('"').TrimEnd('\') }) }
    foreach ($place in $places) { if ($place -match '^[A-Za-z]:' -and [IO.File]::Exists("$($place.TrimEnd('\'))\$name")) { return Resolve-Place "$($place.TrimEnd('\'))\$name" } }
}

function Get-Procrun($Name) {
    # Where procrun keeps what it was told of a service; null where it knows none of that name.
    foreach ($root in 'SOFTWARE\WOW6432Node', 'SOFTWARE') {
        $at = "$root\Apache Software Foundation\Procrun 2.0\$Name\Parameters"
        if ($null -ne (Get-Values "$at\Start")) { return $at }
    }
}

function Get-HostedImage($Name, $Command, $Own) {
    # The program that the service is set to run, and by which host that is told. No host: the service's own program, which
    # may start another. No image: it is another than the service's own, and cannot be told.
    $program = Resolve-Place $Command.Program
    $beside = $program -replace '\\[^\\]*$', ''
    $answer = { param($by, $text, $folders, $more) @{ Host = $by; Image = Find-Program $text (@($folders) + $beside | Where-Object { $_ }) (Get-Variables (@($Own) + @($more))) } }
    $procrun = if ($Command.Rest -like '*//RS//*') { Get-Procrun $Name }
    if ($procrun) {
        $start = Get-Values "$procrun\Start"
        if ($start.Mode -eq 'jvm') { return @{ Host = 'procrun'; Image = $program } }
        $text = if ($start.Mode -eq 'exe') { $start.Image } elseif ($start.Mode -eq 'java') {
            $at = Get-Value "$procrun\Java" 'JavaHome'
            if ($at) { "$("$at".Trim().Trim('"').TrimEnd('\', '/'))\bin\java.exe" }
        }
        return & $answer 'procrun' $text $start.WorkingPath
    }
    $told = Get-Values "SYSTEM\CurrentControlSet\Services\$Name\Parameters"
    if ($told.Application) {
        $by = if ((Leaf $program) -eq 'srvany.exe') { 'srvany' } else { 'nssm' }
        return & $answer $by $told.Application $told.AppDirectory (@($told.AppEnvironment) + @($told.AppEnvironmentExtra))
    }
    if ($Command.Rest -match '(?:^|\s)--\s+(.+)$') {
        $text = (Split-Command $Matches[1]).Program
        $folder = if ($Command.Rest -match '--cwd[\s=]+("[^"]+"|\S+)') { $Matches[1].Trim('"') }
        return & $answer 'shawl' $text $folder
    }
    $xml = Attempt { ([xml](Read-Text ($program -replace '\.exe$', '.xml'))).service }
    if ($xml.executable) {
        $set = @("BASE=$beside") + @($xml.SelectNodes('env') | ForEach-Object { "$($_.GetAttribute('name'))=$($_.GetAttribute('value'))" })
        return & $answer 'winsw' $xml.executable (Expand-Text $xml.workingdirectory @{ BASE = $beside }) $set
    }
    if ($Command.Rest -match '(?:^|\s)-{1,2}s\s+("[^"]+"|\S+)') {
        $conf = $Matches[1].Trim('"').Replace('/', '\')
        $text = Attempt { Read-Text $(if ($conf -match '^[A-Za-z]:') { $conf } else { Resolve-Place "$beside\$conf" }) }
        if ("$text" -match '(?m)^\s*wrapper\.java\.command\s*=\s*(.+?)\s*$') { return & $answer 'tanuki' $Matches[1] }
    }
    if ((Leaf $program) -match '^(cmd|powershell|pwsh|wscript|cscript)(\.exe)?$') { return @{ Host = 'script'; Image = $null } }
    @{ Host = $null; Image = $program }
}

function Get-ServiceCommand($Values) { Split-Command (Expand-Text $Values.ImagePath (Get-Variables $Values.Environment)) }

function Test-ServiceOf($Name, $Values, $Mention, $Folder) {
    # Whether a service is one of the Connector's: the folder is in its command or in what its host was told.
    $told = Attempt { Get-Values "SYSTEM\CurrentControlSet\Services\$Name\Parameters" }
    $procrun = if ("$($Values.ImagePath)" -like '*//RS//*') { Get-Procrun $Name }
    $start = if ($procrun) { Get-Values "$procrun\Start" }
    $java = if ($procrun) { Get-Values "$procrun\Java" }
    $texts = @($Values.ImagePath, $told.Application, $told.AppDirectory, $told.AppParameters, $start.Image, $start.WorkingPath) +
        @($start.Params) + @($java.JavaHome, $java.Classpath) + @($java.Options)
    $variables = Get-Variables $Values.Environment
    foreach ($text in $texts) { if ($text -and (Test-Mention (Expand-Text $text $variables) $Mention $Folder)) { return $true } }
    Under (Get-HostedImage $Name (Get-ServiceCommand $Values) $Values.Environment).Image $Folder
}

function Get-FailureActions($Bytes) {
    # SERVICE_FAILURE_ACTIONS as the service manager keeps it: period, two pointers, count, offset; then type and delay.
    $kinds = 'none', 'restart', 'reboot', 'run_command'
    if ($null -eq $Bytes -or $Bytes.Length -lt 20) { return @{ Actions = @(); Reset = $null } }
    $count = [Math]::Min([BitConverter]::ToInt32($Bytes, 12), [int](($Bytes.Length - 20) / 8))
    $actions = @(for ($i = 0; $i -lt $count; $i++) {
        $kind = [BitConverter]::ToInt32($Bytes, 20 + 8 * $i)
        [ordered]@{ type = $(if ($kind -ge 0 -and $kind -lt 4) { $kinds[$kind] } else { "$kind" }); delay_ms = [BitConverter]::ToUInt32($Bytes, 24 + 8 * $i) }
    })
    $reset = [BitConverter]::ToUInt32($Bytes, 0)
    @{ Actions = $actions; Reset = $(if ($reset -ne [uint32]::MaxValue) { [long]$reset }) }
}

function Get-ServiceFacts($Name, $s) {
    $values = Get-Values "SYSTEM\CurrentControlSet\Services\$Name"
    if ($null -eq $values -or -not $values.ImagePath) { return $null }
    $states = @{ Running = 'running'; Stopped = 'stopped'; Paused = 'paused'; StartPending = 'start_pending'; StopPending = 'stop_pending'
        ContinuePending = 'start_pending'; PausePending = 'stop_pending' }
    $modes = @{ 2 = 'auto'; 3 = 'manual'; 4 = 'disabled' }
    $state = Get-ServiceState $Name
    $command = Get-ServiceCommand $values
    $hosted = Get-HostedImage $Name $command $values.Environment
    $failure = Get-FailureActions $values.FailureActions
    $mode = $modes[[int](Number $values.Start)]
    if ($mode -eq 'auto' -and $values.DelayedAutostart -eq 1) { $mode = 'delayed' }
    [ordered]@{
        name = $Name
        display_name = Text $values.DisplayName
        state = $(if ($state) { $states[$state] })
        start_mode = $mode
        account = Text $values.ObjectName
        command = Text $command.Program
        image = Text (Get-Place $hosted.Image $s)
        host = $hosted.Host
        pid = $(if ($state -eq 'Running') { Attempt { Number (Get-Instance Win32_Service ProcessId "Name = '$($Name.Replace("'", "\'"))'").ProcessId } })
        actions = $failure.Actions
        reset_seconds = $failure.Reset
        on_non_crash = Flag (First $values.FailureActionsOnNonCrashFailures, 0)
        marked_for_deletion = (Flag $values.DeleteFlag) -eq $true
    }
}

function Read-Service($s) {
    $root = 'SYSTEM\CurrentControlSet\Services'
    $folder = Resolve-Place $s.folder
    $mention = Get-Mention $s.folder
    $others = foreach ($name in @(Get-Keys $root)) {
        if (Same $name $s.service) { continue }
        # Security products guard their keys; of ours, below, what cannot be read is an error.
        $values = Attempt { Get-Values "$root\$name" }
        $path = "$($values.ImagePath)"
        # Drivers, and nearly every service, are passed by with one cheap look.
        if ($path.IndexOf('.exe', [StringComparison]::OrdinalIgnoreCase) -lt 0 -and -not $mention.IsMatch($path)) { continue }
        if ($path -match '(?i)\\(system32|syswow64)\\' -and -not $mention.IsMatch($path) -and $path -notmatch '(?i)\\(srvany|nssm|prunsrv)\w*\.exe') { continue }
        if (Attempt { Test-ServiceOf $name $values $mention $folder }) { Get-ServiceFacts $name $s }
    }
    [ordered]@{
        wanted = "$($s.service)"
        service = $(if ($s.service) { Get-ServiceFacts $s.service $s })
        others = @($others)
    }
}

function ConvertTo-Number($Address) {
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
    $low = ConvertTo-Number $base
    if ($null -eq $low) { return $null }
    $high = $low
    if ($to) { $high = ConvertTo-Number $to }
    elseif ($mask) {
        $bits = if ($mask -match '^\d+$') { [long][Math]::Pow(2, 32) - [long][Math]::Pow(2, 32 - [int]$mask) } else { ConvertTo-Number $mask }
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
    # Whether a list of users lets a rule hold for whoever runs: everyone or every user (WD, AU), and nobody left out.
    if ("$Sddl" -match '\(X?D;') { return $false }
    "$Sddl" -match '\(A;[^)]*;(WD|AU|S-1-1-0|S-1-5-11)\)'
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
    $protocol = Number (& $one 'Protocol')
    [ordered]@{
        id = $Id
        store = $Store
        name = Text (& $one 'Name')
        group = Text (& $one 'EmbedCtxt')
        enabled = Same (& $one 'Active') 'TRUE'
        action = "$(& $one 'Action')".ToLowerInvariant()
        direction = "$(& $one 'Dir')".ToLowerInvariant()
        protocol = $(if ($protocol -ne 256) { $protocol })
        remote_addresses = @(& $all '^RA(4|6|42|62)$' | ForEach-Object { $_ -replace '/(255\.255\.255\.255|32)$', '' })
        remote_ports = @(& $all '^RPort')
        local_ports = @(& $all '^LPort')
        program = $(if ($program -and $program -notmatch '^\s*(\*|any)\s*$') { Text ([Environment]::ExpandEnvironmentVariables($program)) })
        service = Text (& $one 'Svc')
        profiles = @(& $all '^Profile$' | ForEach-Object { $_.ToLowerInvariant() })
        conditions = @(Get-Conditions $fields)
    }
}

function Test-Rule($Rule, $s, $Numbers) {
    # Whether a rule bears on the Connector.
    if (Same $Rule.name $s.firewall_name) { return $true }
    if (Same $Rule.program $s.image) { return $true }
    $addressed = @($Rule.remote_addresses | Where-Object { $s.endpoints -contains $_ -or (Test-Range $_ $Numbers) }).Count -gt 0
    if ($addressed -and (-not $Rule.program -or $Rule.action -eq 'allow')) { return $true }
    # What is left: an outbound block that would stop a program on its way to port 443 of any address. Which program runs
    # is told elsewhere.
    if ($Rule.action -ne 'block' -or $Rule.direction -ne 'out' -or -not $Rule.enabled) { return $false }
    if ($Rule.conditions -contains 'AppPkgId') { return $false }
    if ($Rule.service -and $Rule.service -ne '*' -and -not (Same $Rule.service $s.service)) { return $false }
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
        enabled = Flag (First @($found | ForEach-Object { $_.EnableFirewall }))
        outbound_blocked = $(if ($found) { Flag (First (@($found | ForEach-Object { $_.DefaultOutboundAction }) + 0)) })
        local_rules_apply = Flag (First (@($managed | ForEach-Object { $_.AllowLocalPolicyMerge }) + 1))
    }
}

function Read-Firewall($s) {
    $base = 'SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy'
    $stores = [ordered]@{ local = "$base\FirewallRules"; policy = 'SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules'; mdm = "$base\Mdm\FirewallRules" }
    $numbers = @($s.endpoints | ForEach-Object { ConvertTo-Number $_ } | Where-Object { $null -ne $_ })
    # Reading a rule costs a hundred times as much as this look at its text, and most rules are of no interest.
    $marks = @("|Name=$($s.firewall_name)|", "\$(Leaf $s.image)|") + @($s.endpoints | ForEach-Object { "=$_" }) | ForEach-Object { [regex]::Escape($_) }
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
            if (Same (Leaf $rule.program) (Leaf $s.image)) { $rule.program = Get-Place $rule.program $s }
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
    $newest = Attempt { [IO.Directory]::GetDirectories($root) | Sort-Object { [version]((Split-Path $_ -Leaf) -replace '-.*$') } | Select-Object -Last 1 }
    First $newest, "$env:ProgramFiles\Windows Defender"
}

function Get-Effective($Path, $Running, $Place) {
    # What Defender itself says of the path: 0 excluded, 1 not excluded, 2 no such path.
    $answer = [ordered]@{ path = $Path; excluded = $null; reason = $null }
    $program = "$Place\MpCmdRun.exe"
    if (-not $Running) { $answer.reason = 'Defender does not run here' }
    elseif (-not (Get-Program $program)) { $answer.reason = 'MpCmdRun.exe was not found' }
    else {
        $said = Attempt { Invoke-Program $program "-CheckExclusion -Path `"$Path`"" 10 }
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
    $status = if ($Running) { Attempt { Get-Instance MSFT_MpComputerStatus $property $null 'root/Microsoft/Windows/Defender' } }
    $tamper = @{ 0 = $false; 4 = $false; 5 = $true }
    $hidden = Flag (First (@($managed | ForEach-Object { $_.HideExclusionsFromLocalAdmins }) + 0))
    $platform = if ($Place -match '\\Platform\\([\d.]+)') { $Matches[1] }
    [ordered]@{
        running = $Running
        mode = $(if ($Running -eq $false) { 'Not running' } else { Text $status.AMRunningMode })
        realtime = $(if ($Running -eq $false) { $false } else { Flag $status.RealTimeProtectionEnabled })
        tamper_protected = First (Flag $status.IsTamperProtected), $(if ($null -ne $features.TamperProtection) { $tamper[[int](Number $features.TamperProtection)] })
        platform = First (Text $status.AMProductVersion), $platform
        managed_by = Number $own.ManagedDefenderProductType
        exclusions_protected = Flag (First $features.TPExclusions, 0)
        local_merge_disabled = Flag (First (@($managed | ForEach-Object { $_.DisableLocalAdminMerge }) + 0))
        exclusions_hidden = $hidden
        path_exclusions = $(if (-not $hidden) { Attempt { , @(Get-Exclusions 'Paths' 'ExcludedPaths') } })
        process_exclusions = $(if (-not $hidden) { Attempt { , @(Get-Exclusions 'Processes' 'ExcludedProcesses') } })
    }
}

function Read-Antivirus($s) {
    $state = Get-ServiceState 'WinDefend'
    $running = if ($state) { $state -eq 'Running' }
    $place = Get-DefenderPlace
    $products = Attempt { , @(Get-Instance AntiVirusProduct displayName, productState $null 'root/SecurityCenter2') }
    [ordered]@{
        products = $(if ($null -ne $products) { , @($products | ForEach-Object { [ordered]@{ name = "$($_.displayName)"; state = Number $_.productState } }) })
        defender = Get-Defender $running $place
        effective = Get-Effective $s.image $running $place
    }
}

function New-CertificateWitness($Seen) {
    # A callback that takes any certificate and notes what was wrong with it. Not a script block: those need the
    # runspace's own thread, and the hellos run side by side on others.
    $x = [Linq.Expressions.Expression]
    $types = [object], [Security.Cryptography.X509Certificates.X509Certificate], [Security.Cryptography.X509Certificates.X509Chain], [Net.Security.SslPolicyErrors]
    $parameters = [Linq.Expressions.ParameterExpression[]]@(foreach ($type in $types) { $x::Parameter($type) })
    $noted = [Linq.Expressions.Expression[]]@($x::Convert($parameters[3], [object]))
    $note = $x::Call($x::Constant($Seen, $Seen.GetType()), $Seen.GetType().GetMethod('Add'), $noted)
    $body = $x::Block([Linq.Expressions.Expression[]]@($note, $x::Constant($true)))
    $x::Lambda([Net.Security.RemoteCertificateValidationCallback], $body, $parameters).Compile()
}

function Get-TaskError($Task) {
    if ($null -eq $Task.Exception) { return "$($Task.Status)" }
    $cause = $Task.Exception.GetBaseException()
    if ($cause -is [Net.Sockets.SocketException]) { return "$($cause.SocketErrorCode)" }
    Text (($cause.Message -replace '\s+', ' '))
}

function Step-Probe($Probe) {
    # Takes one endpoint a step on: TCP connect, then TLS hello, then what was seen.
    if (-not $Probe.Task.IsCompleted) { return }
    $result = $Probe.Result
    $result.milliseconds = [int]$Probe.Watch.ElapsedMilliseconds
    if ($Probe.Task.Status -ne 'RanToCompletion') {
        $result.error = Get-TaskError $Probe.Task
        if ($result.tcp) { $result.tls = $false }
        $Probe.Done = $true
    } elseif (-not $result.tcp) {
        $result.tcp = $true
        $Probe.Tls = New-Object Net.Security.SslStream $Probe.Client.GetStream(), $false, (New-CertificateWitness $Probe.Seen)
        # TLS 1.2 by name: what PowerShell 5.1 takes by default is older, and 1.3 is refused by older Windows 10.
        $Probe.Task = $Probe.Tls.AuthenticateAsClientAsync($result.address, $null, [Security.Authentication.SslProtocols]::Tls12, $false)
    } else {
        $certificate = New-Object Security.Cryptography.X509Certificates.X509Certificate2 $Probe.Tls.RemoteCertificate
        $result.tls = $true
        $result.subject = Text $certificate.Subject
        $result.issuer = Text $certificate.Issuer
        $result.not_after = Iso $certificate.NotAfter
        # 4: the chain. That the name is another (2) says nothing here: endpoints are given as addresses.
        $result.trusted = $Probe.Seen.Count -gt 0 -and -not ([int]$Probe.Seen[0] -band 4)
        $Probe.Done = $true
    }
}

function Read-Endpoints($s) {
    $limit = [Math]::Min(12, [Math]::Max(2, $s.section_seconds * 0.7))
    $probes = @(foreach ($address in @($s.endpoints)) {
        $client = New-Object Net.Sockets.TcpClient
        @{ Client = $client; Watch = [Diagnostics.Stopwatch]::StartNew(); Task = $client.ConnectAsync("$address", (Get-Port)); Done = $false
            Seen = [Collections.Generic.List[object]]::new(); Tls = $null
            Result = [ordered]@{ address = "$address"; tcp = $false; tls = $null; milliseconds = $null; subject = $null
                issuer = $null; not_after = $null; trusted = $null; error = $null } }
    })
    $watch = [Diagnostics.Stopwatch]::StartNew()
    while (@($probes | Where-Object { -not $_.Done }).Count -and $watch.Elapsed.TotalSeconds -lt $limit) {
        foreach ($probe in $probes) { if (-not $probe.Done) { Step-Probe $probe } }
        [Threading.Thread]::Sleep(10)
    }
    foreach ($probe in $probes) {
        if (-not $probe.Done) {
            $probe.Result.error = "no answer after $([int]$limit) s"
            if ($probe.Result.tcp) { $probe.Result.tls = $false }
        }
        Attempt { $probe.Client.Close() }
    }
    [ordered]@{ measured_at = Iso (Get-Now); results = @($probes | ForEach-Object { $_.Result }) }
}

function Read-Reboot {
    $windows = 'SOFTWARE\Microsoft\Windows\CurrentVersion'
    $control = 'SYSTEM\CurrentControlSet\Control'
    $session = Get-Values "$control\Session Manager"
    $named = (Get-Value "$control\ComputerName\ActiveComputerName" 'ComputerName'), (Get-Value "$control\ComputerName\ComputerName" 'ComputerName')
    $signs = [ordered]@{
        'Component Based Servicing: RebootPending' = @(Get-Keys "$windows\Component Based Servicing") -contains 'RebootPending'
        'Windows Update: RebootRequired' = @(Get-Keys "$windows\WindowsUpdate\Auto Update") -contains 'RebootRequired'
        'Windows Update: a restart is asked for' = (Flag (Get-Value 'SOFTWARE\Microsoft\WindowsUpdate\UX\StateVariables' 'RebootRequired')) -eq $true
        'Windows Update: services pending' = @(Get-Keys "$windows\WindowsUpdate\Services\Pending").Count -gt 0
        'files to be renamed' = @($session.PendingFileRenameOperations, $session.PendingFileRenameOperations2 | Where-Object { $_ }).Count -gt 0
        'RunOnce: DVDRebootSignal' = $null -ne (Get-Value "$windows\RunOnce" 'DVDRebootSignal')
        'the computer gets another name' = [bool]($named[0] -and $named[1] -and -not (Same $named[0] $named[1]))
        'joining a domain' = @(Get-Keys 'SYSTEM\CurrentControlSet\Services\Netlogon') -contains 'JoinDomain'
    }
    $reasons = @($signs.Keys | Where-Object { $signs[$_] })
    [ordered]@{ pending = $reasons.Count -gt 0; reasons = $reasons }
}

function Read-Clock {
    $policy = Get-Values 'SOFTWARE\Policies\Microsoft\W32Time\Parameters'
    $own = Get-Values 'SYSTEM\CurrentControlSet\Services\W32Time\Parameters'
    $type = First $policy.Type, $own.Type
    $servers = First $policy.NtpServer, $own.NtpServer
    $state = Get-ServiceState 'W32Time'
    $kinds = @{ NT5DS = 'the domain'; NoSync = 'nowhere (NoSync)'; AllSync = 'the domain or NTP'; NTP = "NTP: $servers" }
    [ordered]@{
        utc = (Get-Now).ToString('yyyy-MM-ddTHH:mm:ss.fffZ', [Globalization.CultureInfo]::InvariantCulture)
        time_zone = Text (Get-Here 'time zone')
        source = $(if ($type) { Text (First $kinds[$type], $type) })
        service_running = $(if ($state) { $state -eq 'Running' })
    }
}

function Get-Listeners {
    # By WinRM itself (policy's listeners are in no registry key of it), else by what its registry keeps.
    $told = Attempt { , @(Get-WinRm 'listeners') }
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
        @{ Transport = $transport; Port = [int](First $values.Port, $(if ($transport -eq 'HTTPS') { 5986 } else { 5985 }))
            Thumbprint = "$(First $values.certThumbprint, $values.CertificateThumbprint)" }
    }
}

function Get-Certificate($Thumbprint) {
    $wanted = $Thumbprint -replace '\s', ''
    if (-not $wanted) { return $null }
    $store = New-Object Security.Cryptography.X509Certificates.X509Store ([Security.Cryptography.X509Certificates.StoreName]'My'), ([Security.Cryptography.X509Certificates.StoreLocation]'LocalMachine')
    $store.Open('ReadOnly, OpenExistingOnly')
    foreach ($certificate in $store.Certificates) { if (Same $certificate.Thumbprint $wanted) { return $certificate } }
}

function Read-WinRM {
    $config = Attempt { ([xml](Get-WinRm 'config')).DocumentElement }
    $policy = Get-Values 'SOFTWARE\Policies\Microsoft\Windows\WinRM\Service'
    $shells = Get-Values 'SOFTWARE\Policies\Microsoft\Windows\WinRM\Service\WinRS'
    $truth = { param($told, $set) if ($null -ne $told) { "$told" -eq 'true' } else { Flag $set } }
    # The settings that policy fixed are elements with an attribute: their text is the element's.
    $plain = { param($node) if ($node -is [Xml.XmlElement]) { $node.InnerText } else { $node } }
    $filter = Get-Value 'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System' 'LocalAccountTokenFilterPolicy'
    [ordered]@{
        listeners = @(foreach ($one in @(Get-Listeners)) {
            $certificate = Attempt { Get-Certificate $one.Thumbprint }
            [ordered]@{ transport = $one.Transport; port = $one.Port; certificate_not_after = Iso $certificate.NotAfter; certificate_subject = Text $certificate.Subject }
        })
        max_shells_per_user = Number (First (& $plain $config.Winrs.MaxShellsPerUser), $shells.MaxShellsPerUser)
        max_memory_mb = Number (First (& $plain $config.Winrs.MaxMemoryPerShellMB), $shells.MaxMemoryPerShellMB)
        basic = & $truth (& $plain $config.Service.Auth.Basic) $policy.AllowBasic
        allow_unencrypted = & $truth (& $plain $config.Service.AllowUnencrypted) $policy.AllowUnencryptedTraffic
        local_account_filter = $filter -ne 1
    }
}

function Find-Installer($Note) {
    # The process of an installer that we noted, if it still runs. Ansible does not tell its number (0): then it is the
    # process whose command line names the package. Where that cannot be told, the note counts as running.
    $noted = Attempt { ([datetimeoffset]::Parse("$($Note.started)", [Globalization.CultureInfo]::InvariantCulture)).UtcDateTime }
    if ([int]$Note.pid -gt 0) {
        $process = Attempt { [Diagnostics.Process]::GetProcessById([int]$Note.pid) }
        if ($null -eq $process) { return }
        $started = Attempt { $process.StartTime.ToUniversalTime() }
        # A number is given away again: who started later than the note says is somebody else.
        if ($null -eq $noted -or $null -eq $started -or $started -le $noted.AddSeconds(10)) { [int]$Note.pid }
        return
    }
    $what = "$($Note.what)"
    $like = $what.Replace('\', '\\').Replace("'", "\'")
    try { $found = @(Get-Instance Win32_Process ProcessId, CommandLine "CommandLine LIKE '%$like%'") }
    catch { return 0 }
    foreach ($process in $found) {
        if ("$($process.CommandLine)".IndexOf($what, [StringComparison]::OrdinalIgnoreCase) -ge 0) { return [int]$process.ProcessId }
    }
}

function Get-Marker($Path) {
    # Whose work is marked here, and for how long yet by this PC's own clock; null where the marker does not say.
    $marker = Attempt { Read-Json $Path }
    if (-not $marker) { return }
    $left = Attempt {
        $styles = [Globalization.DateTimeStyles]'AssumeUniversal, AdjustToUniversal'
        $since = [datetime]::ParseExact("$($marker.since)", 'yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture, $styles)
        [long][Math]::Ceiling(($since.AddMinutes([int]$marker.minutes) - [datetime]::UtcNow).TotalSeconds)
    }
    [ordered]@{ journal = "$($marker.journal)"; step = "$($marker.step)"; seconds_left = $left }
}

function Read-Ours {
    $root = Get-DataFolder
    $notes = if ([IO.Directory]::Exists("$root\running")) { foreach ($path in [IO.Directory]::GetFiles("$root\running", '*.json')) { Attempt { Read-Json $path } } }
    [ordered]@{
        marker = Get-Marker "$root\marker.json"
        unfinished = @(foreach ($note in @($notes | Where-Object { $_.what })) {
            $id = Find-Installer $note
            if ($null -ne $id) { [ordered]@{ pid = $id; what = "$($note.what)"; started = Text $note.started } }
        })
        kept = $(if ([IO.Directory]::Exists("$root\kept")) { [IO.Directory]::GetFiles("$root\kept", '*', [IO.SearchOption]'AllDirectories').Length } else { 0 })
    }
}

# ---- running the sections ----

function Explain($Record) {
    # An error in one line, without where in this script it was.
    $text = ("$($Record.Exception.GetBaseException().Message)" -replace '\s+', ' ').Trim()
    if ($text.Length -gt 300) { $text.Substring(0, 300) } else { $text }
}

function Invoke-Section($Name, $s) {
    # Runs in a worker. Whatever a section prints besides its dictionary is dropped.
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $data = $null
    $failure = $null
    try {
        if (-not (Get-Command -Name "Read-$Name" -CommandType Function -ErrorAction SilentlyContinue)) { throw 'this script has no such section' }
        foreach ($one in @(& "Read-$Name" $s)) { if ($one -is [Collections.IDictionary]) { $data = $one } }
        if ($null -eq $data) { throw 'the section answered nothing' }
    } catch { $failure = Explain $_ }
    [ordered]@{ ms = [int]$watch.ElapsedMilliseconds; error = $failure; data = $data }
}

function New-Worker($Definitions) {
    $runspace = [Management.Automation.Runspaces.RunspaceFactory]::CreateRunspace([Management.Automation.Runspaces.InitialSessionState]::CreateDefault2())
    $runspace.ThreadOptions = 'ReuseThread'
    $runspace.Open()
    $shell = [PowerShell]::Create()
    $shell.Runspace = $runspace
    [void]$shell.AddScript($Definitions).Invoke()
    $shell.Dispose()
    @{ Runspace = $runspace; Shell = $null; Call = $null; Name = $null; Watch = $null }
}

function Start-Section($Worker, $Name, $s) {
    $Worker.Name = $Name
    $Worker.Shell = [PowerShell]::Create()
    $Worker.Shell.Runspace = $Worker.Runspace
    [void]$Worker.Shell.AddCommand('Invoke-Section').AddArgument($Name).AddArgument($s)
    $Worker.Watch = [Diagnostics.Stopwatch]::StartNew()
    $Worker.Call = $Worker.Shell.BeginInvoke()
}

function Complete-Section($Worker) {
    # What the worker's section answered; the worker is free again.
    $answer = $null
    try { foreach ($one in $Worker.Shell.EndInvoke($Worker.Call)) { $answer = $one.PSObject.BaseObject } }
    catch { $answer = [ordered]@{ ms = [int]$Worker.Watch.ElapsedMilliseconds; error = Explain $_; data = $null } }
    $Worker.Shell.Dispose()
    $Worker.Shell = $null
    $answer
}

function Invoke-Sections($Names, $s, $Definitions) {
    # One after another, in one worker: a gateway has other work. Where a section has been at it for a second, another
    # worker goes on with the rest, and one that is silent past its time is left behind with its worker.
    $answers = @{}
    $waiting = New-Object Collections.Queue (, $Names)
    $workers = [Collections.Generic.List[object]]::new()
    $left = 0
    while ($answers.Count -lt $Names.Count) {
        foreach ($worker in $workers.ToArray()) {
            if ($worker.Shell -and $worker.Call.IsCompleted) { $answers[$worker.Name] = Complete-Section $worker }
            elseif ($worker.Shell -and $worker.Watch.Elapsed.TotalSeconds -gt $s.section_seconds) {
                $answers[$worker.Name] = [ordered]@{ ms = [int]$worker.Watch.ElapsedMilliseconds; error = "no answer after $($s.section_seconds) s"; data = $null }
                [void]$workers.Remove($worker)
                $left++
            }
        }
        foreach ($worker in @($workers.ToArray() | Where-Object { -not $_.Shell })) { if ($waiting.Count) { Start-Section $worker $waiting.Dequeue() $s } }
        $quick = @($workers.ToArray() | Where-Object { $_.Watch.Elapsed.TotalSeconds -lt 1 }).Count
        if ($waiting.Count -and $quick -lt 1) {
            $workers.Add((New-Worker $Definitions))
            Start-Section $workers[-1] $waiting.Dequeue() $s
        } else { [Threading.Thread]::Sleep(5) }
    }
    foreach ($worker in $workers) { $worker.Runspace.Close() }
    @{ Answers = $answers; Left = $left }
}

function ConvertTo-Ascii($Value) {
    # JSON in ASCII, which is the same in every code page. Not ConvertTo-Json: in 5.1 it cuts at a depth, and writes
    # nothing as {} and some arrays as {"value": [...], "Count": n}.
    if ($null -eq $Value) { return 'null' }
    if ($Value -is [PSObject]) { $Value = $Value.PSObject.BaseObject }
    if ($Value -is [bool]) { return "$Value".ToLowerInvariant() }
    if ($Value -is [Collections.IDictionary]) {
        $parts = foreach ($key in $Value.Keys) { "$(ConvertTo-Ascii "$key"):$(ConvertTo-Ascii $Value[$key])" }
        return "{$($parts -join ',')}"
    }
    if ($Value -is [Collections.IEnumerable] -and $Value -isnot [string]) {
        return "[$(@(foreach ($one in $Value) { ConvertTo-Ascii $one }) -join ',')]"
    }
    if ($Value -is [ValueType] -and "$Value" -match '^-?\d+$') { return "$Value" }
    $text = "$Value".Replace('\', '\\').Replace('"', '\"')
    '"' + [regex]::Replace($text, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char]$match.Value }) + '"'
}

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$asked = ConvertFrom-Json -InputObject $Settings
$functions = $MyInvocation.MyCommand.ScriptBlock.Ast.EndBlock.Statements | Where-Object { $_ -is [Management.Automation.Language.FunctionDefinitionAst] }
$definitions = ($functions | ForEach-Object { $_.Extent.Text }) -join "`n"
$names = @($asked.sections | Select-Object -Unique)
$done = Invoke-Sections $names $asked "$definitions`n`$ErrorActionPreference = 'Stop'; `$ProgressPreference = 'SilentlyContinue'"
$parts = foreach ($name in $names) { '"{0}":{1}' -f $name, (ConvertTo-Ascii $done.Answers[$name]) }
[Console]::Out.Write("#evidence begin`n{`"version`":1,`"sections`":{$($parts -join ',')}}`n#evidence end`n")
[Console]::Out.Flush()
# A section that hangs keeps its thread, and PowerShell would wait for it.
if ($done.Left) { [Environment]::Exit(0) }
