# Doors of the evidence script that open onto a machine written down as JSON (PROVISIONER_MACHINE), where there is no Windows.
# What is behind the doors is not replaced: files are real ones, CIM is the engine's own over its simulation.

function Get-Machine {
    if (-not $global:Machine) { $global:Machine = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText($env:PROVISIONER_MACHINE)) }
    $global:Machine
}

function Get-Registry {
    if (-not $global:Registry) {
        $global:Registry = @{ Values = @{}; Keys = @{} }
        foreach ($key in (Get-Machine).registry.PSObject.Properties) {
            $Registry.Values[$key.Name] = $key.Value
            $path = $key.Name.Split('\')
            for ($n = 1; $n -lt $path.Length; $n++) {
                $parent = $path[0..($n - 1)] -join '\'
                if (-not $Registry.Keys.ContainsKey($parent)) { $Registry.Keys[$parent] = @{} }
                $Registry.Keys[$parent][$path[$n]] = $true
            }
        }
    }
    $global:Registry
}

function Get-Values($Path, $Hive = 'LocalMachine') {
    $key = (Get-Registry).Values["$Hive\$Path"]
    if ($null -eq $key) { return $null }
    if ($key -eq 'denied') { throw (New-Object System.Security.SecurityException 'Requested registry access is not allowed.') }
    $values = @{}
    foreach ($value in $key.PSObject.Properties) {
        $values[$value.Name] = if ($value.Value -is [string] -and $value.Value.StartsWith('hex:')) {
            , [byte[]]@($value.Value.Substring(4).Split(',') | ForEach-Object { [Convert]::ToByte($_, 16) })
        } else { $value.Value }
    }
    $values
}

function Get-Keys($Path, $Hive = 'LocalMachine') {
    $under = (Get-Registry).Keys["$Hive\$Path".TrimEnd('\')]
    if ($under) { $under.Keys | Sort-Object }
}

function Invoke-Program($Path, $Arguments, $Seconds) {
    $said = (Get-Machine).programs.PSObject.Properties[(Get-Leaf $Path)]
    if ($null -eq $said) { throw "there is no program $Path" }
    @{ Code = $said.Value.code; Text = "$($said.Value.text)" }
}

function Get-Program($Path) { $null -ne (Get-Machine).programs.PSObject.Properties[(Get-Leaf $Path)] }

function Get-Endpoint {
    foreach ($one in @((Get-Machine).tcp)) {
        $ends = @($one.local, $one.remote | ForEach-Object { , @("$_" -replace ':\d+$', '' -replace '[\[\]]', ''; [int]("$_" -replace '^.*:', '0')) })
        @{ Local = $one.local; Port = $ends[0][1]; Remote = "$($one.remote)"; RemoteAddress = $ends[1][0]; RemotePort = $ends[1][1]; State = $one.state }
    }
}

function Get-Running($Names) {
    foreach ($one in @((Get-Machine).processes)) {
        if ($Names -and $Names -notcontains $one.name) { continue }
        @{ Id = $one.id; Name = $one.name; Session = $one.session; Path = $one.path; Started = $(if ($one.started) { [datetime]$one.started }) }
    }
}

function Get-Link($Path) { (Get-Machine).links.$Path }

function Get-LongPath($Path) {
    foreach ($short in @((Get-Machine).short.PSObject.Properties)) { $Path = $Path -ireplace [regex]::Escape($short.Name), $short.Value }
    $Path
}

function Get-ServiceState($Name) { (Get-Machine).services.$Name }

function Get-Access($Path) {
    $access = (Get-Machine).access.PSObject.Properties[$Path].Value
    if ($access -eq 'denied' -or $access.rules -eq 'denied') { throw (New-Object System.UnauthorizedAccessException 'Attempted to perform an unauthorized operation.') }
    @{ Owner = $access.owner; Rules = @($access.rules | ForEach-Object { @{ Sid = $_.sid; Rights = $_.rights; Allow = $_.allow; Here = $_.here; Below = $_.below } }) }
}

function Get-WinRm($What) {
    $said = (Get-Machine).winrm
    if (-not $said) { throw 'there is no WSMan.Automation' }
    $said.$What
}

function Get-Drive { @{ TotalFreeSpace = (Get-Machine).disk.free; TotalSize = (Get-Machine).disk.total } }

function Get-Now { ([datetimeoffset]::Parse((Get-Machine).now)).UtcDateTime }

function Get-Here($What) {
    $told = (Get-Machine).here.$What
    if ($told) { return $told }
    @{ name = 'GP-A81001-GW'; language = 'en-GB'; 'time zone' = 'GMT Standard Time' }[$What]
}
