# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verbs refuse, in the words of their own tasks, and what tunnel.yml says of a tunnel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import Evaluator

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"
LAB: dict[str, Any] = {"inventory_hostname": "lab07", "groups": {"workstations": ["lab07", "lab08"]}}
# The variable without which there is nothing to do.
WANTS = {"upload": "upload_from", "download": "download_to", "pip_install": "requirements"}


@pytest.mark.parametrize("name", WANTS)
def test_what_was_asked_for_is_looked_at_before_any_machine(name: str) -> None:
    _require, first, *_others = yaml.safe_load((PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8"))
    assert not first["gather_facts"]
    assert first["any_errors_fatal"], "one of its hosts speaks for all"
    refusal = first["tasks"][0]
    assert refusal["name"] == "Name what is missing"
    assert refusal["run_once"]
    assert "ansible.builtin.fail" in refusal, "this is done on the controller"


@pytest.mark.parametrize(("name", "variable"), WANTS.items())
def test_what_is_missing_or_no_path_is_named(evaluator: Evaluator, name: str, variable: str, tmp_path: Path) -> None:
    def refusal(**given: Any) -> str | None:
        return evaluator.say(PLAYBOOKS / f"{name}.yml", "Name what is missing", **given)

    assert f"-e {variable}=" in str(refusal())
    assert f"-e {variable}=" in str(refusal(**{variable: ""}))
    assert f'{variable} is ["docs"], and must be' in str(refusal(**{variable: ["docs"]}))
    there = tmp_path / "there"
    if name != "download":
        assert f"There is no {'file ' if name == 'pip_install' else ''}{there} on this controller ({variable})" in str(
            refusal(**{variable: str(there)})
        )
    there.write_text("")
    assert refusal(**{variable: str(there)}) is None


@pytest.mark.parametrize(
    ("notebook", "names", "said"),
    [
        ("nobody", ["ada", "grace"], "lab07 has ada, grace. There is no nobody among them."),
        ("", ["ada", "grace"], "lab07 has ada, grace. Say which one with -e notebook=NAME."),
        ("all", [], "lab07 has no notebook: run site.yml first."),
        ("", ["ada"], None),
        ("all", ["ada", "grace"], None),
        ("grace", ["ada", "grace"], None),
    ],
)
def test_which_notebook(evaluator: Evaluator, notebook: str, names: list[str], said: str | None) -> None:
    seen = {"instances": [{"name": name} for name in names]}
    given: dict[str, Any] = {"notebook": notebook, "notebooks_seen": seen}
    refusal = evaluator.say(PLAYBOOKS / "tasks/notebook.yml", "notebook | Refuse to guess", **LAB, **given)
    assert refusal == said if said is None else str(refusal).startswith(said)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tunnel_port": "abc"}, "tunnel_port is abc, and the first of 2 ports, one for each machine of the group"),
        ({"tunnel_port": 80}, "Choose one from 1024 to 65534."),
        ({"tunnel_port": 65535}, "Choose one from 1024 to 65534."),
        ({"tunnel": "open"}, "tunnel is open; it can be up, status or down."),
        ({"tunnel_port": "65534"}, None),
        ({"tunnel": "down"}, None),
        ({}, None),
    ],
)
def test_tunnel_that_nobody_can_open(evaluator: Evaluator, given: dict[str, Any], said: str | None) -> None:
    refusal = evaluator.say(PLAYBOOKS / "tunnel.yml", "Refuse what nobody can do", **LAB, **given)
    assert said in str(refusal) if said else refusal is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"tunnel": "status", "tunnel_result": {"up": True, "local_port": 18888, "forwarded": "127.0.0.1:8888"}},
            "lab07: port 18888 of this controller leads to 127.0.0.1:8888 there",
        ),
        ({"tunnel": "status", "tunnel_result": {"up": False}}, "lab07: no tunnel"),
        ({"tunnel": "down", "tunnel_result": {"up": False}}, "lab07: no tunnel"),
    ],
)
def test_state_of_a_tunnel(evaluator: Evaluator, given: dict[str, Any], said: str) -> None:
    more: dict[str, Any] = {"tunnel_token": {}, "ansible_check_mode": False}
    assert evaluator.say(PLAYBOOKS / "tunnel.yml", "Say what is open", **LAB, **more, **given) == said
