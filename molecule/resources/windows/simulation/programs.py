# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs of Windows that the role runs."""

from __future__ import annotations

import os
import sys
import time

from . import desktop
from .machine import Machine


def hang() -> None:
    """Longer than any deadline of a test; bounded, so that nothing is left behind for long."""
    time.sleep(100)
    # On a busy controller, async_wrapper misses what began before it made the process group; the role does not wait.
    if not (Machine().root / "outcome.json").exists():
        Machine().note("hung for 100 seconds, and nobody ended it")
    sys.exit(1)


def tasklist(machine: Machine, _arguments: list[str]) -> None:
    fault = machine.fault("tasklist")
    if fault == "hang":
        hang()
    with machine.state() as state:
        if fault == "after stop" and state["desktop"].get("asked_to_stop"):
            sys.exit("ERROR: Server execution failed")
        found = [("explorer.exe", user, "N/A") for user in state["logged_on"]]
        if state["desktop"]["runs"]:
            program = state["desktop"].get("shown_as", "Docker Desktop.exe")
            found.append((program, state["desktop"]["user"], 'Containers, "all" - Docker Desktop'))
    if not found:
        print("INFO: No tasks are running which match the specified criteria.")
    for number, (image, user, title) in enumerate(found):
        print(f'"{image}","{1000 + number}","Console","1","120,404 K","Running","LAB-PC\\{user}","0:00:12","{title}"')


def schtasks(machine: Machine, arguments: list[str]) -> None:
    name = arguments[arguments.index("/TN") + 1]
    with machine.state() as state:
        task = state["scheduled_tasks"].get(name)
        if task is None:
            sys.exit("ERROR: The system cannot find the file specified.")
        # An interactive token does nothing for a user who is not there, and schtasks says SUCCESS nevertheless.
        user = task["username"].split("\\")[-1]
        if user in state["logged_on"] and task["logon_type"] == "interactive_token":
            desktop.start(machine, state, user)
    print(f'SUCCESS: Attempted to run the scheduled task "{name}".')


def systeminfo(machine: Machine, _arguments: list[str]) -> None:
    with machine.state() as state:
        answer = "Yes" if state["virtualization"] else "No"
    print(f"Host Name:  LAB-PC\nHyper-V Requirements:  VM Monitor Mode Extensions: Yes\n{' ' * 24}", end="")
    print(f"Virtualization Enabled In Firmware: {answer}")


def wsl(machine: Machine, arguments: list[str]) -> None:
    fault = machine.fault("wsl")
    if fault == "hang":
        hang()
    if {"--install", "--update"} & set(arguments):
        if fault == "offline":
            sys.exit("The server name or address could not be resolved  Error code: Wsl/UpdatePackage/0x80072ee7")
        with machine.state() as state:
            state["wsl"] = "2.3.26"
        machine.add_program("C:\\Program Files\\WSL\\wsl.exe", "programs wsl")
        return
    with machine.state() as state:
        text = f"WSL-Version: {state['wsl']}.0\nKernelversion: 5.15.167.4-1\n"
    sys.stdout.buffer.write(text.encode("utf-8" if os.environ.get("WSL_UTF8") == "1" else "utf-16-le"))


def winget(machine: Machine, arguments: list[str]) -> None:
    if machine.fault("winget") == "missing":
        sys.exit("The file cannot be accessed by the system.")
    words = arguments[arguments.index("--override") + 1].split()
    version = arguments[arguments.index("--version") + 1] if "--version" in arguments else "4.88.0"
    with machine.state() as state:
        desktop.install(machine, state, words, version)


if __name__ == "__main__":
    program, *rest = sys.argv[1:]
    machine = Machine()
    machine.note(program, *rest)
    {"schtasks": schtasks, "systeminfo": systeminfo, "tasklist": tasklist, "winget": winget, "wsl": wsl}[program](
        machine, rest
    )
