# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The builds of one host: one at a time, each run sees its own end, and runc may fail to start a step."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE, Role

(START, *_others) = yaml.safe_load((ROLE / "tasks" / "run.yml").read_text(encoding="utf-8"))


def build(context: Path, script: str) -> str:
    """The process that the role would watch."""
    command = shlex.join(["sh", "-c", script])
    task = re.sub(r"\{\{ __keras_image_run .*?\}\}", lambda _match: command, START["ansible.builtin.shell"]["cmd"])
    return subprocess.run(["sh", "-c", task], cwd=context, capture_output=True, text=True, check=True).stdout.strip()


def wait_for(seen: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 10
    while not seen():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_the_second_waits_and_each_sees_its_own_end(tmp_path: Path, role: Role) -> None:
    os.mkfifo(tmp_path / "gate")
    first = build(tmp_path, "echo one; cat gate; exit 3")
    wait_for(lambda: "one" in read(tmp_path / "build.log"), "the first build has no log")
    second = build(tmp_path, "echo two")
    wait_for(lambda: bool(read(tmp_path / f"build-{second}.log")), "the second build says nothing")
    said = read(tmp_path / f"build-{second}.log").splitlines()
    watch = {"stdout_lines": ["running", *said]}
    assert role.evaluate("__keras_image_build_progress", __keras_image_watch=watch) == (
        "waiting for another build on this machine"
    )
    assert (tmp_path / "build.log").readlink().name == f"build-{first}.log"
    (tmp_path / "gate").write_text("")
    wait_for(lambda: bool(read(tmp_path / f"build-{second}.status")), "the second build did not get its turn")
    assert read(tmp_path / f"build-{first}.status") == "3\n"
    assert read(tmp_path / f"build-{second}.status") == "0\n"
    assert read(tmp_path / f"build-{first}.log") == "one\n"
    assert read(tmp_path / "build.log") == "two\n"


LOST = "unable to start container process: waiting for init preliminary setup: read init-p: connection reset by peer"


FULL = "no space left on device"


@pytest.mark.parametrize(
    ("ends", "builds", "status"),
    [
        ([LOST], 2, "0\n"),
        ([LOST, LOST], 3, "0\n"),
        ([LOST] * 9, 3, "1\n"),
        ([FULL], 1, "1\n"),
        ([LOST, FULL], 2, "1\n"),
    ],
)
def test_a_step_that_never_began_is_begun_again(tmp_path: Path, ends: list[str], builds: int, status: str) -> None:
    """ends: what the first builds, which fail, say last."""
    (tmp_path / "ends").write_text("".join(f"#7 1.5 {end}\n" for end in ends))
    (tmp_path / "docker").write_text("""echo build >> builds; ! sed -n "$(wc -l < builds)p" ends | grep .""")
    process = build(tmp_path, "sh docker")
    wait_for(lambda: bool(read(tmp_path / f"build-{process}.status")), "the build does not end")
    assert read(tmp_path / f"build-{process}.status") == status
    assert len(read(tmp_path / "builds").splitlines()) == builds
    said = read(tmp_path / f"build-{process}.log")
    assert ("the same step once more" in said) is (builds > 1)
    assert (ends[builds - 1] in said) if status != "0\n" else (LOST not in said)
