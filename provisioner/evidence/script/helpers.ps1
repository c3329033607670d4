# Small words of every section: what is read, as the document has it.

function Invoke-Quietly([scriptblock]$What) { try { & $What } catch { $null } }

function Get-Value($Path, $Name, $Hive = 'LocalMachine') {
    $values = Get-Values $Path $Hive
    if ($null -ne $values) { $values[$Name] }
}

function ConvertTo-Text($Value) {
    # Text for the document: null stays null, blanks are null, nothing is longer than 500 characters.
    if ($null -eq $Value) { return $null }
    $text = "$Value".Trim()
    if ($text -eq '') { return $null }
    if ($text.Length -gt 500) { return $text.Substring(0, 500) }
    $text
}

function ConvertTo-Iso($Time) {
    if ($null -ne $Time) { ([datetime]$Time).ToUniversalTime().ToString('yyyy-MM-ddTHH:mm:ssZ', [Globalization.CultureInfo]::InvariantCulture) }
}

function ConvertTo-Number($Value) { if ($null -ne $Value -and "$Value" -match '^-?\d{1,18}$') { [long]$Value } }

function ConvertTo-Flag($Value) {
    # What is no number says nothing, and costs nothing but itself.
    if ($Value -is [bool]) { return $Value }
    $number = ConvertTo-Number $Value
    if ($null -ne $number) { $number -ne 0 }
}

function Select-First($Values) { foreach ($value in $Values) { if ($null -ne $value) { return $value } } }

function Test-Under($Path, $Folder) {
    $Path -and $Folder -and $Path.StartsWith($Folder.TrimEnd('\') + '\', [StringComparison]::OrdinalIgnoreCase)
}

function Test-Same($One, $Other) { [string]::Equals($One, $Other, [StringComparison]::OrdinalIgnoreCase) }

function Get-Leaf($Path) { "$Path".Split('\')[-1] }

function Get-ErrorText($Record) {
    # An error in one line, without where in this script it was.
    $text = ("$($Record.Exception.GetBaseException().Message)" -replace '\s+', ' ').Trim()
    if ($text.Length -gt 300) { $text.Substring(0, 300) } else { $text }
}

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
