# Where a script gives the name of an enum's value as text to a .NET constructor or static method that has overloads of
# as many arguments: which of them is meant is then a guess, and .NET Framework has some that this engine has not. Where
# this engine has a single one it is not reported, and methods of objects are not looked at. A line each. Scripts by path
# in $env:SCRIPTS, a line each.

$language = 'System.Management.Automation.Language'
$text = "$language.StringConstantExpressionAst" -as [type]

function Get-Type([string] $Name) {
    foreach ($known in $Name, "System.$Name") { if ($found = $known -as [type]) { return $found } }
}

function Write-Enums([string] $Script, $Ast, $Methods, $Given) {
    $overloads = @($Methods | Where-Object { $_.GetParameters().Count -eq $Given.Count })
    if ($overloads.Count -lt 2) { return }
    foreach ($method in $overloads) {
        $parameters = @($method.GetParameters())
        foreach ($place in 0..($Given.Count - 1)) {
            if ($Given[$place] -is $text -and $parameters[$place].ParameterType.IsEnum) {
                [Console]::Out.WriteLine("$([System.IO.Path]::GetFileName($Script)) line $($Ast.Extent.StartLineNumber): $($parameters[$place].ParameterType.FullName) as $($Given[$place].Extent.Text)")
            }
        }
    }
}

foreach ($script in $env:SCRIPTS.Split("`n")) {
    $ast = [ScriptBlock]::Create([System.IO.File]::ReadAllText($script)).Ast
    foreach ($call in $ast.FindAll({ param($one) $one -is [System.Management.Automation.Language.CommandAst] -and $one.GetCommandName() -eq 'New-Object' }, $true)) {
        $elements = @($call.CommandElements | Where-Object { $_ -isnot [System.Management.Automation.Language.CommandParameterAst] })
        $type = Get-Type "$($elements[1].Value)"
        $given = @($elements | Select-Object -Skip 2 | ForEach-Object { if ($_ -is [System.Management.Automation.Language.ArrayLiteralAst]) { $_.Elements } else { $_ } })
        if ($type -and $given) { Write-Enums $script $call $type.GetConstructors() $given }
    }
    foreach ($call in $ast.FindAll({ param($one) $one -is [System.Management.Automation.Language.InvokeMemberExpressionAst] -and $one.Static }, $true)) {
        $type = Get-Type "$($call.Expression.TypeName.FullName)"
        $given = @($call.Arguments)
        if ($type -and $call.Arguments) {
            $methods = if ($call.Member.Value -eq 'new') { $type.GetConstructors() } else { $type.GetMethods() | Where-Object { $_.Name -eq $call.Member.Value } }
            Write-Enums $script $call $methods $given
        }
    }
}
