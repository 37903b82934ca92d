# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report, as an operator gets it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.playbook import run_playbook

RESOURCES = Path(__file__).parents[2] / "resources"
# As molecule/resources/gpu numbers them.
FIRST, SECOND = ("GPU-00000000-1ab0-4000-8000-0123456789ab", "GPU-00000001-1ab0-4000-8000-0123456789ab")
Report = Callable[..., str]


@pytest.fixture(scope="module")
def report() -> Report:
    """Run playbooks/gpu_report.yml, see it end as expected, and return what it printed."""

    def report(*more: str, hosts: str, ends: int = 0) -> str:
        simulated = ("-e", f"@{RESOURCES / 'vars/simulated_gpus.yml'}", "--limit", f"{hosts},localhost")
        return run_playbook("gpu_report", *simulated, *more, ends=ends, timeout=120).text

    return report
