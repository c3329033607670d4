"""Drafts of mails, for a person's own mail program: we never send. Pure."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP

from provisioner.report import words


def draft(to: str, subject: str, text: str, attached: Sequence[tuple[str, str, str]]) -> bytes:
    """An .eml file that opens as a draft; `attached` are files by name, kind (below text/) and content. It has no
    sender and no date: whoever sends it has.

    Errors: ValueError for an address that is none.
    """
    message = EmailMessage(policy=SMTP)
    message["To"] = to
    message["Subject"] = words.clean(" ".join(subject.split()))
    # Outlook opens it as a mail that is not sent yet.
    message["X-Unsent"] = "1"
    message.set_content(_fit(text))
    for name, kind, content in attached:
        message.add_attachment(_fit(content).encode(), maintype="text", subtype=kind, filename=name)
    return message.as_bytes()


def _fit(text: str) -> str:
    return words.clean(text)
