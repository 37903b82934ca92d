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
    """Variables of roles, and what tasks say, evaluated by Ansible: the process of evaluate.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def evaluate(self, role: Path, name: str, **given: Any) -> Any:
        """A variable of the role in this directory, where those that are given are set."""
        return self.text(role, "{{ " + name + " }}", **given)

    def text(self, role: Path, template: str, **given: Any) -> Any:
        """The same of any template."""
        return self._ask(role=str(role), template=template, given=given)

    def say(self, path: Path, task: str, role: Path | None = None, **given: Any) -> str | None:
        """What the task of that name prints or fails with; None where its conditions do not hold.

        It sees the variables of the play and the blocks that it is in, those of the role, and those that are given.
        """
        said = self._ask(path=str(path), task=task, role=str(role or ""), given=given)
        return None if said is None else " ".join(said.split())

    def _ask(self, **question: Any) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())
