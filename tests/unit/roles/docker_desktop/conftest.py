# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator
from ansible_collections.gpulab.workstation.tests.unit.roles.player import Player

FOLDER = "C:\\Program Files\\Docker\\Docker"
ROAMING = "C:\\Users\\ada\\AppData\\Roaming\\Docker"
Play = Callable[..., Player]

# The operator's; a test changes what it is about.
WANTED: dict[str, Any] = {
    "docker_desktop_accept_license": True,
    "docker_desktop_target_user": "LAB\\ada",
    "docker_desktop_installer_url": "https://desktop.example/installer.exe",
    "docker_desktop_installer_sha256": "a" * 64,
    "docker_desktop_gpu_test": True,
}


@dataclasses.dataclass
class Machine:
    """What the role's looks find: Windows 11 with Docker Desktop in use, as an earlier run left it."""

    version: str = "4.88.0"
    files: tuple[str, ...] = ()
    windows: dict[str, Any] = dataclasses.field(default_factory=dict)
    edition: str = "Professional"
    firmware: str = "Yes"
    listeners: tuple[dict[str, Any], ...] = ()
    wsl: str = "2.3.26"
    logged_on: tuple[str, ...] = ("ada",)
    runs_for: tuple[str, ...] = ("ada",)
    program: str = "Docker Desktop.exe"
    containers: tuple[str, ...] = ()
    at_work: tuple[str, ...] = ()

    def exists(self, path: str) -> bool:
        there = {"C:\\Users", "C:\\Users\\ada", "C:\\work", *self.files}
        if self.version:
            there |= {f"{FOLDER}\\Docker Desktop.exe", f"{FOLDER}\\resources\\bin\\docker.exe"}
            there.add(f"{ROAMING}\\settings-store.json")
        if self.wsl != "0":
            there.add("C:\\Program Files\\WSL\\wsl.exe")
        return path in there

    def tasklist(self) -> dict[str, Any]:
        found = [("explorer.exe", user) for user in self.logged_on] + [(self.program, user) for user in self.runs_for]
        lines = [
            f'"{image}","{number}","Console","1","9 K","Running","LAB\\{user}","0:00:12","a, title"'
            for number, (image, user) in enumerate(found)
        ]
        return {"rc": 0, "stdout": "\n".join(lines), "stdout_lines": lines}

    def answers(self) -> dict[str, Any]:
        """Results of the role's looks, by the names of their tasks."""
        facts = {
            "distribution_version": "10.0.22631.0",
            "os_product_type": "workstation",
            "memtotal_mb": 16384,
            "user_id": "Administrator",
        }
        disks = [{"number": 0, "partitions": [{"drive_letter": None}, {"drive_letter": "C"}]}]
        top = [
            "PID   COMMAND",
            "1  /usr/bin/tini -g -- jupyter lab",
            "2  python3 /opt/keras/bin/jupyter-lab",
            *self.at_work,
        ]
        return {
            "preflight | Learn which Windows this is": {"ansible_facts": facts | self.windows},
            "preflight | Learn its edition": {"value": self.edition},
            "preflight | Learn which drives are on its own disks": {"ansible_facts": {"disks": disks}},
            "preflight | Learn who listens": {"ansible_facts": {"tcp_listen": list(self.listeners)}},
            "preflight | Look for what is there": lambda path: {"stat": {"exists": self.exists(path)}},
            "preflight | Learn its version": {"win_file_version": {"product_version": self.version}},
            "preflight | Learn the version of WSL": {"rc": 0, "stdout": f"WSL-Version: {self.wsl}.0\nKernel: 5.15.167"},
            "preflight | Ask for virtualization (the answer is read where Windows speaks English)": {
                "rc": 0,
                "stdout": f"Virtualization Enabled In Firmware: {self.firmware}",
            },
            "observe | List the processes of all sessions with a desktop": self.tasklist(),
            "observe | Ask the engine what runs in it": {"rc": 0, "stdout_lines": list(self.containers)},
            "observe | See whether anybody is at work in the notebook": {"rc": 0, "stdout_lines": top},
        }


FRESH: dict[str, Any] = {"version": "", "wsl": "0", "runs_for": ()}


@pytest.fixture
def play(evaluator: Evaluator) -> Play:
    """A player on such a machine, after these task files, in which preflight finds no fault: to look takes its time."""

    def prepare(*files: str, machine: dict[str, Any] | None = None, answers: Any = None, **wanted: Any) -> Player:
        given = {"inventory_hostname": "win01", "ansible_check_mode": False, **WANTED}
        given |= {name if name.startswith("_") else f"docker_desktop_{name}": value for name, value in wanted.items()}
        all_answers = Machine(**machine or {}).answers() | (answers or {})
        player = Player(evaluator, ROLES / "docker_desktop", all_answers, given)
        no_fault: dict[str, Any] = {"__docker_desktop_problems": []} if files else {}
        player.given |= no_fault
        for name in files:
            player.file(name)
        for name in no_fault:
            del player.given[name]
        return player

    return prepare
