"""Roles made for the purpose, and a run of them by a real ansible-playbook."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner import resources
from provisioner.ansible import playbook
from provisioner.ansible.results import StepResult
from provisioner.model import Step
from tests.conftest import own_run_tag

MARK = "s3cret-marked"


ROLES = {
    "quiet": """
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {rule: "{{ quiet_text | default('none') }}"}
""",
    # Work that is nothing but what is around each role's: the gateway is claimed, and released.
    "claims": """
- name: Do nothing
  claimed_gateway:
""",
    "changes": """
- name: Write a file
  ansible.builtin.copy:
    dest: "{{ changes_path }}"
    content: "new\\n"
    mode: "0600"
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
""",
    "breaks": """
- name: Keep what was there
  ansible.builtin.set_fact:
    provisioner_found: {rule: as it was}
- name: Look at it
  ansible.builtin.fail:
    msg: "\\x1b[31maccess\\n denied"
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
""",
    "stops_early": """
- name: Do nothing
  ansible.builtin.meta: noop
""",
    "rescued": """
- block:
    - ansible.builtin.fail:
        msg: no
  rescue:
    - ansible.builtin.set_fact:
        provisioner_before: {}
""",
    "hides": """
- name: Say it
  no_log: true
  ignore_errors: true
  ansible.builtin.fail:
    msg: "{{ item }} {{ lookup('gateway_secret', 'secret:pin') }}"
  loop: [one, two]
- name: Look at what is not there
  no_log: true
  ignore_errors: true
  ansible.builtin.debug:
    msg: "{{ (lookup('gateway_secret', 'secret:pin') ~ not_there) | int }}"
- name: Leave it out
  ansible.builtin.debug:
  when: false
- name: Write it
  no_log: true
  ansible.builtin.copy:
    dest: "{{ hides_path }}"
    content: "{{ lookup('gateway_secret', 'secret:pin') }}"
    mode: "0600"
- name: Break
  no_log: true
  ansible.builtin.copy:
    dest: "{{ hides_path }}/below/a/file"
    content: "{{ lookup('gateway_secret', 'secret:pin') }}"
    mode: "0600"
""",
    "asks": """
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before:
      length: "{{ ansible_password | length }}"
      named: "{{ lookup('gateway_secret', 'secret:pin') | length }}"
      environment: "{{ lookup('env', 'PROVISIONER_PASSWORD') }}{{ lookup('env', 'PROVISIONER_OTHER') }}"
""",
    "asks_another": """
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: "{{ lookup('gateway_secret', 'B84999') }}"
""",
    "sleeps": """
- name: Wait
  ansible.builtin.command: sleep 600
""",
    "talks_and_ends": """
- name: Talk
  ansible.builtin.debug:
    msg: "{{ item }} and so on, and so on, and so on, and so on"
  loop: "{{ range(30) }}"
- name: Go on
  ansible.builtin.include_tasks: "{{ 'one' if 1 == 1 else 'two' }}.yml"
""",
    "touches": """
- name: Reach it
  ansible.builtin.ping:
""",
    "knocks": """
- name: Reach it three times
  ansible.windows.win_ping:
    data: "{{ item }}"
  loop: [a, b, c]
- name: Reach it once more
  ansible.windows.win_ping:
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
""",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content folder with the real playbook, and with roles that need no gateway."""
    return filled(tmp_path_factory.mktemp("content"), ROLES)


def filled(folder: Path, roles: Mapping[str, str], library: str = "") -> Path:
    """A folder filled with the real playbook and these roles; modules of `library` go before ours."""
    plugins = resources.root() / "plugins"
    kinds = "".join(f"{kind}_plugins = {plugins / kind}\n" for kind in ("action", "lookup", "connection"))
    kinds += f"doc_fragment_plugins = {plugins / 'doc_fragments'}\n"
    (folder / "ansible.cfg").write_text(
        f"[defaults]\nroles_path = roles\nlibrary = {library}:{plugins}/modules\n{kinds}"
    )
    (folder / "playbooks").mkdir()
    shutil.copy(resources.root() / "playbooks" / "rollout.yml", folder / "playbooks")
    for name, tasks in roles.items():
        (folder / "roles" / name / "tasks").mkdir(parents=True)
        (folder / "roles" / name / "tasks" / "main.yml").write_text(tasks)
    return folder


LOCAL: Mapping[str, Any] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    "ansible_password": "{{ lookup('gateway_secret', inventory_hostname) }}",
}


def step(gateway: str, role: str, **values: Any) -> Step:
    return Step(
        id=f"{gateway}-{role}",
        gateway=gateway,
        practice=gateway,
        kind="playbook",
        remedy=role,
        role=role,
        values=values,
    )


def run(
    root: Path, *steps: Step, hosts: Mapping[str, Mapping[str, Any]] | None = None, **options: Any
) -> dict[str, StepResult]:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    password = {"ansible_password": LOCAL["ansible_password"]}
    arguments: dict[str, Any] = {"run_tag": own_run_tag("m0"), "secrets": lambda name: f"{MARK}-{name}", "root": root}
    found = hosts or {one.gateway: {**here, **password} for one in steps}
    return playbook.run(steps, found, **arguments | options)
