# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/report.yml says of GPUs at the end of site.yml, on simulated machines."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="device nodes for a simulated machine take root"),
]
# What the role nvidia_container_toolkit leaves behind, with and without an NVIDIA device.
PRESENT = {"nvidia_container_toolkit_skipped": False, "nvidia_container_toolkit_pending": []}
ABSENT = {**PRESENT, "nvidia_container_toolkit_skipped": True, "nvidia_container_toolkit_notes": ["It is left out."]}


def report(tmp_path: Path, **hosts: dict[str, object]) -> str:
    """What is printed, with the lines of one sentence joined."""
    local = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "gpu_report_root": f"{tmp_path}/{{{{ inventory_hostname }}}}",
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"workstations": {"hosts": hosts, "vars": local}}))
    done = ansible_playbook("-i", inventory, "playbooks/report.yml", environment={"NO_COLOR": "1"})
    return " ".join(done.stdout.split())


def test_report_looks_where_there_are_gpus(tmp_path: Path) -> None:
    files.build(tmp_path / "well", Machine(gpus=t4(2)), nodes=True)
    lost = Machine(gpus=t4(2))
    root = files.build(tmp_path / "lost", lost, nodes=True)
    programs.replayer(root / "usr/bin/nvidia-smi", programs.smi_replies(lost, lost={1}))
    said = report(tmp_path, well=PRESENT, lost=PRESENT, none=ABSENT)
    # Which of them is printed first is a matter of luck.
    assert re.search(r"GPUs: 2 of 2 GPUs visible in cdi (ok:|PLAY)", said), said
    assert "GPUs: 1 of 2 GPUs visible in nvml: a GPU has fallen off the bus (degraded; playbooks/gpu_report.yml" in said
    assert "GPUs: It is left out." in said, said
    assert "none : ok=1 " in said, f"a machine without a GPU was looked at: {said}"


def test_report_misses_gpus_that_are_all_gone(tmp_path: Path) -> None:
    files.build(tmp_path / "bare", Machine(gpus=(), driver=None, library=None, toolkit=None, cdi=False))
    said = report(tmp_path, bare={**ABSENT, "expected_gpus": 2})
    assert "GPUs: 0 of 2 GPUs visible in pci: 0 of 2 expected GPUs are there (broken; playbooks/gpu_report.yml" in said
    assert "GPUs: It is left out." in said, said


def test_report_alone_says_where_to_look(tmp_path: Path) -> None:
    said = report(tmp_path, alone={})
    assert "The report shows what the roles saw in this run." in said
    assert "playbooks/gpu_report.yml" in said
    assert "GPUs: " not in said
