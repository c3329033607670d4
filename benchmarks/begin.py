"""All that `apply` does before it asks the first gateway, and then an end: `python -m benchmarks.begin FOLDER`.

Its own command cannot be measured there: what refuses it does so before the journal is looked at, or after a reading.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from provisioner.cli import collect_less, loading

# As the command loads a verb.
with loading():
    from provisioner import fleet
    from provisioner.audit.shipped import open_policy
    from provisioner.execute import admission
    from provisioner.journal import Journal, standing
    from provisioner.model import Plan


def main(folder: Path) -> None:
    """Begin, by the newest plan."""
    collect_less()
    policy = open_policy()
    found = fleet.load(folder)
    with Journal.of(found) as journal:
        plan = journal.load(next(journal.newest("plan")))
        assert isinstance(plan, Plan)
        admission.trusted(journal, datetime.now(UTC))
        admission.at_home(journal)
        admission.refuse(plan, found, policy.digest, begun=standing.was_begun(journal, plan.id))
        journal.unended()
        journal.progress(plan.id)
        standing.stands(journal, plan.id)
        standing.confirmed(journal, plan.id)
        journal.durations()
        journal.names()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
