# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROLES = Path(__file__).resolve().parents[3] / "roles"


class EvaluationError(Exception):
    """What Ansible says of a template that it cannot evaluate."""


class Evaluator:
    """Variables of roles, and what tasks say, evaluated by Ansible: the process of evaluate.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def evaluate(self, role: Path, name: str, **given: Any) -> Any:
        """A variable of the role in this directory, where those that are given are set."""
        return self.text(role, "{{ " + name + " }}", **given)

    def text(self, role: Path, template: str, templates: dict[str, Any] | None = None, /, **given: Any) -> Any:
        """The same of any template. The variables of `templates` hold templates, as those of a task do."""
        return self._ask(role=str(role), template=template, given=given, templates=templates or {})

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
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise EvaluationError(answer["error"])
        return answer["value"]
