# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs are stopped in time, with all that they started; files that cannot be read are nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import write_program
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(str(tmp_path), timeout=10, total=60)


def program(root: Path, *lines: str) -> None:
    write_program(root / "usr/bin/tool", ["#!/bin/sh", *lines])


def test_answer(system: System, tmp_path: Path) -> None:
    program(tmp_path, 'echo "$1 $LC_ALL"', "echo bad >&2", "exit 3")
    run = system.run("tool", "-L")
    assert (run.rc, run.stdout, run.stderr, run.problem, run.ref) == (3, "-L C\n", "bad\n", None, "tool -L")
    assert run.evidence() == {"source": "command", "ref": "tool -L", "rc": 3, "text": "-L C\nbad"}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_hanging_with_children(system: System, tmp_path: Path) -> None:
    """A child that ignores signals, and has the pipes, neither keeps us waiting nor lives on."""
    program(
        tmp_path, "echo before", "trap '' TERM", f"sh -c 'trap \"\" TERM; echo $$ > {tmp_path}/pid; sleep 60' &", "wait"
    )
    begin = time.monotonic()
    run = system.run("tool", timeout=1.0)
    assert time.monotonic() - begin < 40, "it waited for the sleep of the child"
    assert run.rc is None
    assert run.stdout == "before\n"
    assert run.problem
    assert "did not answer within 1 s" in run.problem
    child = int((tmp_path / "pid").read_text())
    # Killed, it may have to wait for a processor before it is gone.
    deadline = time.monotonic() + 20
    while is_alive(child):
        assert time.monotonic() < deadline, "the child of a probe that was given up runs on"
        time.sleep(0.05)


def test_child_that_outlives_it(system: System, tmp_path: Path) -> None:
    program(tmp_path, "sleep 60 &", "echo done")
    begin = time.monotonic()
    assert system.run("tool").stdout == "done\n"
    assert time.monotonic() - begin < 40, "it waited for the sleep of the child"


def test_endless_output(system: System, tmp_path: Path) -> None:
    program(tmp_path, "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done")
    run = system.run("tool", timeout=0.5)
    assert run.rc is None
    assert len(run.stdout) <= 9 * 1024 * 1024


def test_over_all_limit(tmp_path: Path) -> None:
    program(tmp_path, "echo never")
    run = System(str(tmp_path), timeout=10, total=0).run("tool")
    assert (run.rc, run.stdout) == (None, "")
    assert run.problem == "not run: the time for the whole look is over"


def test_no_program_of_the_real_host(system: System) -> None:
    run = system.run("sh", "-c", "exit 0")
    assert (run.rc, run.problem) == (None, "sh is not installed")


def test_cannot_start(system: System, tmp_path: Path) -> None:
    write_program(tmp_path / "usr/bin/tool", ["#!/no/such/interpreter"])
    problem = system.run("tool").problem
    assert problem
    assert problem.startswith("could not be started")


def test_files(system: System, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xff\n")
    assert system.read("/a") == "\ufffd\n"
    assert system.read("/none") is None
    assert system.read("/") is None
    assert system.read("/a\0b") is None
    assert system.names("/none") is None
    assert system.link("/a") is None


def test_device() -> None:
    node = System().node("/dev/null")
    assert node
    assert (node.is_device, node.major, node.minor) == (True, 1, 3)
    assert System().node("/dev/none") is None
    plain = System().node(os.path.realpath(__file__))
    assert plain
    assert not plain.is_device


def test_pipe_that_nobody_writes_to(system: System, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "spec.yaml")
    assert system.read("/spec.yaml") == ""


def test_files_of_the_kernel_are_read() -> None:
    """/proc/sys refuses one large request, where other files give what there is."""
    assert System().read("/proc/sys/kernel/osrelease") == os.uname().release + "\n"
