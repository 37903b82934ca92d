# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-lint, less the work that it does again and again: it finds the same in a third of the time.

It starts ansible-playbook for every playbook and role; here it starts it once. Where that finds an error, ansible-lint
looks for it one by one, as it always does, and says what it always says. Each rule gets a copy of every task, down to
the letters that nothing can change; and the patterns for kinds of files are compiled for every file.
"""

from __future__ import annotations

import copy
import functools
import subprocess
import sys
import tempfile
from collections.abc import MutableMapping
from contextlib import ExitStack
from typing import Any
from unittest import mock

import yaml
from ansiblelint import runner, utils
from ansiblelint.__main__ import main
from ansiblelint.errors import MatchError
from ansiblelint.file_utils import Lintable
from ansiblelint.rules import AnsibleLintRule
from wcmatch import _wcparse


class Runner(runner.Runner):
    def _map_syntax_check_workers(self, worker: Any, files: list[Lintable]) -> Any:
        if self.all_are_loaded(files):
            # With all that they import, which ansible-lint would ask for again.
            mock.patch.object(self.app.runtime, "has_playbook", return_value=True).start()
            return []
        return super()._map_syntax_check_workers(worker, files)

    def all_are_loaded(self, files: list[Lintable]) -> bool:
        roles = [str(file.path.absolute()) for file in files if file.kind == "role"]
        plays = [{"hosts": "localhost", "tasks": [{"ansible.builtin.import_role": {"name": role}}]} for role in roles]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as of_roles:
            yaml.safe_dump(plays, of_roles)
            of_roles.flush()
            playbooks = [str(file.path) for file in files if file.kind == "playbook"]
            command = ["ansible-playbook", "--syntax-check", of_roles.name, *playbooks]
            done = subprocess.run(command, env=self.app.runtime.environ, capture_output=True, check=False)
        return done.returncode == 0


def copied(value: Any) -> Any:
    """Its mappings and lists are new, and of the same types; what they hold are texts and numbers."""
    if isinstance(value, MutableMapping):
        mapping = copy.copy(value)
        for key, inner in value.items():
            mapping[key] = copied(inner)
        return mapping
    if isinstance(value, list):
        items = copy.copy(value)
        items[:] = map(copied, value)
        return items
    return value


def sanitize_task(task: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return utils._remove_task_internal_keys(copied(task))


def match_lines(rule: AnsibleLintRule, file: Lintable) -> list[MatchError]:
    """A rule that has nothing to say of a line is not asked."""
    return [] if type(rule).match is AnsibleLintRule.match else LINES(rule, file)


def match_tasks(rule: AnsibleLintRule, file: Lintable) -> list[MatchError]:
    """Nor is one of a task. That a task cannot be read at all, each of the others says."""
    return [] if type(rule).matchtask is AnsibleLintRule.matchtask else TASKS(rule, file)


LINES, TASKS = AnsibleLintRule.matchlines, AnsibleLintRule.matchtasks
LESS_WORK = (
    (runner, "Runner", Runner),
    (utils, "_sanitize_task", sanitize_task),
    (AnsibleLintRule, "matchlines", match_lines),
    (AnsibleLintRule, "matchtasks", match_tasks),
    (_wcparse, "compile", functools.cache(_wcparse.compile)),
)

if __name__ == "__main__":
    with ExitStack() as stack:
        for owner, name, instead in LESS_WORK:
            stack.enter_context(mock.patch.object(owner, name, instead))
        sys.exit(main(sys.argv))
