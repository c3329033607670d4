# Whether the vendor's endpoints answer: TCP and a TLS hello, and nothing is sent after it.

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
    ConvertTo-Text (($cause.Message -replace '\s+', ' '))
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
        $result.subject = ConvertTo-Text $certificate.Subject
        $result.issuer = ConvertTo-Text $certificate.Issuer
        $result.not_after = ConvertTo-Iso $certificate.NotAfter
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
        Invoke-Quietly { $probe.Client.Close() }
    }
    [ordered]@{ measured_at = ConvertTo-Iso (Get-Now); results = @($probes | ForEach-Object { $_.Result }) }
}
