# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine: a directory with a scratch C:\\ and a state."""

from __future__ import annotations

import copy
import fcntl
import json
import os
import stat
import sys
import typing as t
from contextlib import contextmanager
from pathlib import Path

State = dict[str, t.Any]

# Windows 11 23H2, nothing installed, ada at the desktop. A test changes what it is about.
FRESH: State = {
    "windows": {
        "version": "10.0.22631.0",
        "product_type": "workstation",
        "edition": "Professional",
        "memory_mb": 16384,
        "connects_as": "Administrator",
    },
    "virtualization": True,
    "reboot_pending": False,
    # Whether ada is logged on again after a restart.
    "logs_on_again": True,
    "logged_on": ["ada"],
    "profiles": ["ada", "Public"],
    "drives": ["C"],
    "listeners": [],
    "features": {
        "Microsoft-Windows-Subsystem-Linux": "Disabled",
        "VirtualMachinePlatform": "Disabled",
        "Microsoft-Hyper-V": "Disabled",
        "Containers": "Disabled",
    },
    "services": {"LanmanServer": "manual"},
    "groups": {"docker-users": []},
    "wsl": "0",
    # What the internet holds: a URL, and the text of the file there.
    "urls": {"https://desktop.example/installer.exe": "Docker Desktop 4.88.0"},
    "scheduled_tasks": {},
    "firewall_rules": {},
    "desktop": {"backend": "", "runs": False, "loaded": {}, "user": ""},
    # Those of Docker Hub and the like.
    "registry": ["alpine", "docker.io/library/debian:trixie-slim"],
    "images": {},
    "containers": {},
    # What goes wrong, by program: {"run": "hang"}; docker.py and programs.py know which.
    "faults": {},
}
# The same with Docker Desktop in use, as an earlier run left it.
INSTALLED: State = {
    "features": {"Microsoft-Windows-Subsystem-Linux": "Enabled", "VirtualMachinePlatform": "Enabled"},
    "services": {"LanmanServer": "auto"},
    "wsl": "2.3.26",
    "desktop": {
        "version": "4.88.0",
        "backend": "wsl-2",
        "runs": True,
        "user": "ada",
        "loaded": {"WslEngineEnabled": True},
    },
}


class ModuleError(Exception):
    """What a module says when it fails, with what else it returns."""

    def __init__(self, message: str, **more: t.Any) -> None:
        super().__init__(message)
        self.more = more


class Machine:
    def __init__(self, root: Path | None = None) -> None:
        self.root = root or Path(os.environ["WINDOWS_ROOT"])
        # Of the programs that a task runs.
        self.environment: dict[str, str] = {}

    def path(self, name: str) -> Path:
        """C:\\Users\\Ada in the directory, as it is spelled there; what does not exist keeps the given spelling."""
        drive, separator, rest = name.replace("/", "\\").partition(":\\")
        if not separator:
            raise ModuleError(f"{name} is no absolute path of Windows")
        found = self.root / drive.lower()
        for part in filter(None, rest.split("\\")):
            found /= next(
                (entry for entry in _names(found) if entry.casefold() == part.casefold()),
                part,
            )
        return found

    def name(self, path: Path) -> str:
        drive, *rest = path.relative_to(self.root).parts
        return "\\".join([f"{drive.upper()}:", *rest])

    @contextmanager
    def state(self) -> t.Iterator[State]:
        """The state, to look at and to change; programs of one machine may run at the same time."""
        with (self.root / "state.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self.root / "state.json"
            state = json.loads(file.read_text())
            yield state
            file.write_text(json.dumps(state, indent=1))

    def fault(self, program: str) -> str:
        with self.state() as state:
            return str(state["faults"].get(program, ""))

    def note(self, *call: str) -> None:
        with (self.root / "calls.jsonl").open("a") as calls:
            calls.write(json.dumps(call) + "\n")

    def add_program(self, path: str, module: str, version: str = "") -> None:
        """A program of Windows: a script that runs a module of this package."""
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\n# version {version}\nexec "$WINDOWS_ROOT/python" -S -m simulation.{module} "$@"\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def add_file(self, path: str, content: bytes | str) -> None:
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def merged(base: State, changes: State) -> State:
    result = copy.deepcopy(base)
    for key, value in changes.items():
        # What Docker Desktop has in memory is one thing, of which a test says the whole.
        both = isinstance(value, dict) and isinstance(result.get(key), dict) and key != "loaded"
        result[key] = merged(result[key], value) if both else value
    return result


def create(root: Path, plan: State, python: str) -> None:
    """Make a machine. The plan: its state, whether Docker Desktop is installed, and files by their Windows paths."""
    from . import desktop

    root.mkdir(parents=True)
    machine = Machine(root)
    state = merged(merged(FRESH, INSTALLED) if plan.get("installed") else FRESH, plan.get("state", {}))
    (root / "state.json").write_text(json.dumps(state))
    interpreter = root / "python"
    # Ansible runs this one: modules and programs learn from it which machine they are on.
    package = Path(__file__).parents[1]
    interpreter.write_text(
        f'#!/bin/sh\nexport WINDOWS_ROOT="$(dirname "$0")" PYTHONPATH="{package}"\nexec "{python}" "$@"\n'
    )
    interpreter.chmod(0o755)
    for drive in state["drives"]:
        (root / drive.lower()).mkdir()
    for user in state["profiles"]:
        machine.path(f"C:\\Users\\{user}\\AppData\\Roaming").mkdir(parents=True)
    for program in ("schtasks", "systeminfo", "tasklist", "winget", "wsl"):
        machine.add_program(f"C:\\Windows\\System32\\{program}.exe", f"programs {program}")
    if state["wsl"] != "0":
        machine.add_program("C:\\Program Files\\WSL\\wsl.exe", "programs wsl")
    if plan.get("installed"):
        machine.path("C:\\work").mkdir()
        desktop.unpack(machine, state["desktop"].get("folder", desktop.ALL_USERS), state["desktop"]["version"])
        desktop.save(machine, state["desktop"])
    for path, content in plan.get("files", {}).items():
        machine.add_file(path, content)


if __name__ == "__main__":
    create(Path(sys.argv[1]), json.load(sys.stdin), sys.executable)
