"""Our power_setting: when the PC sleeps and hibernates, on mains power."""

from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec

SPEC: Spec = {
    "sleep_seconds": Option(kind="int", required=True),
    "hibernate_seconds": Option(kind="int", required=True),
}


def power_setting(call: Call) -> dict[str, Any]:
    """Set the active plan's times; 0 is never."""
    power = call.machine.power
    before = {name: getattr(power, name) for name in SPEC}
    after = {name: call.args[name] for name in SPEC}
    answer: dict[str, Any] = {"changed": after != before, "before": {"plan": power.plan, **before}}
    for name in SPEC:
        policy = getattr(power, f"policy_{name}")
        if policy is not None and policy != after[name]:
            raise Failed(
                f"a group policy sets {name} to {policy}, which beats this PC's own plan: ask the desktop team",
                **{**answer, "changed": False},
                cause="managed_policy",
            )
    if call.diff:
        answer["diff"] = {"before": _words(before), "after": _words(after)}
    if answer["changed"] and not call.check:
        vars(power).update(after)
        call.machine.happened("power_changed", **after)
    return answer


def _words(times: dict[str, int]) -> str:
    return "".join(f"{name} {seconds}\n" for name, seconds in times.items())
