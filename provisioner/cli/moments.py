"""Points in time as people write them on a command line."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from provisioner.errors import InputError

LONDON = ZoneInfo("Europe/London")
_SPAN = re.compile(r"(\d{1,4})\s*([mhd])", re.I)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> datetime:
    """When that is: a span from now (90m, 8h, 2d), the next time of day (22:00), or a whole time
    (2026-11-29 06:00). Times without a zone are London's.

    Errors: InputError where it is none of these, or over.
    """
    if span := _SPAN.fullmatch(text.strip()):
        return now + timedelta(**{_UNITS[span[2].lower()]: int(span[1])})
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text.strip()):
            here = now.astimezone(LONDON)
            at = datetime.combine(here.date(), time.fromisoformat(text.strip().zfill(5)), LONDON)
            return at if at > now else at + timedelta(days=1)
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text!r} is no time.", "Such as 22:00, 8h, or 2026-11-29T06:00.") from error
    found = found if found.tzinfo else found.replace(tzinfo=LONDON)
    if found <= now:
        raise InputError(f"{text} is over.", "Such as 22:00, 8h, or 2026-11-29T06:00.")
    return found
