"""What the tests of our_modules share."""

from typing import Any

Job = str | tuple[str, dict[str, Any]]


CHECK = {"_ansible_check_mode": True}
