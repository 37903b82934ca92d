# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

BOOTED = 1795220000


class Proc:
    """A /proc of the test: only what is read of the real one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "proc"
        (self.directory / "self/ns").mkdir(parents=True)
        (self.directory / "self/ns/pid").symlink_to("pid:[1]")
        (self.directory / "stat").write_text(f"cpu 1 2 3\nbtime {BOOTED}\n")

    def add(self, pid: int, command: str, *arguments: str, namespace: str = "pid:[1]", **files: str) -> Path:
        process = self.directory / str(pid)
        (process / "ns").mkdir(parents=True)
        (process / "ns/pid").symlink_to(namespace)
        (process / "comm").write_text(command[:15] + "\n")
        (process / "cmdline").write_text("\0".join([command, *arguments]) + "\0")
        # Field 22 is the start, in ticks since boot; a command may contain blanks and parentheses.
        (process / "stat").write_text(f"{pid} ({command}) S" + " 0" * 18 + " 12345 0\n")
        (process / "exe").symlink_to(files.pop("exe", f"/usr/bin/{command}"))
        for name, text in files.items():
            (process / name).write_text(text)
        return process


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)
