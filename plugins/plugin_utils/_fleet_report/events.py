# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of ansible-playbook did or would do, from the events that ansible.posix.jsonl prints, a line each.

Only names of tasks, and what a changed or failed task says to the operator, are kept: the rest may hold anything.
"""

from __future__ import annotations

import json
import typing as t

_LONGEST = 500
_DEBUG = ("ansible.builtin.debug", "debug")


class Events:
    def __init__(self) -> None:
        self.is_complete = False
        self._hosts: dict[str, dict[str, t.Any]] = {}

    def take(self, line: str) -> None:
        """A line that is no event, such as a warning, is nobody's business here."""
        try:
            event = json.loads(line)
        except ValueError:
            return
        kind = event.get("_event") if isinstance(event, dict) else None
        if kind == "v2_playbook_on_stats":
            self._finish(event["stats"])
        elif kind in ("v2_runner_on_ok", "v2_runner_on_failed", "v2_runner_on_unreachable"):
            for name, result in (event.get("hosts") or {}).items():
                self._note(self._of(name), kind, event["task"]["name"], result)

    def hosts(self) -> dict[str, dict[str, t.Any]]:
        return self._hosts

    def _of(self, name: str) -> dict[str, t.Any]:
        return self._hosts.setdefault(name, {"changes": [], "failed": [], "unreachable": False})

    @staticmethod
    def _note(host: dict[str, t.Any], kind: str, task: str, result: dict[str, t.Any]) -> None:
        if kind == "v2_runner_on_unreachable":
            host["unreachable"] = True
        elif kind == "v2_runner_on_failed":
            host["failed"].append({"task": task, "note": _short(result.get("msg"))})
        elif result.get("changed"):
            # The roles say by debug, which changes nothing, what they would do and cannot show in check mode.
            note = _short(result.get("msg")) if result.get("action") in _DEBUG else ""
            host["changes"].append({"task": task, "note": note})

    def _finish(self, stats: dict[str, dict[str, int]]) -> None:
        self.is_complete = True
        for name, counts in stats.items():
            host = self._of(name)
            if not counts.get("failures"):
                # Failures that were rescued or ignored are none.
                host["failed"] = []
            host["unreachable"] = bool(counts.get("unreachable"))


def _short(message: t.Any) -> str:
    said = message if isinstance(message, str) else "" if message is None else json.dumps(message, default=str)
    said = " ".join(said.split())
    return said if len(said) <= _LONGEST else said[:_LONGEST] + " …"
