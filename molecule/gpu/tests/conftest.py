# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report, as an operator gets it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

RESOURCES = Path(__file__).parents[2] / "resources"
# As molecule/resources/gpu numbers them.
FIRST, SECOND = ("GPU-00000000-1ab0-4000-8000-0123456789ab", "GPU-00000001-1ab0-4000-8000-0123456789ab")
Report = Callable[..., str]


@pytest.fixture(scope="module")
def report() -> Report:
    """Run playbooks/gpu_report.yml, see it end as expected, and return what it printed."""

    def report(*more: str, hosts: str, ends: int = 0) -> str:
        done = subprocess.run(
            [
                *("ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], "playbooks/gpu_report.yml"),
                *("-e", f"@{RESOURCES / 'vars/simulated_gpus.yml'}", "--limit", f"{hosts},localhost", *more),
            ],
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
            timeout=120,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == ends, f"the report ended with {done.returncode} and not {ends}:\n{said[-6000:]}"
        return said

    return report
