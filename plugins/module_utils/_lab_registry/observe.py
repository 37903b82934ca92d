# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files, what is in them, and space."""

from __future__ import annotations

import grp
import hashlib
import os
import stat
import typing as t


def files(paths: t.Iterable[str]) -> dict[str, dict[str, t.Any]]:
    """What is in each file (or directory), who may read it, and when it was written; empty and 0 where it is not."""
    found = {}
    for path in paths:
        try:
            status = os.stat(path)
            content = b"" if stat.S_ISDIR(status.st_mode) else _read(path)
        except OSError:
            found[path] = {"exists": False, "sha256": "", "mode": "", "group": "", "written": 0.0}
            continue
        found[path] = {
            "exists": True,
            "sha256": hashlib.sha256(content).hexdigest(),
            "mode": f"{stat.S_IMODE(status.st_mode):04o}",
            "group": _group(status.st_gid),
            "written": status.st_mtime,
        }
    return found


def accounts(path: str) -> list[str]:
    """Those of a file of htpasswd, which need not exist."""
    try:
        lines = _read(path).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [line.partition(":")[0] for line in lines if ":" in line and not line.startswith("#")]


def text(path: str) -> str:
    """A file of certificates is some KiB."""
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""


def space(path: str) -> dict[str, t.Any]:
    """Of the file system that has the path, or will have it. As df counts, without root's reserve."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    status = os.statvfs(path)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    free = status.f_bavail * status.f_frsize
    return {"free": free, "used": used, "percent": -(-100 * used // (used + free)) if used + free else 100}


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
