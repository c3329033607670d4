# Runs the sections and prints the answer.

function Invoke-Section($Name, $s) {
    # Runs in a worker. Whatever a section prints besides its dictionary is dropped.
    $watch = [Diagnostics.Stopwatch]::StartNew()
    $data = $null
    $failure = $null
    try {
        if (-not (Get-Command -Name "Read-$Name" -CommandType Function -ErrorAction SilentlyContinue)) { throw 'this script has no such section' }
        foreach ($one in @(& "Read-$Name" $s)) { if ($one -is [Collections.IDictionary]) { $data = $one } }
        if ($null -eq $data) { throw 'the section answered nothing' }
    } catch { $failure = Get-ErrorText $_ }
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
    catch { $answer = [ordered]@{ ms = [int]$Worker.Watch.ElapsedMilliseconds; error = Get-ErrorText $_; data = $null } }
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
