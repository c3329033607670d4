"""ansible.windows.win_ping."""

from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec

SPEC: Spec = {"data": Option(default="pong")}


def win_ping(call: Call) -> dict[str, Any]:
    """Say what it was given."""
    if call.args["data"] == "crash":
        raise Failed("Unhandled exception while executing module: boom")
    return {"changed": False, "ping": call.args["data"]}
