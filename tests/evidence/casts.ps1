# Where a script casts something that is no text to an enum: a number of which the enum has no name for a bit is refused,
# and such numbers are what Windows keeps (generic rights, for one). A line each. Scripts by path in $env:SCRIPTS.

function Get-Enum([string] $Name) {
    foreach ($known in $Name, "System.$Name") { if (($found = $known -as [type]) -and $found.IsEnum) { return $found } }
}

foreach ($script in $env:SCRIPTS.Split("`n")) {
    $ast = [ScriptBlock]::Create([System.IO.File]::ReadAllText($script)).Ast
    $casts = @($ast.FindAll({ param($one) $one -is [System.Management.Automation.Language.ConvertExpressionAst] }, $true) |
            ForEach-Object { @{ Name = $_.Type.TypeName.FullName; Child = $_.Child; Whole = $_ } })
    $casts += @($ast.FindAll({ param($one) $one -is [System.Management.Automation.Language.BinaryExpressionAst] -and $one.Operator -eq 'As' }, $true) |
            ForEach-Object { @{ Name = "$($_.Right.TypeName.FullName)"; Child = $_.Left; Whole = $_ } })
    foreach ($cast in $casts) {
        if ((Get-Enum $cast.Name) -and $cast.Child -isnot [System.Management.Automation.Language.StringConstantExpressionAst]) {
            [Console]::Out.WriteLine("$([System.IO.Path]::GetFileName($script)) line $($cast.Whole.Extent.StartLineNumber): $($cast.Whole.Extent.Text)")
        }
    }
}
