# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROLES = Path(__file__).resolve().parents[3] / "roles"


class Evaluator:
    """The variables of roles, evaluated by Ansible: the process of evaluate.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def evaluate(self, role: Path, name: str, **given: Any) -> Any:
        """A variable of the role in this directory, where those that are given are set."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"role": str(role), "name": name, "given": given}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())
