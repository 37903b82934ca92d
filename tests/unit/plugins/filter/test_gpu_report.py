# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import csv
import io
import json
import re
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, Slice, t4
from ansible_collections.gpulab.workstation.plugins.filter.gpu_report import FilterModule
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.look import Options, look
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System

render = FilterModule().filters()["gpu_report"]


@pytest.fixture
def results(tmp_path: Path) -> dict[str, t.Any]:
    """A machine with a lost GPU, one with MIG, one without GPUs, and one that was not reached."""

    def see(name: str, machine: Machine, **options: t.Any) -> dict[str, t.Any]:
        root = files.build(tmp_path / name, machine)
        if machine.gpus == t4(3):
            programs.replayer(root / "usr/bin/nvidia-smi", programs.smi_replies(machine, lost={1}))
        # Its layers of files and nvidia-smi: nodes that are not real ones are none of this test's business.
        return look(System(str(root)), Options(layers=["pci", "kernel_driver", "nvml"], **options))

    return {
        "lost": see("lost", Machine(gpus=t4(3))),
        "mig": see("mig", Machine(gpus=(Gpu(0, name="NVIDIA H100", mig=(Slice("1g.10gb", 9728, 7),)),))),
        "none": see("none", Machine(gpus=(), driver=None, library=None, toolkit=None, cdi=False)),
        "away": None,
    }


def test_screen(results: dict[str, t.Any]) -> None:
    text = render({"lost": results["lost"]})
    assert text.splitlines()[0] == "lost  degraded  2 of 3 GPUs visible in nvml: a GPU has fallen off the bus"
    assert "driver 550.163.01 (proprietary, CUDA 12.4)" in text
    assert re.search(r"^  nvml +degraded +2 GPUs$", text, re.M)
    assert re.search(rf"^   -  0000:3e:00\.0 +NVIDIA T4 +{Gpu(1).uuid}  not in .*nvml", text, re.M)
    assert re.search(r"^  error   a GPU has fallen off the bus \[gpu_lost\]$", text, re.M)
    assert f"which   {Gpu(1).uuid}" in text
    assert "$ poweroff" in text
    assert not re.search(r" $", text, re.M)
    assert "1 MIG devices" in render({"mig": results["mig"]})
    assert render({"none": results["none"]}).splitlines()[0] == "none  no_gpu  no GPU of NVIDIA"
    assert render({"away": None}) == "away  unreachable"
    assert render({"away": {"unreachable": True, "msg": "timed out"}}) == "away  unreachable"
    assert render({"shut": {"failed": True, "msg": "Missing sudo password"}}) == "shut  failed  Missing sudo password"
    assert render({"shut": {"msg": "no sudo"}}, "csv").splitlines()[1].startswith("shut,failed,")
    named = {**results["mig"], "gpus": [{**results["mig"]["gpus"][0], "name": "H100\x1b[2J\x07"}]}
    assert "\x1b" not in render({"mig": named})


def test_fits_on_a_screen(tmp_path: Path) -> None:
    machine = Machine(gpus=tuple(Gpu(number) for number in range(40)))
    result = look(System(str(files.build(tmp_path, machine))), Options())
    lines = render({"big": result}).splitlines()
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 140
    assert "  and 32 more" in lines


def test_last_line_is_what_to_do(results: dict[str, t.Any], tmp_path: Path) -> None:
    def last(*names: str) -> str:
        return str(render({name: results[name] for name in names}).splitlines()[-1])

    assert last("lost") == (
        "Next: Switch the machine off and on (a reboot is often not enough)"
        "  $ journalctl --dmesg --boot --grep 'Xid|fallen off'"
    )
    assert last("mig") == last("none") == "Next: nothing to do"
    root = files.build(tmp_path / "silent", Machine())
    unknown = look(System(str(root)), Options(layers=["pci", "nvml", "container"], image="keras:gpu"))
    assert render({"silent": unknown}).splitlines()[-1] == "Next: Docker is not installed"


def test_evidence_is_behind_a_switch(results: dict[str, t.Any]) -> None:
    assert "nvidia-smi -L (exit 15)" not in render({"lost": results["lost"]})
    text = render({"lost": results["lost"]}, evidence=True)
    assert "  nvml: nvidia-smi -L (exit 15)\n    GPU 0: NVIDIA T4" in text
    assert "/sys/bus/pci/devices" not in text, "that layer is well"
    assert text.splitlines()[-1].startswith("Next: ")


def test_a_long_reason_is_shown_whole(results: dict[str, t.Any]) -> None:
    reason = " ".join(f"word{number}" for number in range(90))
    finding = {**results["lost"]["findings"][0], "message": reason}
    text = render({"lost": {**results["lost"], "findings": [finding]}})
    assert reason in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 140


def test_colours_are_all_that_differs(results: dict[str, t.Any]) -> None:
    coloured = render(results, "colours")
    assert "\x1b[31merror" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(results, "screen")


def test_csv(results: dict[str, t.Any]) -> None:
    rows = {row["host"]: row for row in csv.DictReader(io.StringIO(render(results, "csv")))}
    assert list(rows) == list(results)
    assert rows["lost"]["status"] == "degraded"
    assert (rows["lost"]["pci"], rows["lost"]["nvml"], rows["lost"]["cdi"]) == ("3", "2", "")
    assert rows["lost"]["findings"] == "gpu_lost"
    assert rows["away"] == {**dict.fromkeys(rows["lost"], ""), "host": "away", "status": "unreachable"}


def test_json(results: dict[str, t.Any]) -> None:
    assert json.loads(render(results, "json")) == {"schema_version": 1, "hosts": json.loads(json.dumps(results))}


@pytest.mark.parametrize(("value", "wanted"), [("text", "screen"), ({}, "pdf")])
def test_wrong_use(value: t.Any, wanted: str) -> None:
    with pytest.raises(AnsibleFilterError, match="gpu_report"):
        render(value, wanted)
