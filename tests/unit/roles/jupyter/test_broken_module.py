# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that breaks, where no_log hides what it said: the operator gets the reason."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

pytestmark = pytest.mark.slow


# What the specification of the role's variables refuses, but not that of its parts.
@pytest.mark.parametrize(
    ("part", "given", "said"),
    [
        ("preflight", {"jupyter_share_gpus": "abc"}, "could not be looked at: argument 'share_gpus' is of type"),
        (
            "backup",
            {"jupyter_backup": True, "jupyter_backup_keep": "abc"},
            "its `backup_keep` is abc, and should be periods",
        ),
    ],
)
def test_the_reason_is_given(tmp_path: Path, part: str, given: dict[str, Any], said: str) -> None:
    role = {"name": "gpulab.workstation.jupyter", "tasks_from": part}
    play = {"hosts": "all", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "jupyter_user": "root"}
    seen = {"__jupyter_host": {"backups": {"restic": "restic", "timers": []}}}
    done = ansible_playbook(
        *("-i", "lab01,", "--check", tmp_path / "play.yml", "-e", json.dumps(local | seen | given)),
        environment={"HOME": str(tmp_path)},
        ends=2,
    )
    assert said in done.stdout.partition("SUMMARY")[2]
