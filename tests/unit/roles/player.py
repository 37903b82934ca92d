# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays a role's task files with given results of modules: which tasks run, and what the role says when one fails.

It knows the few words of a task that the played roles use, and refuses the others. The role's scenario shows that
Ansible does the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import EvaluationError, Evaluator

# These do not change which tasks run, or what is said.
WITHOUT_EFFECT = {"async", "poll", "timeout", "environment", "changed_when", "check_mode", "no_log", "retries", "delay"}
KNOWN = {
    "name",
    "when",
    "vars",
    "register",
    "failed_when",
    "until",
    "loop",
    "loop_control",
    "block",
    "rescue",
    "always",
}

Result = dict[str, Any]
Task = dict[str, Any]


class TaskError(Exception):
    """A task failed."""

    def __init__(self, name: str, result: Result) -> None:
        super().__init__(result.get("msg", ""))
        self.name = name
        self.result = result


class Player:
    """`answers` are the results of modules by the names of their tasks.

    One result, one for each try or item, or a function of the item.
    """

    def __init__(self, evaluator: Evaluator, role: Path, answers: dict[str, Any], given: dict[str, Any]) -> None:
        self.evaluator = evaluator
        self.role = role
        self.answers = {name: list(answer) if isinstance(answer, list) else answer for name, answer in answers.items()}
        self.given = given
        # Facts that have this value whatever the role makes them: random words.
        self.fixed: dict[str, Any] = {}
        self.ran: list[str] = []

    def said_by(self, name: str) -> str:
        """The failure of this task file, if it is one."""
        try:
            self.file(name)
        except TaskError as error:
            return str(error)
        return ""

    def file(self, name: str) -> None:
        for task in yaml.safe_load((self.role / "tasks" / name).read_text(encoding="utf-8")):
            self.task(task, {})

    def value(self, expression: str, templates: Task) -> Any:
        return self.evaluator.text(self.role, "{{ " + expression + " }}", templates, **self.given)

    def text(self, template: Any, templates: Task) -> Any:
        if isinstance(template, str) and "{" not in template:
            return template
        return self.value("__played", templates | {"__played": template})

    def holds(self, conditions: Any, templates: Task) -> bool:
        listed = conditions if isinstance(conditions, list) else [conditions]
        # A question costs a millisecond or more; most tasks have none.
        return all(
            condition if isinstance(condition, bool) else self.value(condition, templates) for condition in listed
        )

    def task(self, task: Task, templates: Task) -> None:
        templates = templates | task.get("vars", {})
        modules = task.keys() - KNOWN - WITHOUT_EFFECT
        assert len(modules) == ("block" not in task), f"{task.get('name')}: the player does not know {sorted(modules)}"
        # A condition is asked for each item.
        if "loop" not in task and not self.holds(task.get("when", True), templates):
            if "register" in task:
                self.given[task["register"]] = {"changed": False, "skipped": True}
            return
        if "block" in task:
            self.block(task, templates)
            return
        module = modules.pop()
        variable = task.get("loop_control", {}).get("loop_var", "item")
        for item in self.text(task["loop"], templates) if "loop" in task else [None]:
            if "loop" in task:
                self.given[variable] = item
                if not self.holds(task.get("when", True), templates):
                    continue
            self.ran.append(self.text(task["name"], templates))
            self.act(module.rpartition(".")[2], task[module], task, templates)

    def block(self, task: Task, templates: Task) -> None:
        try:
            for inner in task["block"]:
                self.task(inner, templates)
        except TaskError as error:
            if "rescue" not in task:
                raise
            self.given |= {"ansible_failed_result": error.result, "ansible_failed_task": {"name": error.name}}
            for inner in task["rescue"]:
                self.task(inner, templates)
        finally:
            for inner in task.get("always", []):
                self.task(inner, templates)

    def act(self, module: str, arguments: Any, task: Task, templates: Task) -> None:
        if module == "fail":
            raise TaskError(task["name"], {"failed": True, "msg": self.text(arguments["msg"], templates)})
        if module in ("include_tasks", "import_tasks"):
            self.file(self.text(arguments, templates))
        elif module == "set_fact":
            try:
                self.given |= self.text(arguments, templates) | self.fixed
            except EvaluationError as error:
                raise TaskError(task["name"], {"failed": True, "msg": str(error)}) from error
        elif module != "debug":
            self.run(task, templates)

    def run(self, task: Task, templates: Task) -> None:
        answer = self.answers.get(task["name"], {})
        # The tries of `until` end, however many there are: at a list's last, or after two.
        tries = len(answer) if isinstance(answer, list) else 2
        for _try in range(tries):
            found = (
                answer(self.given.get("item"))
                if callable(answer)
                else answer.pop(0)
                if isinstance(answer, list)
                else answer
            )
            result = {"changed": False, **found}
            self.given["ansible_facts"] = self.given.get("ansible_facts", {}) | result.get("ansible_facts", {})
            before = self.given.get(task.get("register", ""), {})
            if "register" in task:
                looped = {"results": [*before.get("results", []), {"item": self.given.get("item"), **result}]}
                self.given[task["register"]] = looped if "loop" in task else result
            if "until" not in task or self.holds(task["until"], templates):
                break
        failed = result.get("failed", False) or result.get("rc", 0) != 0
        if self.holds(task["failed_when"], templates) if "failed_when" in task else failed:
            raise TaskError(task["name"], {**result, "failed": True})
