# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import gpus
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.container import settings_hash
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.engine import Engine
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Account
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import MakeSettings

UUID = "GPU-5f7c1a3e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("none", ()),
        ("", ()),
        ([], ()),
        ("all", ("all",)),
        (0, ("0",)),
        ("0,1", ("0", "1")),
        ([0, UUID], ("0", UUID)),
        (["0:1", f"MIG-{UUID}/1/0"], ("0:1", f"MIG-{UUID}/1/0")),
    ],
)
def test_parse(wanted: t.Any, expected: tuple[str, ...]) -> None:
    assert gpus.parse(wanted) == expected
    assert gpus.problem(expected) == ""


@pytest.mark.parametrize("wanted", ["some", "0;1", "-1", ["all", 0], "0,"])
def test_what_is_no_gpu(wanted: t.Any) -> None:
    assert gpus.problem(gpus.parse(wanted))


@pytest.mark.parametrize(
    ("wanted", "method", "expected"),
    [
        ((), "cdi", []),
        (("all",), "cdi", ["--device", "nvidia.com/gpu=all"]),
        (("0", UUID), "cdi", ["--device", "nvidia.com/gpu=0", "--device", f"nvidia.com/gpu={UUID}"]),
        (("all",), "gpus", ["--gpus", "all"]),
        (("0", "1"), "gpus", ["--gpus", '"device=0,1"']),
        (("0", "1"), "runtime", ["--runtime", "nvidia", "--env", "NVIDIA_VISIBLE_DEVICES=0,1"]),
    ],
)
def test_options(wanted: tuple[str, ...], method: str, expected: list[str]) -> None:
    assert gpus.options(wanted, method) == expected


class StandIn(Engine):
    """An engine that only says what it can."""

    def __init__(self, **info: t.Any) -> None:
        self.info = info

    def call(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> str:
        assert arguments[0] == "info"
        return json.dumps(self.info)


def test_method_is_what_the_engine_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    runtimes: dict[str, t.Any] = {"runc": {}, "nvidia": {}}
    directories = [str(tmp_path / "etc"), str(tmp_path / "none")]
    assert gpus.find_method(StandIn()) == ""
    assert gpus.find_method(StandIn(Runtimes=runtimes)) == "runtime"
    (tmp_path / "bin").mkdir()
    hook = tmp_path / "bin" / gpus.HOOK
    hook.touch(0o755)
    assert gpus.find_method(StandIn(Runtimes=runtimes)) == "gpus"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "other.yaml").write_text("kind: vendor.com/net\n")
    assert gpus.find_method(StandIn(Runtimes=runtimes, CDISpecDirs=directories)) == "gpus"
    (tmp_path / "etc" / "nvidia.yaml").write_text("cdiVersion: 0.5.0\nkind: nvidia.com/gpu\n")
    assert gpus.find_method(StandIn(Runtimes=runtimes, CDISpecDirs=directories)) == "cdi"


YAML = """\
---
cdiVersion: 0.5.0
containerEdits:
  hooks:
  - args: [nvidia-cdi-hook, create-symlinks]
    hookName: createContainer
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: "0"
- containerEdits: {}
  name: GPU-5f7c1a3e
- name: all
kind: nvidia.com/gpu
"""


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("nvidia.yaml", YAML, {"0", "GPU-5f7c1a3e", "all"}),
        ("nvidia.yaml", YAML.replace("nvidia.com/gpu", "vendor.com/net"), set()),
        (
            "nvidia.json",
            json.dumps({"kind": "nvidia.com/gpu", "devices": [{"name": "0:1"}, {"name": "all"}]}, indent=2),
            {"0:1", "all"},
        ),
    ],
)
def test_names_in_a_specification(tmp_path: Path, file: str, text: str, expected: set[str]) -> None:
    (tmp_path / file).write_text(text)
    assert gpus.cdi_names(StandIn(CDISpecDirs=[str(tmp_path), str(tmp_path / "none")])) == expected


def test_engine_without_a_way_is_named() -> None:
    assert gpus.choose((), "auto", StandIn()) == []
    with pytest.raises(OperatorError, match="nvidia_container_toolkit"):
        gpus.choose(("all",), "auto", StandIn())
    assert gpus.choose(("all",), "runtime", StandIn())[0] == "--runtime"


def test_hash_names_the_gpus_and_not_how_they_come(make_settings: MakeSettings) -> None:
    account = Account("ada", 1234, 1235, "/home/ada")
    without = settings_hash(make_settings(), account)
    assert settings_hash(make_settings(gpus="none"), account) == without
    assert settings_hash(make_settings(gpus="all"), account) != without
    assert settings_hash(make_settings(gpus=[0, 1]), account) == settings_hash(make_settings(gpus="0,1"), account)
