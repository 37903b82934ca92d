# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook of the collection as an operator runs it, on the machines of a scenario."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple


class Said(NamedTuple):
    code: int
    text: str

    def changed(self, host: str) -> int:
        """How many tasks changed something there, by Ansible's own count."""
        found = re.search(rf"^{re.escape(host)} +: ok=\d+ +changed=(\d+) ", self.text, re.M)
        assert found, self.text
        return int(found.group(1))


def command(name: str | Path, *arguments: str) -> list[str]:
    """What runs it; `name` is that of a file in playbooks/, or the path of another one."""
    path = name if isinstance(name, Path) else Path("playbooks", f"{name}.yml")
    return ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], str(path), *arguments]


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "ANSIBLE_CONFIG": os.environ["MOLECULE_EPHEMERAL_DIRECTORY"] + "/ansible.cfg",
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
    }


def inventory_directory() -> Path:
    return Path(os.environ["MOLECULE_INVENTORY_FILE"]).parent


def start_playbook(name: str | Path, *arguments: str, timeout: float = 300) -> Said:
    """Run it, however it ends."""
    done = subprocess.run(
        command(name, *arguments),
        cwd=os.environ["MOLECULE_PROJECT_DIRECTORY"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Said(done.returncode, done.stdout)


def run_playbook(name: str | Path, *arguments: str, ends: int = 0, timeout: float = 300) -> Said:
    """See it end with that exit code, and return what it printed."""
    said = start_playbook(name, *arguments, timeout=timeout)
    assert said.code == ends, f"{name} ended with {said.code} and not {ends}:\n{said.text[-6000:]}"
    return said


def words(text: str) -> str:
    """Without line breaks, which YAML output puts anywhere."""
    return re.sub(r"\s+", " ", text)
