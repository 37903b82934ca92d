# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The weekly care of docs/maintenance.md: several machines at a time, and no more of them once too many have failed.

The playbook is the operator's own, on both workstations. The machines that fail are the first of them under other
names: their account may not become root, or their address is one that nobody has (RFC 5737), from the beginning or from
the moment at which their turn comes. So each fails at what is really done there first, and nothing changes there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.lab.tests.conftest import MACHINES, machine
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import Said, run_playbook
from testinfra.host import Host

AT_WORK, IDLE = MACHINES
REFUSES, VANISHES, AWAY = "gpulab-refuses-{}", "gpulab-vanishes", "gpulab-away"
# In the order of their turns, which comes after the workstations'.
TROUBLED = [REFUSES.format(1), VANISHES, REFUSES.format(2), AWAY, REFUSES.format(3)]
NOBODY_HAS = "192.0.2.1"
testinfra_hosts = [f"ansible://{AT_WORK}"]


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    of_the_first = machine(AT_WORK).ansible.get_variables()
    ways = re.compile(r"ansible_(host|port|user|private_key_file|ssh_\w+)")
    connection = {name: value for name, value in of_the_first.items() if ways.fullmatch(name)} | {"ansible_timeout": 2}
    turn = f"{{{{ '{NOBODY_HAS}' if ansible_play_name == 'Maintain' else '{connection['ansible_host']}' }}}}"
    what_differs = {AWAY: {"ansible_host": NOBODY_HAS}, VANISHES: {"ansible_host": turn}}
    refuses = {"ansible_become_user": "nobody-of-this-name"}
    hosts = {name: connection | what_differs.get(name, refuses) for name in TROUBLED}
    path = tmp_path_factory.mktemp("inventory") / "troubled.json"
    path.write_text(json.dumps({"workstations": {"hosts": hosts}}))
    return path


@pytest.fixture
def terminal(host: Host) -> Iterator[str]:
    """Somebody is at work."""
    notebook = Notebook(host, MACHINES[AT_WORK])
    name = notebook.request("/api/terminals", "POST")[1]["name"]
    yield name
    notebook.request(f"/api/terminals/{name}", "DELETE")


def maintain(inventory: Path, *arguments: str) -> Said:
    return run_playbook("maintenance", "--inventory", str(inventory), *arguments, ends=2)


def outcomes(said: Said) -> dict[str, str]:
    """The report: what became of each machine."""
    return dict(re.findall(r"^(gpulab-[\w-]+): (\w.*)$", said.text.rpartition("PLAY [Report]")[2], re.M))


def batches(said: Said) -> list[set[str]]:
    """Who was begun together."""
    tasks = re.findall(r"^TASK \[maintain \| Look at the GPUs as they are\].*?(?=^TASK |\Z)", said.text, re.M | re.S)
    return [set(re.findall(r"^\w+: \[([\w-]+)\]", task, re.M)) for task in tasks]


def test_work_is_left_alone_and_it_goes_on_until_more_have_failed_than_may(inventory: Path, terminal: str) -> None:
    """Half of the seven at a time, and two may fail: one at work, an idle one and one that fails are the first batch.

    Of the second batch one more vanishes, one fails and one was never there; so the last is not begun.
    """
    notebook = Notebook(machine(IDLE), MACHINES[IDLE])
    before = notebook.inspect("{{json .State.StartedAt}}")
    limits = ("-e", "maintenance_batch=50%", "-e", "maintenance_max_failed=2", "-e", "maintenance_drain_minutes=0.05")
    said = maintain(inventory, *limits, "--limit", "workstations")
    report = outcomes(said)
    assert batches(said) == [{AT_WORK, IDLE, TROUBLED[0]}, {VANISHES, TROUBLED[2]}]
    assert report.pop(AT_WORK).startswith(f"left as it is, terminal {terminal} is open")
    assert report.pop(IDLE).startswith("done")
    for name in TROUBLED[0], TROUBLED[2]:
        why = report.pop(name)
        assert why.startswith("failed, maintain | Look at the GPUs as they are: ")
        # What it said, and not that it went away.
        assert "nobody-of-this-name" in why
    assert report.pop(VANISHES).endswith(": it does not answer any more")
    assert report.pop(AWAY).startswith("not reached, ")
    assert report == {TROUBLED[4]: "not begun"}
    # A machine on which nothing was new is as it was.
    assert notebook.inspect("{{json .State.StartedAt}}") == before
