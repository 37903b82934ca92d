# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker Desktop as far as the role meets it: programs, settings of two generations, start and stop."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

from .machine import Machine, State

ALL_USERS = "C:\\Program Files\\Docker\\Docker"


def unpack(machine: Machine, folder: str, version: str) -> None:
    machine.add_program(f"{folder}\\Docker Desktop.exe", "desktop", version)
    machine.add_program(f"{folder}\\resources\\bin\\docker.exe", "docker", version)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _file(machine: Machine, user: str, name: str) -> Path:
    return machine.path(f"C:\\Users\\{user}\\AppData\\Roaming\\Docker\\{name}")


def save(machine: Machine, desktop: State) -> None:
    """What it has in memory is what it writes, over what anybody else wrote meanwhile."""
    modern = numbers(desktop["version"]) >= (4, 35, 0)
    file = _file(machine, desktop["user"] or "ada", "settings-store.json" if modern else "settings.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(desktop["loaded"], indent=2))


def start(machine: Machine, state: State, user: str) -> None:
    """In the session of a user; it does not come up when its settings have a byte order mark."""
    desktop = state["desktop"]
    store, legacy = _file(machine, user, "settings-store.json"), _file(machine, user, "settings.json")
    modern = numbers(desktop["version"]) >= (4, 35, 0)
    source = store if modern and store.exists() else legacy
    raw = source.read_bytes() if source.exists() else b"{}"
    desktop |= {"runs": True, "user": user, "broken": raw.startswith(b"\xef\xbb\xbf")}
    if desktop["broken"]:
        return
    loaded: dict[str, t.Any] = json.loads(raw)
    if modern and source == legacy:
        # The first start of a new generation.
        loaded = {key[0].upper() + key[1:]: value for key, value in loaded.items()}
    desktop["loaded"] = {"SettingsVersion": 43, **loaded} if modern else loaded
    save(machine, desktop)
    for container in state["containers"].values():
        container["Running"] = container["Running"] or container["restarts"]


def stop(machine: Machine, state: State) -> None:
    save(machine, state["desktop"])
    state["desktop"]["runs"] = False
    for container in state["containers"].values():
        container["restarts"] = container["restarts"] and container["Running"]
        container["Running"] = False


def install(machine: Machine, state: State, words: list[str], version: str) -> None:
    """What the installer does with its arguments."""
    if words[0] != "install" or "--accept-license" not in words:
        sys.exit("The licence must be accepted, and nobody is there to do it.")
    user = "--user" in words
    folder = "C:\\Users\\ada\\AppData\\Local\\Programs\\DockerDesktop" if user else ALL_USERS
    unpack(machine, folder, version)
    backend = next((word.split("=")[1] for word in words if word.startswith("--backend=")), "wsl-2")
    state["desktop"] |= {"version": version, "backend": backend, "folder": folder}
