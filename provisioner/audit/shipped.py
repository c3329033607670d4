"""The policy that ships with provisioner."""

from provisioner import resources
from provisioner.audit import facts, policy


def open_policy() -> policy.Policy:
    """The policy that ships with provisioner. Whoever only tells of audits needs nothing of what reads gateways."""
    return policy.load(resources.root() / "policy", facts.NAMES)
