"""Whether a step would still do what was planned, and approved, by what the fleet folder says by now.

A step acts by its plan, and is proved by the fleet: where the two differ it would change a gateway and then fail.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from provisioner import files, remedies
from provisioner.execute.run import Run
from provisioner.fleet import templates
from provisioner.model import Fleet, Gateway, Step

# What of a package or a made file tells only where it comes from: its hash says which it is.
_WHENCE = frozenset({"source", "location", "name", "size", "template", "variables"})


def why_not(run: Run, step: Step) -> str:
    """Why a step would do something else than was planned, or what no reading could prove; "" where it would not."""
    if step.restores:
        return ""
    row = run.row(step.gateway)
    # What a migration does it has set by the roles that the two are to have, and goes through with it.
    of_rollout = run.plan.kind == "rollout" and step.remedy in remedies.known()
    if of_rollout and (why := _lost(run, row, step)):
        return why
    return _made_of_another(run.fleet, row, step) or (_otherwise(run.fleet, row, step) if of_rollout else "")


def _lost(run: Run, row: Gateway, step: Step) -> str:
    """What fleet.yml has lost of what the step needs."""
    known, steps = remedies.known(), run.steps_of[step.gateway]
    # What is taken away last is that on which the others stand: it stays with them.
    looked = steps[: steps.index(step) + 1] if step.removes else [step]
    needs = ((known[one.remedy], control) for one in looked if one.remedy in known for control in one.because)
    lacks = next(filter(None, (remedy.lacks(run.fleet.settings, row, control) for remedy, control in needs)), "")
    return f"fleet.yml does not give {lacks} any more; plan again" if lacks else ""


def _otherwise(fleet: Fleet, row: Gateway, step: Step) -> str:
    """What would be planned otherwise now."""
    planned = _known(step.values)
    # Which program runs there was read when it was planned, and is among its values.
    programs = ("", *_texts(planned)) if remedies.known()[step.remedy].told_of_program else ("",)
    every = [_known(remedies.values(fleet, row, step.remedy, program)[1]) for program in dict.fromkeys(programs)]
    # A plan of an earlier release does not know all.
    differ = [[name for name in planned if name in now and planned[name] != now[name]] for now in every]
    least = min(differ, key=len)
    return f"{' and '.join(least)} would be planned otherwise by the fleet of now; plan again" if least else ""


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    """A step's values as the journal keeps them, without what tells only where something comes from."""
    return {name: _bare(each) for name, each in json.loads(json.dumps(values)).items()}


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(each) for name, each in value.items() if name not in _WHENCE}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list):
        for each in values.values() if isinstance(values, dict) else values:
            yield from _texts(each)


def _made_of_another(fleet: Fleet, row: Gateway, step: Step) -> str:
    """Which of the step's files are not the planned ones any more: each is made when the role acts, of its template
    then."""
    planned = {file["path"]: file.get("made_from") for file in step.values.get("connector_files") or ()}
    if step.removes or not planned:
        return ""
    settings = fleet.settings.connector
    same = [file for file in settings.files if _as_read(fleet, file.template)]
    now = {settings.at(file.path): templates.made_from(fleet.templates, file, row) for file in same}
    others = [path for path, made in planned.items() if made and now.get(path) != made]
    if not others:
        return ""
    return (
        f"{' and '.join(others)} would be made from another template or row than was planned: put back what was "
        "changed in the fleet folder since, or plan again"
    )


def _as_read(fleet: Fleet, template: str) -> bool:
    """Whether a template is still what it was when the fleet was read: a run may take hours, and the note that is left
    beside the file says what was planned."""
    known = fleet.templates.get(template)
    try:
        content = files.read(Path(fleet.folder, template), files.SETTINGS)
    except OSError:
        return False
    return known is not None and known.sha256 == hashlib.sha256(content).hexdigest()
