"""What Windows writes into its logs when we work on a gateway, and which published rules look for it: what a security
team has to know before a run. Pure.

Nothing here was seen on a Windows of ours yet (docs/windows.md). Each line names where it is from: Microsoft's
documentation, or the text of the rule itself.
"""

from typing import Final

from provisioner.remedies.remedy import Alarm

_EVENTS = (
    "https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-10/security/threat-protection/auditing/"
)
_SIGMA = "https://github.com/SigmaHQ/sigma/blob/master/rules/windows/"
_ELASTIC = "https://www.elastic.co/guide/en/security/current/"
_FIREWALL = "https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2008-r2-and-2008/dd364427(v=ws.10)"
_DEFENDER = "https://learn.microsoft.com/en-us/defender-endpoint/troubleshoot-microsoft-defender-antivirus"
_SERVICES = "https://artefacts.help/windows_etw_services.html"
_REMOTING = "https://artefacts.help/windows_etw_powershell_remoting_dst_host.html"

_FIREWALL_LOG = "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"
_DEFENDER_LOG = "Microsoft-Windows-Windows Defender/Operational"

# Whatever is done, by reading too: a log-in over WinRM, a shell, PowerShell in it.
OF_ANY: Final = (
    Alarm(
        log="Security",
        event="4624",
        says="A log-on of type 3 (network) by the account above, from the source above.",
        source=f"{_EVENTS}event-4624",
    ),
    Alarm(
        log="Security",
        event="4688",
        says="Where the starting of processes is audited: winrshost.exe starts cmd.exe and powershell.exe.",
        rule="Elastic: Incoming Execution via WinRM Remote Shell; Splunk: Windows Remote Management Execute Shell",
        source=f"{_ELASTIC}incoming-execution-via-winrm-remote-shell.html",
    ),
    Alarm(
        log="Microsoft-Windows-WinRM/Operational",
        event="91",
        says="A WSMan shell is made.",
        source=_REMOTING,
    ),
    Alarm(
        log="Windows PowerShell",
        event="400, 403, 600",
        says="PowerShell begins and ends. Where script blocks are logged, 4104 holds what ran.",
        source=_REMOTING,
    ),
)
# Whatever is changed.
OF_CHANGE: Final = (
    Alarm(
        log="Security",
        event="4688",
        says="Where command lines are audited: powershell.exe with -EncodedCommand, by which Ansible begins each task.",
        rule="any rule for encoded PowerShell commands",
        source="https://github.com/ansible/ansible/blob/devel/lib/ansible/plugins/shell/powershell.py",
    ),
)
FIREWALL: Final = (
    Alarm(
        log=_FIREWALL_LOG,
        event="2004, 2005, 2006",
        says="A rule is added, changed or deleted; newer Windows 11 writes 2097 or 2071 for an added one.",
        rule="Sigma: New Firewall Rule Added In Windows Firewall Exception List",
        source=f"{_FIREWALL} {_SIGMA}builtin/firewall_as/win_firewall_as_add_rule.yml",
    ),
)
ANTIVIRUS: Final = (
    Alarm(
        log=_DEFENDER_LOG,
        event="5007",
        says="Defender's configuration has changed: a value below Windows Defender\\Exclusions.",
        rule="Sigma: Windows Defender Exclusions Added (two rules, by the event and by the registry)",
        source=f"{_DEFENDER} {_SIGMA}builtin/windefend/win_defender_config_change_exclusion_added.yml",
    ),
    Alarm(
        log=_DEFENDER_LOG,
        event="5013",
        says="Only where tamper protection is on: the change was blocked. The step then does not count as done.",
        source=_DEFENDER,
    ),
)
SERVICE: Final = (
    Alarm(
        log="System",
        event="7045",
        says="A service is installed. Where that is audited, Security 4697 says the same.",
        rule="any rule for new services",
        source=_SERVICES,
    ),
    Alarm(log="System", event="7036, 7040", says="A service starts, stops, or starts otherwise.", source=_SERVICES),
)
STARTED: Final = SERVICE[1:]
PACKAGE: Final = (
    Alarm(
        log="Application",
        event="11707, 11708",
        says="Only where the package is an msi: it was installed, or could not be.",
        source="https://www.powershellgallery.com/packages/SecurityFever/3.0.0/Content/Configurations%5CSystemAudit.EventLog.json",
    ),
    *STARTED,
)
NONE_KNOWN: Final[tuple[Alarm, ...]] = ()
