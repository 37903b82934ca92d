# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in that people break by hand behaves as the real nvidia-smi would."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, t4
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import smi_list, smi_xml

MACHINE = Machine(gpus=t4(2))


class Stage(t.NamedTuple):
    root: Path
    smi: Path

    def ask(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run([self.smi, *arguments], capture_output=True, text=True, check=False)
        assert not done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    root = files.build(tmp_path / "root", MACHINE)
    smi = tmp_path / "nvidia-smi"
    programs.live_smi(smi, MACHINE, str(root), str(root / files.LIBRARIES), str(root / "dev"))
    return Stage(root, smi)


def test_healthy(stage: Stage) -> None:
    rc, text = stage.ask("-L")
    assert (rc, [gpu.uuid for gpu in smi_list.parse(text).gpus]) == (0, [Gpu(0).uuid, Gpu(1).uuid])
    rc, text = stage.ask("-q", "-x")
    answer = smi_xml.parse(text)
    assert (rc, answer.attached, len(answer.gpus)) == (0, 2, 2)
    rc, text = stage.ask()
    assert (rc, text.count("NVIDIA T4")) == (0, 2)


def test_one_node_gone(stage: Stage) -> None:
    (stage.root / "dev/nvidia1").unlink()
    assert stage.ask("-L")[1].count("GPU-") == 1
    assert smi_xml.parse(stage.ask("-q", "-x")[1]).attached == 1
    assert stage.ask()[0] == 0


def test_all_nodes_gone(stage: Stage) -> None:
    for path in stage.root.glob("dev/nvidia[0-9]"):
        path.unlink()
    assert stage.ask("-L") == (0, "No devices found.\n")
    assert stage.ask("-q", "-x") == (6, "No devices were found\n")


def test_driver_unloaded(stage: Stage) -> None:
    shutil.rmtree(stage.root / "proc/driver/nvidia")
    assert stage.ask("-L")[0] == 9


def test_another_library(stage: Stage) -> None:
    files.library(stage.root / files.LIBRARIES, "550.163.02")
    rc, text = stage.ask("-L")
    assert (rc, text.splitlines()[1]) == (18, "NVML library version: 550.163.02")


def test_no_library(stage: Stage) -> None:
    shutil.rmtree(stage.root / files.LIBRARIES)
    assert stage.ask("-L")[0] == 12


def test_in_a_container(stage: Stage) -> None:
    """There is no /proc of the driver there, and only the nodes that were given."""
    (stage.root / "dev/nvidia0").unlink()
    programs.live_smi(stage.smi, MACHINE, "/not/mounted", "/nowhere", str(stage.root / "dev"))
    assert [gpu.uuid for gpu in smi_list.parse(stage.ask("-L")[1]).gpus] == [Gpu(1).uuid]
