# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Doubles of the modules that touch files."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import typing as t
from pathlib import Path

from .machine import Machine, ModuleError

Params = dict[str, t.Any]
Result = dict[str, t.Any]


def win_stat(machine: Machine, params: Params, check: bool) -> Result:
    path = machine.path(params["path"])
    stat: Result = {"exists": path.exists()}
    if path.exists():
        stat |= {"isdir": path.is_dir(), "path": machine.name(path)}
    if path.is_file() and params["get_checksum"]:
        stat["checksum"] = hashlib.new(params["checksum_algorithm"], path.read_bytes()).hexdigest()
    return {"changed": False, "stat": stat}


def win_file(machine: Machine, params: Params, check: bool) -> Result:
    path = machine.path(params["path"])
    if params["state"] == "directory":
        if path.is_file():
            raise ModuleError(f"path {params['path']} is not a directory")
        changed = not path.exists()
        if changed and not check:
            path.mkdir(parents=True)
    elif params["state"] == "absent":
        changed = path.exists()
        if changed and not check:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    else:
        raise ModuleError(f"the double of win_file knows no state {params['state']}")
    return {"changed": changed}


def win_copy(machine: Machine, params: Params, check: bool) -> Result:
    content = params["content"].encode() if params["src"] is None else Path(params["src"]).read_bytes()
    path = machine.path(params["dest"])
    if not path.parent.is_dir() and not check:
        raise ModuleError(f"Destination directory of {params['dest']} does not exist")
    changed = not path.is_file() or path.read_bytes() != content
    result: Result = {"changed": changed, "dest": params["dest"]}
    if changed and not check:
        if params["backup"] and path.is_file():
            backup = path.with_name(f"{path.name}.1.20260101-000000.bak")
            shutil.copy(path, backup)
            result["backup_file"] = machine.name(backup)
        path.write_bytes(content)
    return result


def slurp(machine: Machine, params: Params, check: bool) -> Result:
    path = machine.path(params["src"])
    if not path.is_file():
        raise ModuleError(f"Path {params['src']} is not found")
    return {"changed": False, "content": base64.b64encode(path.read_bytes()).decode(), "encoding": "base64"}


def win_get_url(machine: Machine, params: Params, check: bool) -> Result:
    path = machine.path(params["dest"])
    machine.note("win_get_url", params["url"])
    with machine.state() as state:
        text = state["urls"].get(params["url"])
    if text is None:
        raise ModuleError(
            f"Error downloading '{params['url']}': The remote name could not be resolved", status_code=None
        )
    found = hashlib.new(params["checksum_algorithm"], text.encode()).hexdigest()
    if params["checksum"] and found != params["checksum"]:
        raise ModuleError(f"The checksum for {params['url']} did not match '{params['checksum']}', it was '{found}'")
    if path.exists() and not params["force"]:
        return {"changed": False}
    # The real one also looks in check mode, where nobody has made the directory.
    if not path.parent.is_dir():
        raise ModuleError(f"The path of '{params['dest']}' does not exist, or is not visible to the current user.")
    if not check:
        machine.add_file(params["dest"], text)
    return {"changed": True}


def win_file_version(machine: Machine, params: Params, check: bool) -> Result:
    found = re.search(r"^# version (.*)$", machine.path(params["path"]).read_text(), re.M)
    version = found[1] if found else ""
    return {"changed": False, "win_file_version": {"product_version": version, "file_version": version}}
