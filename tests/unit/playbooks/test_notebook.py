# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which notebooks upload and download take, of those that a machine says it has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import NAME

ROOT = Path(__file__).resolve().parents[3]
TASKS = ROOT / "playbooks/tasks/notebook.yml"
CHOSEN = "{{ inventory_hostname }} chose {{ chosen_notebooks | map(attribute='name') | join(' ') }}"


def choose(tmp_path: Path, machines: dict[str, list[str]], *arguments: str) -> str:
    """The real tasks, but for the one that asks the machine."""
    tasks = yaml.safe_load(TASKS.read_text(encoding="utf-8"))[1:]
    tasks.append({"name": "Say it", "ansible.builtin.debug": {"msg": CHOSEN}})
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([{"name": "Choose", "hosts": "all", "gather_facts": False, "tasks": tasks}]))
    hosts = {
        machine: {"notebooks_seen": {"instances": [{"name": name} for name in names]}}
        for machine, names in machines.items()
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", inventory, playbook, *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    ).stdout


def test_a_machine_cannot_choose_a_directory_of_the_controller(tmp_path: Path) -> None:
    odd = ["../../../.ssh", "..", "a/b", "/etc", "", "-a", "ada\n", "Ada", "a" * 41]
    machines = {f"taken{number}": ["ada", name] for number, name in enumerate(odd)}
    said = choose(tmp_path, {**machines, "lab07": ["ada", "b-2"], "lab08": ["a" * 40]}, "-e", "notebook=all")
    assert "lab07 chose ada b-2" in said
    assert f"lab08 chose {'a' * 40}" in said
    for machine in machines:
        assert f"{machine} chose" not in said
        assert f"{machine} says that it has a notebook named" in said
    # The role's own rule.
    assert NAME.pattern in TASKS.read_text(encoding="utf-8")


def test_of_several_one_is_named(tmp_path: Path) -> None:
    machines = {"lab07": ["ada", "bob"], "lab08": ["bob"], "lab09": []}
    said = choose(tmp_path, machines)
    assert "lab08 chose bob" in said
    assert "lab07 has ada, bob. Say which one with -e notebook=NAME" in said
    assert "lab09 has no notebook: run site.yml first" in said
    assert "lab07 chose ada" in choose(tmp_path, machines, "-e", "notebook=ada")
