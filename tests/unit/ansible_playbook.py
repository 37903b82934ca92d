# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook, as the tests' own Python has it, in the clone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def ansible_playbook(
    *arguments: str | Path, environment: Mapping[str, str], cwd: Path = ROOT, ends: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """See it end with that exit code (None: with any), and return what it printed."""
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ends is None or done.returncode == ends, done.stdout + done.stderr
    return done
