"""ansible.windows.win_environment."""

from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec

SPEC: Spec = {
    "name": Option(),
    "level": Option(choices=("machine", "process", "user"), required=True),
    "state": Option(choices=("absent", "present")),
    "value": Option(),
    "variables": Option(kind="dict"),
}


def win_environment(call: Call) -> dict[str, Any]:
    """Set or remove environment variables."""
    args, level = call.args, call.args["level"]
    if args["variables"] is not None:
        for other in ("name", "value", "state"):
            if args[other] is not None:
                raise Failed(f"parameters are mutually exclusive: variables, {other}")
    elif args["name"] is None:
        raise Failed("one of the following is required: name, variables")
    wanted = args["variables"] if args["variables"] is not None else {args["name"]: args["value"]}
    before: dict[str, Any] = {level: {}}
    after: dict[str, Any] = {level: {}}
    answer: dict[str, Any] = {"changed": False, "values": {}, "env_values": {}}
    for name, value in wanted.items():
        status = _one(call, name, None if args["state"] == "absent" else value)
        answer["values"][name] = answer["env_values"][name] = status
        answer["changed"] |= status["changed"]
        answer["before_value"], answer["value"] = status["before"], status["after"]
        if status["before"]:
            before[level][name] = status["before"]
        if status["after"]:
            after[level][name] = status["after"]
    return {**answer, "diff": {"before": before, "after": after}} if call.diff else answer


def _one(call: Call, name: str, value: str | None) -> dict[str, Any]:
    state, level = call.args["state"], call.args["level"]
    if state == "present" and not value:
        raise Failed(
            "When state=present, value must be defined and not an empty string, "
            "if you wish to remove the envvar, set state=absent",
            values={},
            env_values={},
        )
    # What a process sets for itself is gone with it.
    variables = call.machine.environment.get(level, {})
    known = next((variable for variable in variables if variable.lower() == name.lower()), name)
    old = variables.get(known)
    present = bool(value)
    # PowerShell's -ne takes no account of case.
    changed = (old is None or old.lower() != str(value).lower()) if present else old is not None
    if changed and not call.check and level != "process":
        if present:
            variables[known] = str(value)
        else:
            del variables[known]
        call.machine.happened("environment_changed", level=level, variable=known)
    return {"changed": changed, "before": old, "after": value or ""}
