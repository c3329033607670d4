"""What a change request says of each remedy: what is done, what could go wrong, and the way back."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Risk:
    """One remedy in words, for people who approve changes."""

    does: str
    wrong: str
    back: str


_RISKS = {
    "connector": Risk(
        "Puts the Connector's files into its folder and lets only administrators and SYSTEM write there.",
        "A running Connector is stopped while its files are replaced, and started again. SystmOne is not touched.",
        "Edited files are kept on the gateway and can be put back; the package before is installed again.",
    ),
    "java": Risk(
        "Puts the Java runtime under the Connector's folder. No other Java on the PC is touched.",
        "A running Connector is stopped while its runtime is replaced, and started again.",
        "Edited files are kept on the gateway and can be put back; the package before is installed again.",
    ),
    "service": Risk(
        "Makes the Windows service that runs the Connector: how it starts, as whom, and that it recovers.",
        "A wrong account or path: the service does not start, and the step fails.",
        "The service is set as it was before, or removed where there was none.",
    ),
    "start": Risk(
        "Starts the Connector. The first start at a practice ends waiting until somebody there presses Approve.",
        "Two Connectors in one practice: nothing is started without a named person's word that no other runs.",
        "The service is stopped and disabled.",
    ),
    "firewall": Risk(
        "Adds one outbound rule: the Connector's Java, to the vendor's four addresses, TCP 443.",
        "None known: it allows, and blocks nothing.",
        "The rule is removed, or set as it was before.",
    ),
    "antivirus": Risk(
        "Asks Microsoft Defender to leave the Connector's Java alone.",
        "What is excluded is not scanned. Only administrators can write there.",
        "The exclusion is removed.",
    ),
    "remove service": Risk(
        "Stops the Connector and removes the Windows service that runs it.",
        "What needs the Connector at this practice stops. Without a named person's word no practice's last one goes.",
        "With the role active again a plan makes it anew; SystmOne may ask for Approve once more.",
    ),
    "remove firewall": Risk(
        "Removes the Connector's one outbound rule.",
        "None known: what it was for is gone.",
        "With the role active again a plan adds it.",
    ),
    "remove antivirus": Risk(
        "Takes the Connector's exclusions out of Microsoft Defender.",
        "None known: Defender scans more.",
        "With the role active again a plan makes them anew.",
    ),
    "remove connector": Risk(
        "Uninstalls the Connector and removes its whole folder.",
        "What the Connector itself wrote there is lost. Files made for the practice are kept on the PC.",
        "With the role active again a plan installs it; the kept files can be put back.",
    ),
    "remove java": Risk(
        "Removes the Java runtime that came with the Connector. No other Java on the PC is touched.",
        "Another program that uses the same runtime ends.",
        "With the role active again a plan installs it.",
    ),
    "power": Risk(
        "Sets sleep and hibernation to never, on mains power.",
        "The PC uses a little more power.",
        "The times that were set before are set again.",
    ),
}


def risk(remedy: str) -> Risk:
    """The words for a remedy, as words.change calls it; for one that has none, that it must be looked at."""
    return _RISKS.get(
        remedy, Risk("As the steps below say.", "To be judged from the steps below.", "As the steps say.")
    )
