# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An inventory that a playbook finds no machine in is no success; of one that has some, nothing is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
# Of site.yml and others, which see to it; and what they begin with.
PARTS = {"lab", "report", "require_machines", "workstation"}
HERE = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": "/usr/bin/python3"}


@pytest.mark.parametrize("name", sorted({path.stem for path in PLAYBOOKS.glob("*.yml")} - PARTS))
def test_every_playbook_begins_with_it(name: str) -> None:
    first, *plays = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))
    assert first["ansible.builtin.import_playbook"] == "require_machines.yml"
    wanted = set(first.get("vars", {}).get("require_machines_in", ["registry", "builder", "workstations", "windows"]))
    named = {group for play in plays for group in play.get("hosts", "").split(":") if group.isidentifier()}
    assert named <= wanted, f"{named - wanted} would not be enough"


def inventory(tmp_path: Path, **groups: list[str]) -> Path:
    path = tmp_path / "lab.yml"
    path.write_text(yaml.safe_dump({group: {"hosts": dict.fromkeys(names, HERE)} for group, names in groups.items()}))
    return path


def test_a_wrong_group_is_named(tmp_path: Path) -> None:
    wrong = inventory(tmp_path, machines=["lab01", "lab02"], row1=["lab01"])
    said = ansible_playbook("-i", wrong, "playbooks/status.yml", ends=2, environment={}).stdout
    assert (
        "The inventory has no machine in the group workstations, so there is nothing to do: it has machines (2 hosts), "
        "row1 (1 host). Name the group workstations, or see inventory/examples.\n"
    ) in said


@pytest.mark.slow
def test_of_site_any_group_is_enough(tmp_path: Path) -> None:
    for groups, ends in (({"machines": ["lab01"]}, 2), ({"workstations": ["lab01"]}, 0)):
        arguments = ("-i", inventory(tmp_path, **groups), "site.yml", "--tags", "report")
        said = ansible_playbook(*arguments, ends=ends, environment={}).stdout
        assert ("no machine in any of the groups registry, builder, workstations, windows" in said) is bool(ends), said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "No inventory was found at {path}, so there is nothing to do. Name yours with -i."),
        ("workstations: {hosts: {}}", "No machine was found in the inventory {path}, so there is nothing to do."),
    ],
)
def test_an_inventory_without_machines(text: str | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "lab.yml"
    if text:
        path.write_text(text)
    said = ansible_playbook("-i", path, "playbooks/maintenance.yml", ends=2, environment={}).stdout
    assert sentence.format(path=path) in said


@pytest.mark.parametrize("arguments", [(), ("--limit", "lab01", "--tags", "none")])
def test_nothing_is_said_where_all_is_well(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Not even with another ansible.cfg than the clone's, which keeps Ansible from warning of patterns."""
    path = tmp_path / "play.yml"
    play = {"name": "Work", "hosts": "workstations", "gather_facts": False, "tasks": []}
    require = {"name": "Look", "ansible.builtin.import_playbook": str(PLAYBOOKS / "require_machines.yml")}
    path.write_text(yaml.safe_dump([require, play]))
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    well = inventory(tmp_path, workstations=["lab01"])
    done = ansible_playbook("-i", well, path, *arguments, cwd=tmp_path, environment={})
    assert "WARNING" not in done.stderr
    assert "localhost" not in done.stdout
