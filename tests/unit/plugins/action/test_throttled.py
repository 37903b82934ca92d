# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A few at once, and only those wait whose turn has not come."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.gpulab.workstation.plugins.action import throttled
from ansible_collections.gpulab.workstation.plugins.action.throttled import NoSlotError, only_task, take_slot
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

LIMIT = 2
PLAY = """
- hosts: all
  gather_facts: false
  strategy: ansible.builtin.host_pinned
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - name: Transfer
      gpulab.workstation.throttled:
        limit: {limit}
        directory: {directory}
        timeout: 60
        task:
          ansible.builtin.command:
            argv:
              - sh
              - -c
              - echo begin >> {log}; sleep {{ seconds }}; echo end >> {log}; echo said; exit {{ code | default(0) }}
      register: transfer
      failed_when: false
      when: seconds > 0
    - name: Notebook
      ansible.builtin.debug:
        msg: "{{ transfer.rc | default('none') }} {{ transfer.stdout | default('-') }}"
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttled, "_POLL", 0.01)


def play(directory: Path, hosts: dict[str, dict[str, t.Any]], text: str, *more: str) -> str:
    book, inventory = directory / "book.yml", directory / "hosts.json"
    for name, value in {"limit": LIMIT, "directory": directory / "slots", "log": directory / "log"}.items():
        text = text.replace(f"{{{name}}}", str(value))
    book.write_text(text)
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    environment = {"ANSIBLE_FORCE_COLOR": "false", "ANSIBLE_FORKS": "10"}
    return ansible_playbook("-i", inventory, book, *more, environment=environment).stdout


def test_nobody_waits_for_a_slow_one(tmp_path: Path) -> None:
    """Ansible's own `throttle` would keep `done` from its notebook until a slow one has ended."""
    hosts = {f"slow{number}": {"seconds": 1.2} for number in range(LIMIT)}
    hosts |= {f"fast{number}": {"seconds": 0.1} for number in range(2)}
    hosts["fast1"]["code"] = 3
    said = play(tmp_path, {**hosts, "done": {"seconds": 0}}, PLAY)
    notebooks = re.findall(r"ok: \[(\w+)\] =>\s+msg: (.*)", said)
    assert notebooks[0] == ("done", "none -"), said
    assert dict(notebooks) == {
        "done": "none -",
        "fast1": "3 said",
        **dict.fromkeys(["slow0", "slow1", "fast0"], "0 said"),
    }
    at_once = most = 0
    for line in (tmp_path / "log").read_text().split():
        at_once += 1 if line == "begin" else -1
        most = max(most, at_once)
    assert most == LIMIT, "all slots are used, and no more"


def test_any_action(tmp_path: Path) -> None:
    """synchronize is a plugin, which changes the connection. What is secret stays so; check mode takes no slot."""
    (tmp_path / "archive").write_text("here")
    text = """
- hosts: all
  gather_facts: false
  become: true
  vars:
    ansible_connection: local
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - gpulab.workstation.throttled:
        limit: {limit}
        directory: {directory}
        task: {ansible.posix.synchronize: {src: archive, dest: "{directory}/copy", rsync_path: /bin/false}}
      become: false
      no_log: true
      register: copied
    - gpulab.workstation.throttled:
        limit: {limit}
        directory: {directory}/never
        task: {ansible.builtin.command: {cmd: "touch {log}"}}
      become: false
      check_mode: true
      register: checked
    - ansible.builtin.debug:
        msg: "{{ copied.cmd is search('rsync') }} {{ copied.rc }} {{ checked is skipped }}"
      become: false
"""
    said = play(tmp_path, {"a": {}}, text, "-vvv")
    assert "True 0 True" in said
    assert "archive" not in said
    assert (tmp_path / "slots/copy").read_text() == "here"
    assert not (tmp_path / "slots/never").exists()
    assert not (tmp_path / "log").exists()


def test_a_killed_holder_frees_its_slot(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; "
        "from ansible_collections.gpulab.workstation.plugins.action.throttled import take_slot; "
        f"slot = take_slot(Path({str(tmp_path)!r}), 1, 1, 'lab01'); print('has it', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "has it\n"
        with pytest.raises(NoSlotError, match=r"No slot of the 1 in .* became free within 0.05 s: lab01 had them"):
            take_slot(tmp_path, 1, 0.05, "lab02")
        holder.kill()
        holder.wait()
        take_slot(tmp_path, 1, 5, "lab02").close()


def test_patience_ends_only_where_nothing_moves(tmp_path: Path) -> None:
    """In a long queue everybody waits longer than one turn takes."""
    held = take_slot(tmp_path, 1, 1, "first")

    def others_have_their_turns() -> None:
        for _turn in range(6):
            time.sleep(0.1)
            os.utime(tmp_path / "1")
        held.close()

    queue = threading.Thread(target=others_have_their_turns)
    queue.start()
    take_slot(tmp_path, 1, 0.4, "last").close()
    queue.join()
    assert held.closed


def test_the_directory_is_for_one_user(tmp_path: Path) -> None:
    take_slot(tmp_path / ".gpulab/slots", 2, 1, "lab01").close()
    assert [(tmp_path / path).stat().st_mode & 0o777 for path in (".gpulab", ".gpulab/slots")] == [0o700, 0o700]


def test_a_directory_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoSlotError, match=r"cannot be used \(Not a directory\)\. Make them writable"):
        take_slot(tmp_path / "file/slots", 1, 1, "lab01")


def test_who_waits_for_a_run_that_is_gone_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with take_slot(tmp_path, 1, 1, "lab01"):
        parents = iter([1, 2])
        monkeypatch.setattr(os, "getppid", lambda: next(parents))
        with pytest.raises(NoSlotError, match="has ended"):
            take_slot(tmp_path, 1, 60, "lab02")


@pytest.mark.parametrize("task", [{}, {"a.b.c": {}, "a.b.d": {}}, {"ansible.builtin.command": "uptime"}], ids=str)
def test_refused(task: dict[str, t.Any]) -> None:
    with pytest.raises(AnsibleActionFail):
        only_task(task)


def test_a_task_without_arguments() -> None:
    assert only_task({"ansible.builtin.ping": None}) == ("ansible.builtin.ping", {})
