# Doors: everything that is outside this script is reached through one of these. Tests open them onto machines that are
# written down.

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
    Invoke-Quietly { $process.Kill() }
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
            Path = $(if ($Names) { Invoke-Quietly { $process.MainModule.FileName } })
            Started = $(if ($Names) { Invoke-Quietly { $process.StartTime } }) }
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
    Invoke-Quietly { "$((Get-Service -Name ([WildcardPattern]::Escape($Name)) -ErrorAction Stop).Status)" }
}

function Get-Access($Path) {
    # Owner and rights of a file or folder, in the order of its list: SIDs, rights as a number (an entry that is handed
    # down has generic bits, which FileSystemRights has no names for), whether for this object, whether for those below.
    # What is denied on a condition is not denied; what is allowed on one is allowed.
    $kind = if ([IO.Directory]::Exists($Path)) { 'DirectorySecurity' } else { 'FileSecurity' }
    $sections = [Security.AccessControl.AccessControlSections]'Owner, Access'
    $access = New-Object "Security.AccessControl.$kind" $Path, $sections
    $sid = [Security.Principal.SecurityIdentifier]
    $list = (New-Object Security.AccessControl.RawSecurityDescriptor $access.GetSecurityDescriptorBinaryForm(), 0).DiscretionaryAcl
    $rules = @(foreach ($entry in $list) {
        $allow = "$($entry.AceQualifier)" -eq 'AccessAllowed'
        if (-not $allow -and $entry.IsCallback) { continue }
        @{ Sid = "$($entry.SecurityIdentifier)"; Rights = $entry.AccessMask; Allow = $allow
            Here = -not ([int]$entry.PropagationFlags -band 2); Below = [int]$entry.InheritanceFlags -ne 0 }
    })
    # No list at all keeps nobody off.
    if ($null -eq $list) { $rules = @(@{ Sid = 'S-1-1-0'; Rights = -1; Allow = $true; Here = $true; Below = $true }) }
    @{ Owner = "$($access.GetOwner($sid))"; Rules = $rules }
}

function Get-WinRm($What) {
    # WinRM's own answer, as XML texts: it holds defaults and policy, which the registry does not.
    $session = [Activator]::CreateInstance([Type]::GetTypeFromProgID('WSMan.Automation', $true)).CreateSession()
    if ($What -eq 'config') { return $session.Get('winrm/config') }
    $all = $session.Enumerate('winrm/config/listener')
    while (-not $all.AtEndOfStream) { $all.ReadItem() }
}

function Get-DataFolder { "$env:ProgramData\provisioner" }

function Get-Port { 443 }

function Get-Now { [datetime]::UtcNow }

function Get-Drive { New-Object IO.DriveInfo 'C:\' }
