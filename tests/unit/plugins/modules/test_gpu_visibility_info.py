# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply, docker_replies
from ansible_collections.gpulab.workstation.plugins.modules import gpu_visibility_info

Ask = t.Callable[..., dict[str, t.Any]]
RETURNED = yaml.safe_load(gpu_visibility_info.RETURN)


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    def ask(**arguments: t.Any) -> dict[str, t.Any]:
        with patch_module_args(arguments), pytest.raises(SystemExit) as stopped:
            gpu_visibility_info.main()
        result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
        assert stopped.value.code == int(result.get("failed", False))
        return result

    return ask


@pytest.mark.parametrize("check_mode", [False, True])
def test_as_documented(ask: Ask, tmp_path: Path, check_mode: bool) -> None:
    root = files.build(tmp_path, Machine())
    files.docker(root, docker_replies(more=[Reply("run *", "gpulab:rc=0\n")]))
    asked = {"container": {"image": "keras:gpu"}, "frameworks": ["torch"], "bundle": True}
    result = ask(root=str(root), **asked, _ansible_check_mode=check_mode)
    assert result.pop("changed") is False
    assert set(result) - {"invocation"} == set(RETURNED)
    for key in ("driver", "layers", "findings", "gpus"):
        first = result[key][0] if isinstance(result[key], list) else result[key]
        assert set(first) == set(RETURNED[key]["contains"])
    for key in ("toolkit", "cdi", "docker", "container", "counts"):
        assert set(result[key]) == set(RETURNED[key]["sample"])
    assert set(result["frameworks"][0]) == set(RETURNED["frameworks"]["sample"][0])


def test_bundle(ask: Ask, tmp_path: Path) -> None:
    """What one host returned is looked at on another as if one were there."""
    root = files.build(tmp_path / "root", Machine(library="550.163.02"))
    here = ask(root=str(root), bundle=True)
    (tmp_path / "kept.json").write_text(json.dumps(here["bundle"]))
    there = ask(root=str(tmp_path / "kept.json"))
    assert there["summary"] == here["summary"]
    assert "bundle" not in there
    (tmp_path / "kept.json").write_text("{}")
    assert "is no bundle of gpu_visibility_info" in ask(root=str(tmp_path / "kept.json"))["msg"]


def test_bare_host(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    result = ask(root=str(tmp_path))
    assert result["status"] == "no_gpu"
    assert result["changed"] is False


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"layers": ["gpu"]}, "layers"),
        ({"container": {}}, "image"),
        ({"container": {"image": "a", "method": "magic"}}, "method"),
        ({"frameworks": ["caffe"]}, "frameworks"),
        ({"expected_gpus": "many"}, "expected_gpus"),
    ],
)
def test_wrong_arguments(ask: Ask, arguments: dict[str, t.Any], reason: str) -> None:
    result = ask(**arguments)
    assert result["failed"]
    assert reason in result["msg"]


def test_broken_is_no_failure(ask: Ask, tmp_path: Path) -> None:
    root = files.build(tmp_path, Machine(gpus=t4(1)))
    programs.replayer(root / "usr/bin/nvidia-smi", programs.broken_smi("\x1b[31mwhat?\n", 77))
    result = ask(root=str(root))
    assert "failed" not in result
    assert result["first_broken_layer"] in ("device_nodes", "nvml")


def test_whole_module_is_bounded(ask: Ask, tmp_path: Path) -> None:
    """Every program hangs: the time of one probe after the other, and then no more."""
    root = files.build(tmp_path, Machine())
    for name in ("nvidia-smi", "nvidia-ctk", "dmesg", "journalctl", "docker"):
        programs.replayer(root / "usr/bin" / name, [Reply("*", hang=60)])
    files.write(root / "run/docker.pid", "1")
    begin = time.monotonic()
    result = ask(root=str(root), timeout=1, total_timeout=2)
    assert time.monotonic() - begin < 20
    assert [finding["id"] for finding in result["findings"] if finding["layer"] == "nvml"] == ["nvidia_smi_hangs"]
