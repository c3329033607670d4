"""All of our PowerShell, parsed by a real engine."""

import os
import subprocess

import pytest

from tests.fixtures.evidence import SCRIPTS

# As Get-Verb of Windows PowerShell 5.1 lists them.
# https://learn.microsoft.com/powershell/scripting/developer/cmdlet/approved-verbs-for-windows-powershell-commands
VERBS = """
    Add Clear Close Copy Enter Exit Find Format Get Hide Join Lock Move New Open Optimize Pop Push Redo Remove Rename
    Reset Resize Search Select Set Show Skip Split Step Switch Undo Unlock Watch
    Backup Checkpoint Compare Compress Convert ConvertFrom ConvertTo Dismount Edit Expand Export Group Import Initialize
    Limit Merge Mount Out Publish Restore Save Sync Unpublish Update
    Approve Assert Complete Confirm Deny Disable Enable Install Invoke Register Request Restart Resume Start Stop Submit
    Suspend Uninstall Unregister Wait
    Debug Measure Ping Repair Resolve Test Trace
    Connect Disconnect Read Receive Send Write
    Block Grant Protect Revoke Unblock Unprotect
    Use
"""
# Of Windows PowerShell 5.1, by names that would do for functions of ours too: ours would stand in their place.
CMDLETS = {"Get-Certificate", "Get-Package", "Find-Package", "Install-Package", "Save-Package"}

FUNCTIONS = """
$kind = [System.Management.Automation.Language.FunctionDefinitionAst]
foreach ($script in $env:SCRIPTS.Split("`n")) {
    $ast = [ScriptBlock]::Create([System.IO.File]::ReadAllText($script)).Ast
    foreach ($one in $ast.FindAll({ param($node) $node -is $kind }, $true)) { [Console]::Out.WriteLine($one.Name) }
}"""


@pytest.mark.engine
def test_every_function_is_a_verb_that_readers_of_powershell_know_and_a_noun(pwsh: str) -> None:
    asked = {**os.environ, "SCRIPTS": "\n".join(map(str, SCRIPTS))}
    ran = subprocess.run([pwsh, "-Command", FUNCTIONS], capture_output=True, text=True, check=True, env=asked)
    functions = ran.stdout.split()
    assert len(functions) > 200
    approved = VERBS.split()
    assert [name for name in functions if name.partition("-")[0] not in approved or not name.partition("-")[2]] == []
    assert CMDLETS.isdisjoint(functions)
