# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a role again, as an operator does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLAYBOOK = Path(__file__).parents[1] / "role.yml"
Play = Callable[..., str]


@pytest.fixture(scope="module")
def play() -> Play:
    """Apply a role to a machine, see it succeed or fail as expected, and return what Ansible said."""

    def play(role: str, machine: str, succeeds: bool = True, entry: str = "main", **variables: Any) -> str:
        given = json.dumps({"role": role, "entry": entry, "machine": machine, **variables})
        done = subprocess.run(
            ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], PLAYBOOK, "-e", given],
            cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
            env={
                **os.environ,
                "ANSIBLE_CONFIG": os.environ["MOLECULE_EPHEMERAL_DIRECTORY"] + "/ansible.cfg",
                "ANSIBLE_FORCE_COLOR": "0",
                "ANSIBLE_NOCOLOR": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode == 0) is succeeds, f"ansible-playbook ended with {done.returncode}:\n{said[-6000:]}"
        # Lines are wrapped for people.
        return " ".join(said.split())

    return play
