# For engine.py: a question on each line of the standard input, and its answer, as JSON, on a line of the output.
#   script PATH   the script's syntax tree, its tokens and errors
#   type NAME     what this engine's own .NET has of a type; null where it has none
$ErrorActionPreference = 'Stop'
# As one line for each, so that a broken start is told from an answer.
try { Add-Type -TypeDefinition ([System.IO.File]::ReadAllText("$PSScriptRoot/Tree.cs")) -IgnoreWarnings -WarningAction SilentlyContinue }
catch { [Console]::Error.WriteLine("$_"); exit 1 }
while ($null -ne ($line = [Console]::In.ReadLine())) {
    $what, $name = $line.Split(' ', 2)
    if ($what -eq 'script') { $answer = [Tree51]::Script($name) }
    else {
        # Loads the assembly that it is in, where PowerShell knows it.
        $null = $name -as [type]
        $answer = [Tree51]::Surface($name)
    }
    [Console]::Out.WriteLine($answer)
    [Console]::Out.Flush()
}
