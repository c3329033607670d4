# The Connector: its folder and package, what may write there, and what runs of it.

function Get-Unpacked($Folder) {
    # What we unpacked there, by our manifest, and whether each of its files is there with its size.
    $manifest = Read-Json "$Folder\.provisioner-package.json"
    if ($null -eq $manifest) { return @{} }
    $intact = $true
    foreach ($file in @($manifest.files)) {
        $path = "$Folder\$("$($file.path)".Replace('/', '\'))"
        if (-not [IO.File]::Exists($path) -or (New-Object IO.FileInfo $path).Length -ne $file.size) { $intact = $false; break }
    }
    @{ Sha256 = ConvertTo-Text $manifest.sha256; Version = ConvertTo-Text $manifest.version; Intact = $intact }
}

function Get-Hash($Path) {
    if (-not [IO.File]::Exists($Path)) { return $null }
    $sha256 = New-Object Security.Cryptography.SHA256CryptoServiceProvider
    $stream = New-Object IO.FileStream $Path, ([IO.FileMode]'Open'), ([IO.FileAccess]'Read'), ([IO.FileShare]'ReadWrite, Delete')
    try { ([BitConverter]::ToString($sha256.ComputeHash($stream)) -replace '-', '').ToLowerInvariant() }
    finally { $stream.Close() }
}

function Get-Made($Notes, $Path) {
    # What we noted of a file when we made it.
    foreach ($note in $Notes) {
        if ("$($note.path)" -eq $Path) { return [ordered]@{ sha256 = ConvertTo-Text $note.sha256; made_from = ConvertTo-Text $note.made_from } }
    }
    $null
}

function Get-ConnectorProcesses($s) {
    # What may be the Connector: programs below its folder, those that hold a connection to an endpoint, those that name
    # the folder in their command line, what its service started, and a Java of which nothing is told.
    $java = @('java', 'javaw', ((Get-Leaf $s.image) -replace '\.exe$', ''), $s.service | Where-Object { $_ })
    $shells = 'cmd', 'powershell', 'pwsh', 'wscript', 'cscript'
    $connections = Invoke-Quietly { , @(Get-Connections) }
    # A Java may write an address of IPv4 as one of IPv6.
    $ours = @($connections | Where-Object { $_ -and $_.RemotePort -eq (Get-Port) -and $s.endpoints -contains ($_.RemoteAddress -replace '^::ffff:') })
    $ends = @($connections | Where-Object { $_ -and $_.State -eq 'Established' })
    $vendor = @($ours | Where-Object { $_.State -eq 'Established' })
    # Those that are being opened or closed; whose end is over (TimeWait) is nobody's.
    $calling = @($ours | Where-Object { $_.State -notin 'Established', 'TimeWait' -and $_.Owner })
    $owned = @($ends | Where-Object { $null -ne $_.Owner }).Count -gt 0
    $listeners = @($connections | Where-Object { $_ -and $_.State -eq 'Listen' -and $_.Port -eq $s.systmone.port } | ForEach-Object { $_.Owner })
    $read = Get-Processes
    $all = $read.All
    foreach ($end in $vendor + $calling) { if ($null -ne $end.Owner -and -not $all.ContainsKey($end.Owner)) { $all[$end.Owner] = @{ Id = $end.Owner } } }
    $hostid = Invoke-Quietly { if ($s.service) { [int](Get-Instance Win32_Service ProcessId "Name = '$($s.service.Replace("'", "\'"))'").ProcessId } }
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
        $one.Place = if ($one.Path -match '~\d[^\\]*$') { Resolve-Place $one.Path } else { "$($places[$in])\$(Get-Leaf ($one.Path -replace '/', '\'))" }
        $one.In = Test-Under $one.Place $folder
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
        $calls = @($calling | Where-Object { $_.Owner -eq $id }).Count
        $talks = @($ends | Where-Object { $_.Owner -eq $id -and $_.RemotePort -eq $s.systmone.port }).Count
        $client = $listeners -contains $id -or (Test-Under $one.Path $s.systmone.folder)
        $dark = $isjava -and -not $one.In -and (-not $one.Path -or -not $one.Line -or $talks) -and -not $client
        if (-not ($one.In -or $one.Names -or $own -or $calls -or $dark -or ($hostid -and $lineage -contains $hostid))) { continue }
        [ordered]@{
            pid = $id
            name = ConvertTo-Text $one.Name
            image = ConvertTo-Text (Get-Place (Select-First $one.Place, $one.Path) $s)
            session = ConvertTo-Number $one.Session
            started = ConvertTo-Iso $one.Started
            in_folder = $(if ($one.Path) { [bool]$one.In })
            names_folder = $one.Names
            ancestors = $lineage
            endpoint_connections = $(if ($owned) { $own })
            endpoint_attempts = $(if ($owned -or $calls) { $calls })
            systmone_connections = $(if ($owned) { $talks })
        }
    })
    @{ Processes = $processes; Lines = $read.Told; Unowned = $(if ($null -ne $connections) { @($vendor | Where-Object { $null -eq $_.Owner }).Count }) }
}

function Get-Installed {
    # What Windows lists as installed: product id, name, version.
    foreach ($root in 'SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall', 'SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall') {
        foreach ($id in @(Get-Keys $root)) {
            $values = Invoke-Quietly { Get-Values "$root\$id" }
            @{ Id = $id; Name = ConvertTo-Text $values.DisplayName; Version = ConvertTo-Text $values.DisplayVersion }
        }
    }
}

function Read-Connector($s) {
    $known = 'accuRx', 'MJog', 'Hero', 'Sidekick', 'Informatica', 'ISHealth', 'Engage', 'Anima', 'Ardens', 'Klinik', 'Docman', 'Jayex'
    $present = [IO.Directory]::Exists($s.folder)
    $package = if ($present) { Get-Unpacked $s.folder } else { @{} }
    $installed = Invoke-Quietly { , @(Get-Installed) }
    $asked = @($installed | Where-Object { @($s.product_ids) -contains $_.Id })
    $others = @($known | Where-Object { $word = $_; @($installed | Where-Object { $_.Name -match "\b$word\b" }).Count -gt 0 })
    $running = Get-ConnectorProcesses $s
    $notes = @(Invoke-Quietly { (Read-Json "$(Get-DataFolder)\made.json").files })
    $places = @($s.folder, $s.java_home, $s.image | Where-Object { [IO.Directory]::Exists($_) -or [IO.File]::Exists($_) })
    [ordered]@{
        folder = $s.folder
        present = $present
        image = $s.image
        image_present = [IO.File]::Exists($s.image)
        version = Select-First (@($package.Version) + @($asked | ForEach-Object { $_.Version }))
        package_sha256 = $package.Sha256
        package_intact = $package.Intact
        owner = $(if ($present) { Invoke-Quietly { (Get-Access $s.folder).Owner } })
        writers = $(if ($present) { Invoke-Quietly { , (Get-Writers $places $s) } })
        files = @(foreach ($path in @($s.files)) { [ordered]@{ path = $path; sha256 = Get-Hash $path; made = Get-Made $notes $path } })
        processes = $running.Processes
        command_lines = $running.Lines
        unowned_connections = $running.Unowned
        installed = $(if ($null -ne $installed) { , @($asked | ForEach-Object { [ordered]@{ product_id = $_.Id; name = $_.Name; version = $_.Version } }) })
        other_products = $(if ($null -ne $installed) { , $others })
    }
}
