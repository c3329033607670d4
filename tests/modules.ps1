# Runs Ansible modules one after the other in one engine, as Ansible's own tests of Ansible.Basic do: its C# is real, what
# is replaced is only how a module's answer is printed and how it ends. Says each one's number when it has answered.
param([string] $Ansible, [string] $AddType, [string] $Folder)

Import-Module "$AddType/Ansible.ModuleUtils.AddType.psm1"
Import-Module "$Ansible/../ansible_collections/ansible/windows/plugins/module_utils/WebRequest.psm1"
Import-Module "$PSScriptRoot/../plugins/module_utils/Ansible.ModuleUtils.PackageSource.psm1" -DisableNameChecking
Add-CSharpType -References @(
    [System.IO.File]::ReadAllText("$Ansible/module_utils/csharp/Ansible.Basic.cs")
    [System.IO.File]::ReadAllText("$Ansible/module_utils/csharp/Ansible.Privilege.cs")
)
[Ansible.Basic.AnsibleModule]::WriteLine = { param([string] $Line) $global:answer = $Line }
[Ansible.Basic.AnsibleModule]::Exit = { param([int] $Code) throw "ended with $Code" }

$number = 0
$answers = @(while ([System.IO.File]::Exists("$Folder/$number.ps1")) {
        $global:answer = 'null'
        $global:complex_args = @{}
        $given = ConvertFrom-Json ([System.IO.File]::ReadAllText("$Folder/$number.json"))
        foreach ($one in $given.PSObject.Properties) { $global:complex_args[$one.Name] = $one.Value }
        try { $null = & ([ScriptBlock]::Create([System.IO.File]::ReadAllText("$Folder/$number.ps1"))) }
        catch { if ("$_" -notmatch 'ended with \d') { throw } }
        $global:answer
        [System.Console]::WriteLine($number)
        $number++
    })
[System.IO.File]::WriteAllText("$Folder/answers.json", "[$($answers -join ',')]")
