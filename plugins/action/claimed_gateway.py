"""The work of the role `marker`."""

from __future__ import annotations

from provisioner.ansible.work import Values, Work


class ActionModule(Work):
    """The action `claimed_gateway`: nothing but what is around all work: to claim the gateway, and to release it."""

    def act(self, given: Values) -> Values:
        """Nothing is changed, so nothing was there before."""
        return {}
