# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the group docker equals root, so nobody is created for a name that may be misspelt."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ROOT, ansible_playbook

ROLE = ROOT / "roles" / "docker"


def test_users_that_the_machine_does_not_have_are_refused(tmp_path: Path) -> None:
    """By the preflight's own two tasks, on this machine, which has `root`."""
    preflight = yaml.safe_load((ROLE / "tasks" / "preflight.yml").read_text(encoding="utf-8"))
    tasks = [task for task in preflight if "__docker_new_users" in str(task) or "__docker_unknown_users" in str(task)]
    cases = {
        "some": {"docker_users": ["root", "no-such-user", "adaa", "member"]},
        "there": {"docker_users": ["root"]},
        "none": {"docker_users": []},
    }
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "__docker_state": {"group": {"members": ["member"]}},
    }
    (tmp_path / "lab.yml").write_text(yaml.safe_dump({"all": {"hosts": cases, "vars": variables}}))
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "tasks": [*tasks, {"ansible.builtin.debug": {"msg": "{{ inventory_hostname }} goes on"}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    done = ansible_playbook(
        "-i",
        tmp_path / "lab.yml",
        tmp_path / "play.yml",
        ends=2,
        environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
    )
    assert '"msg": "some has no user adaa, no-such-user, whom docker_users names. Create them first' in done.stdout
    assert "some goes on" not in done.stdout
    assert "there goes on" in done.stdout
    assert "none goes on" in done.stdout
