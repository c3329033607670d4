"""A job for one of our modules."""

from typing import Any

Job = str | tuple[str, dict[str, Any]]


CHECK = {"_ansible_check_mode": True}
