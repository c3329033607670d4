"""Two audits held against each other: what became ready, what broke, what is new, and why. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioner.audit.causes import is_open
from provisioner.audit.evaluate import readiness
from provisioner.model import Audit, Control, Gateway, Role, Status

# Why a gateway is not ready, in the words that are the same at every gateway: the control and the sentence.
_Key = tuple[str, Status, str]


@dataclass(frozen=True, kw_only=True)
class Turned:
    """What is behind findings of one control, and at which gateways it has come, gone, or stayed."""

    control: str
    status: Status
    text: str
    owner: str
    remedy: str
    came: tuple[str, ...]
    gone: tuple[str, ...]
    stayed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs from the older to the newer audit.

    Of the gateways that both asked: `better` were not ready and are, `worse` were ready and are not; `lost` could be
    read and cannot, `back` the other way round, and of neither is it known what else changed; `roles` have another one.
    `added` and `removed` are in the fleet of one audit only; `unasked` in both fleets, and one audit left them out.
    """

    old: Audit
    new: Audit
    better: tuple[Gateway, ...]
    worse: tuple[Gateway, ...]
    lost: tuple[Gateway, ...]
    back: tuple[Gateway, ...]
    roles: tuple[Gateway, ...]
    added: tuple[Gateway, ...]
    removed: tuple[Gateway, ...]
    unasked: tuple[str, ...]
    turned: tuple[Turned, ...]
    remarks: tuple[str, ...]


def compare(old: Audit, new: Audit) -> Comparison:
    """The older one against the newer one; in whichever order they are given."""
    if old.at > new.at:
        old, new = new, old
    before, after = ({row.name: row for row in one.gateways if row.known} for one in (old, new))
    both = [name for name in after if name in before]
    was, is_ = readiness(old), readiness(new)
    could, can = _read(old), _read(new)
    judged = [name for name in both if name in could and name in can]

    def rows(names: Iterable[str], of: Mapping[str, Gateway] = after) -> tuple[Gateway, ...]:
        return tuple(of[name] for name in names)

    missing = [name for name in before if name not in after]
    extra = [name for name in after if name not in before]
    left = {**(old.left_out or {}), **(new.left_out or {})}
    return Comparison(
        old=old,
        new=new,
        better=rows(name for name in judged if is_.get(name) and not was.get(name)),
        worse=rows(name for name in judged if was.get(name) and not is_.get(name)),
        lost=rows(name for name in both if name in could and name not in can),
        back=rows(name for name in both if name in can and name not in could),
        roles=rows(name for name in both if before[name].role is not after[name].role),
        added=rows(name for name in extra if name not in left),
        removed=rows((name for name in missing if name not in left), before),
        unasked=tuple(name for name in (*missing, *extra) if name in left),
        turned=_turned(old, new, judged),
        remarks=tuple(_remarks(old, new)),
    )


def _read(audit: Audit) -> set[str]:
    return {one.gateway for one in audit.evidence if not one.error}


def _turned(old: Audit, new: Audit, judged: Iterable[str]) -> tuple[Turned, ...]:
    """What has come or gone anywhere, what is at most gateways first."""
    controls = {control.id: control for audit in (old, new) for control in audit.controls}
    here = set(judged)
    was, is_ = (_causes(audit, here) for audit in (old, new))
    found = []
    for key in dict.fromkeys((*is_, *was)):
        then, now = was.get(key, []), is_.get(key, [])
        came, gone = [one for one in now if one not in then], [one for one in then if one not in now]
        if came or gone:
            stayed = [one for one in now if one in then]
            found.append(_one(key, controls, came, gone, stayed))
    return tuple(sorted(found, key=lambda one: -max(len(one.came), len(one.gone))))


def _one(key: _Key, controls: Mapping[str, Control], came: list[str], gone: list[str], stayed: list[str]) -> Turned:
    control = controls[key[0]]
    return Turned(
        control=control.id, status=key[1], text=key[2], owner=control.owner, remedy=control.remedy,
        came=tuple(came), gone=tuple(gone), stayed=tuple(stayed),
    )  # fmt: skip


def _causes(audit: Audit, gateways: set[str]) -> dict[_Key, list[str]]:
    wanted = {row.name for row in audit.gateways if row.role is not Role.CANDIDATE} & gateways
    found: dict[_Key, list[str]] = {}
    for one in audit.findings:
        if one.gateway in wanted and is_open(one):
            found.setdefault((one.control, one.status, one.cause), []).append(one.gateway)
    return found


def _remarks(old: Audit, new: Audit) -> Iterable[str]:
    """What makes the two hard to compare, a sentence each."""
    if old.folder and new.folder and old.folder != new.folder:
        yield f"{old.id} is an audit of another fleet folder ({old.folder}) than {new.id} ({new.folder})."
    if old.policy_digest != new.policy_digest:
        then, now = ({control.id for control in one.controls} for one in (old, new))
        parts = [f"new: {', '.join(sorted(now - then))}" if now - then else ""]
        parts.append(f"gone: {', '.join(sorted(then - now))}" if then - now else "")
        said = "; ".join(part for part in parts if part)
        told = f" ({said})" if said else ""
        yield f"{old.id} was judged by another policy than {new.id}{told}: not all of it is the PCs' doing."
    for one in (old, new):
        if one.purpose:
            yield f"{one.id} was made for a migration ({one.purpose}), in roles that the fleet does not have."
