# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.engine import (
    NOT_RUNNING,
    UNKNOWN,
    find_dockerd,
    running_engine,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.units import Word

CONFIG = "/etc/docker/daemon.json"


class Processes:
    """A /proc to put processes into."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.add("self", "python3")
        (root / "proc/sys/kernel/random").mkdir(parents=True)
        (root / "proc/sys/kernel/random/boot_id").write_text("b007\n")

    def add(
        self, pid: str, name: str = "dockerd", *arguments: str, namespace: int = 1, start: int = 500, uid: int = 0
    ) -> None:
        folder = self.root / "proc" / pid
        (folder / "ns").mkdir(parents=True)
        (folder / "ns/pid").symlink_to(f"pid:[{namespace}]")
        fields = ["S", *(["0"] * 18), str(start), "0"]
        (folder / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
        (folder / "status").write_text(f"Name:\t{name}\nUid:\t1000\t{uid}\t1000\t1000\n")
        (folder / "cmdline").write_text("\0".join(["/usr/bin/dockerd", *arguments, ""]))

    def engine(self, path: str = CONFIG) -> str:
        return running_engine(str(self.root), path)


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


def test_no_proc(tmp_path: Path) -> None:
    assert running_engine(str(tmp_path), CONFIG) == NOT_RUNNING


def test_other_processes(processes: Processes) -> None:
    processes.add("7", "containerd")
    processes.add("8", "a (dockerd) b")
    (processes.root / "proc/9").mkdir()
    assert processes.engine() == NOT_RUNNING


def test_rootless_engine_has_another_file(processes: Processes) -> None:
    processes.add("42", uid=1000)
    assert processes.engine() == NOT_RUNNING


def test_identity(processes: Processes) -> None:
    processes.add("42", "dockerd", "-H", "fd://", start=4711)
    assert processes.engine() == "b007:42:4711"


def test_engine_in_a_container(processes: Processes) -> None:
    processes.add("42", namespace=2)
    assert processes.engine() == NOT_RUNNING
    processes.add("43")
    assert processes.engine() == "b007:43:500"


@pytest.mark.parametrize("arguments", [["--config-file=/srv/d.json"], ["--config-file", "/srv/d.json"]])
def test_configuration_file_by_flag(processes: Processes, arguments: list[str]) -> None:
    processes.add("42", "dockerd", *arguments)
    assert processes.engine() == NOT_RUNNING
    assert processes.engine("/srv/d.json") == "b007:42:500"


def test_other_file_than_the_default(processes: Processes) -> None:
    processes.add("42")
    assert processes.engine("/srv/d.json") == NOT_RUNNING


def test_two_engines_for_one_file(processes: Processes) -> None:
    processes.add("42")
    processes.add("43")
    assert processes.engine() == UNKNOWN


def test_find_dockerd(tmp_path: Path) -> None:
    root = str(tmp_path)
    assert find_dockerd(root, []) is None
    for place in ("usr/sbin", "opt/docker"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "dockerd").write_text("#!/bin/sh\n")
    assert find_dockerd(root, []) is None  # not executable
    for place in ("usr/sbin", "opt/docker"):
        (tmp_path / place / "dockerd").chmod(0o755)
    assert find_dockerd(root, []) == f"{root}/usr/sbin/dockerd"
    assert find_dockerd(root, [Word("/opt/docker/dockerd", "unit", 1)]) == f"{root}/opt/docker/dockerd"
