# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every lint tool over the whole tree; a failure shows what the tool said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.static.tree import programs, run

# Programs without a suffix are found by their first line; the tools see the others by themselves.
SCRIPTS = [path for path in programs(r"python3?") if path.suffix != ".py"]
TOOLS: dict[str, list[str | Path]] = {
    "ansible-lint": [sys.executable, "tests/static/ansible_lint.py", "--offline", "--strict"],
    "mypy": ["mypy", "--scripts-are-modules", ".", *SCRIPTS],
    "yamllint": ["yamllint", "--strict", "."],
    "ruff": ["ruff", "check", ".", *SCRIPTS],
    "ruff format": ["ruff", "format", "--check", "--diff", ".", *SCRIPTS],
    "shellcheck": ["shellcheck", *programs("(ba)?sh")],
    "antsibull-changelog": ["antsibull-changelog", "lint"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_lint(tool: str) -> None:
    run(*TOOLS[tool])
