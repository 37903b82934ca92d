# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4
from ansible_collections.gpulab.workstation.plugins.modules import nvidia_driver_info

RETURNED = yaml.safe_load(nvidia_driver_info.RETURN)


def ask(capsys: pytest.CaptureFixture[str], **arguments: t.Any) -> dict[str, t.Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit) as stopped:
        nvidia_driver_info.main()
    result: dict[str, t.Any] = json.loads(capsys.readouterr().out)
    assert stopped.value.code == int(result.get("failed", False))
    return result


@pytest.mark.parametrize("check_mode", [False, True])
def test_as_documented(capsys: pytest.CaptureFixture[str], tmp_path: Path, check_mode: bool) -> None:
    root = files.build(tmp_path, Machine(gpus=t4(2), driver=None))
    result = ask(capsys, root=str(root), _ansible_check_mode=check_mode)
    assert result.pop("changed") is False
    assert set(result) - {"invocation"} == set(RETURNED)
    for key in ("gpus", "problems"):
        assert set(result[key][0]) == set(RETURNED[key]["contains"]) == set(RETURNED[key]["sample"][0])
    for key in ("plan", "driver", "secure_boot"):
        assert set(result[key]) == set(RETURNED[key]["contains"]) == set(RETURNED[key]["sample"])


def test_bare_host(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = ask(capsys, root=str(tmp_path))
    assert result["plan"]["branch"] is None
    assert {"unsupported_distribution", "no_device"} <= {problem["id"] for problem in result["problems"]}


def test_wrong_branch(capsys: pytest.CaptureFixture[str]) -> None:
    assert "branch is newest; it must be auto" in ask(capsys, branch="newest")["msg"]
