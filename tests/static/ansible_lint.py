# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-lint, which starts ansible-playbook for every playbook and role, as a program that starts it once.

Where that finds an error, ansible-lint looks for it one by one, as it always does, and says what it always says.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from typing import Any
from unittest import mock

import yaml
from ansiblelint import runner
from ansiblelint.__main__ import main
from ansiblelint.file_utils import Lintable


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


if __name__ == "__main__":
    with mock.patch.object(runner, "Runner", Runner):
        sys.exit(main(sys.argv))
