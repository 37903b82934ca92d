# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the static tests share: which files there are, and how to run a tool over them."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.parents[1] for path in ROOT.glob("roles/*/tasks/main.yml"))

# The tools beside this Python, not others of the same name; and this clone's collection, not an installed one.
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "NO_COLOR": "1",
}


def attempt(
    *command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool, its errors among its output."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**ENVIRONMENT, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def run(*command: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None) -> str:
    """What a tool prints; where it fails, so does the test, with that as its message."""
    done = attempt(*command, cwd=cwd, env=env)
    if done.returncode:
        pytest.fail(f"{shlex.join(map(str, command))} (in {cwd}) says:\n{done.stdout}", pytrace=False)
    return done.stdout


@functools.cache
def files() -> tuple[Path, ...]:
    """What a commit of the working tree would hold, relative to the root, without the links."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    paths = map(Path, filter(None, listed.split("\0")))
    return tuple(sorted(path for path in paths if (ROOT / path).is_file() and not (ROOT / path).is_symlink()))


@functools.cache
def text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def programs(interpreter: str) -> list[Path]:
    """The files whose first line names this interpreter, a regular expression."""
    shebang = re.compile(rf"#!.*\b{interpreter}\n")
    return [path for path in files() if shebang.match(text(path))]
