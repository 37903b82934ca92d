# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doubles of the modules that run programs, and of the one that asks a server."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
import typing as t

from . import desktop
from .jobs import Program
from .machine import Machine, ModuleError

Params = dict[str, t.Any]
Result = dict[str, t.Any]


def win_command(machine: Machine, params: Params, check: bool) -> Result | Program:
    if params["creates"] and machine.path(params["creates"]).exists():
        return {"changed": False, "skipped": True, "msg": f"skipped, since {params['creates']} exists"}
    if params["stdin"]:
        raise ModuleError("the double of win_command knows no stdin")
    argv = params["argv"] or shlex.split(params["cmd"] or params["_raw_params"])
    program = argv[0] if ":\\" in argv[0] else f"C:\\Windows\\System32\\{argv[0]}"
    if not machine.path(program).is_file():
        raise ModuleError(f"Failed to run: '{' '.join(argv)}': The system cannot find the file specified", rc=2)
    # Files, because nobody reads a pipe until the program has ended.
    stdout, stderr = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115 - open until the program has ended
    process = subprocess.Popen(
        [machine.path(program), *argv[1:]],
        cwd=machine.path(params["chdir"]) if params["chdir"] else None,
        env=os.environ | machine.environment | {"WINDOWS_ROOT": str(machine.root)},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )

    def result() -> Result:
        said = [_text(stdout), _text(stderr)]
        found = {"changed": True, "rc": process.returncode, "cmd": shlex.join(argv)}
        for name, text in zip(("stdout", "stderr"), said, strict=True):
            found |= {name: text, f"{name}_lines": text.splitlines()}
        return found | ({"failed": True, "msg": "non-zero return code"} if process.returncode else {})

    return Program(process, result)


def _text(file: t.IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def win_package(machine: Machine, params: Params, check: bool) -> Result:
    there = bool(params["creates_path"]) and machine.path(params["creates_path"]).exists()
    with machine.state() as state:
        if there and params["creates_version"]:
            there = state["desktop"].get("version") == params["creates_version"]
        if there:
            return {"changed": False, "reboot_required": False}
        words = params["arguments"]
        if not machine.path(params["path"]).is_file():
            raise ModuleError(f"Cannot find path '{params['path']}' because it does not exist.")
        if check:
            return {"changed": True, "reboot_required": False}
        machine.note("win_package", params["path"], *(words or []))
        if params["path"].endswith(".msi"):
            state["wsl"] = "2.3.26"
            machine.add_program("C:\\Program Files\\WSL\\wsl.exe", "programs wsl")
            return {"changed": True, "reboot_required": False}
        version = machine.path(params["path"]).read_text().removeprefix("Docker Desktop ")
        code = int(state["faults"].get("installer", "0"))
        if code not in params["expected_return_code"]:
            raise ModuleError(f"unexpected rc from '{params['path']}': {code}", rc=code)
        desktop.install(machine, state, words, version)
    # As the real one: without the word, Ansible takes any code but 0 for a failure.
    return {"changed": True, "failed": False, "rc": code, "reboot_required": code == 3010}


def win_chocolatey(machine: Machine, params: Params, check: bool) -> Result:
    with machine.state() as state:
        wanted = params["version"] or "4.88.0"
        found = state["desktop"].get("version")
        if found == wanted or (found and params["state"] == "present"):
            return {"changed": False}
        if not check:
            desktop.install(machine, state, ["install", *params["install_args"].split()], wanted)
    return {"changed": True}


def win_uri(machine: Machine, params: Params, check: bool) -> Result:
    """What a notebook answers that is healthy, and publishes the port of the URL."""
    port, _separator, path = params["url"].split(":")[-1].partition("/")
    with machine.state() as state:
        open_to_all = state["faults"].get("notebook") == "lets strangers in"
        serving = [
            container
            for container in state["containers"].values()
            if container["Running"]
            and container["health"] == "healthy"
            and f":{port}:8888" in f":{container['publish']}"
        ]
    if not serving:
        raise ModuleError("Unable to connect to the remote server", status_code=-1)
    code = 200 if path == "api" or open_to_all else 403
    if code not in params["status_code"]:
        raise ModuleError(f"Status code of request '{code}' is not in list of valid status codes", status_code=code)
    return {"changed": False, "status_code": code, "url": params["url"]}
