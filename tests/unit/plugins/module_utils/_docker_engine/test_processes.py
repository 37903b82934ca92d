# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import processes

SHIM = ("-namespace", "moby", "-id", "4be1", "-address", "/run/containerd/containerd.sock")


def test_engine(proc: t.Any) -> None:
    proc.add(1, "systemd")
    proc.add(812, "dockerd", "-H", "fd://", exe="/usr/sbin/dockerd")
    assert processes.find_engine(str(proc.root)) == processes.Process(812, 1795220000 + 123.45, "/usr/sbin/dockerd")


def test_no_engine(proc: t.Any) -> None:
    proc.add(900, "dockerd-rootless-wrapper")
    assert processes.find_engine(str(proc.root)) is None


def test_engine_inside_a_container_is_none_of_ours(proc: t.Any) -> None:
    proc.add(813, "dockerd", namespace="pid:[2]")
    assert processes.find_engine(str(proc.root)) is None


def test_running_containers_are_counted_by_their_shims(proc: t.Any) -> None:
    proc.add(1000, "containerd-shim-runc-v2", *SHIM)
    proc.add(1001, "containerd-shim-runc-v2", *SHIM)
    proc.add(1002, "containerd-shim-runc-v2", "-namespace", "k8s.io")
    proc.add(1003, "containerd-shim-runc-v2", *SHIM, namespace="pid:[2]")
    assert processes.count_running_containers(str(proc.root)) == 2


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [("000001ffffffffff", 1073741816), ("00000000a80425fb", 20000)],
    ids=["with CAP_SYS_RESOURCE", "without"],
)
def test_highest_limit_of_open_files(proc: t.Any, capabilities: str, expected: int) -> None:
    limits = "Limit                     Soft Limit           Hard Limit           Units     \n"
    limits += "Max open files            1024                 20000                files     \n"
    proc.add(1, "systemd", status=f"Name:\tsystemd\nCapBnd:\t{capabilities}\n", limits=limits)
    (proc.directory / "sys/fs").mkdir(parents=True)
    (proc.directory / "sys/fs/nr_open").write_text("1073741816\n")
    assert processes.highest_open_files(str(proc.root)) == expected


def test_lower_limit_of_whoever_starts_the_engine(proc: t.Any) -> None:
    """The first process is no service manager, and the session that will start the engine has less than it."""
    line = "Max open files            1024                 {}                files     \n"
    proc.add(1, "init", status="CapBnd:\t000001fffeffffff\n", limits=line.format(32768))
    (proc.directory / "self/limits").write_text(line.format(20000))
    assert processes.highest_open_files(str(proc.root)) == 20000
