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
    """What Ansible says of a variable that it cannot evaluate."""


class Evaluator:
    """The variables of roles, evaluated by Ansible: the process of evaluate.py."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def evaluate(self, role: Path, name: str, templates: dict[str, Any] | None = None, /, **given: Any) -> Any:
        """A variable of the role in this directory, or an expression, where those that are given are set.

        The variables of `templates` hold templates, as those of a task do.
        """
        assert self.process.stdin
        assert self.process.stdout
        question = {"role": str(role), "name": name, "given": given, "templates": templates or {}}
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise EvaluationError(answer["error"])
        return answer["value"]
