# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy over a slow line gives its turn to others, and loses nothing."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE, Role

SECONDS = 2
SIZE = 60_000_000
C_LOCALE = {**os.environ, "LC_ALL": "C"}


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync copies")
def test_slow_copy_is_ended_and_the_next_goes_on(role: Role, tmp_path: Path) -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "transfer.yml").read_text(encoding="utf-8"))
    (throttled,) = [task["gpulab.workstation.throttled"] for task in tasks if "Copy" in task["name"]]
    template = throttled["task"]["ansible.posix.synchronize"]["rsync_path"]
    # As ssh does it, with the same shell and no network.
    shell, archive, arrived = tmp_path / "ssh", tmp_path / "archive", tmp_path / "arrived"
    shell.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    shell.chmod(0o755)
    archive.write_bytes(os.urandom(SIZE))

    def copy(seconds: int, *more: str) -> subprocess.CompletedProcess[str]:
        remote = template.replace("{{ keras_image_transfer_timeout }}", str(seconds))
        command = ["rsync", "--partial", "--stats", f"--rsh={shell}", f"--rsync-path={remote}", *more]
        return subprocess.run(
            [*command, str(archive), f"lab01:{arrived}"], capture_output=True, text=True, env=C_LOCALE, check=False
        )

    done = copy(SECONDS, "--bwlimit=10m")
    said = role.evaluate(
        "__keras_image_transfer_trouble",
        __keras_image_transfer={"rc": done.returncode, "msg": done.stderr},
        keras_image_transfer_timeout=SECONDS,
    )
    assert f"did not end within {SECONDS} s (keras_image_transfer_timeout)" in said, done.stderr
    assert 0 < arrived.stat().st_size < SIZE
    done = copy(60)
    assert done.returncode == 0, done.stderr
    assert "Matched data: 0 " not in done.stdout
    assert filecmp.cmp(archive, arrived, shallow=False)
