# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of this package that keep a notebook running, as one executable file.

The supervisor outlives the run of Ansible that brought it, so it cannot use the copy in a module's payload. One file
is replaced in one step: a supervisor that starts meanwhile sees the old version or the new one, never some of each.
"""

from __future__ import annotations

import io
import pkgutil
import zipfile

# Imported so that Ansible sends along what is packed here.
from . import cli

PACKAGE = "jupyter_supervisor"
PARTS = {
    "_jupyter": (
        "__init__",
        "backup",
        "certificate",
        "cli",
        "container",
        "control",
        "directories",
        "engine",
        "errors",
        "files",
        "gpus",
        "journal",
        "layout",
        "mounts",
        "network",
        "records",
        "removal",
        "restic",
        "server",
        "settings",
        "status",
        "supervisor",
    ),
    "_untrusted": ("__init__", "child", "files", "shape", "user", "web"),
}
ENTRY = cli.main.__name__
MAIN = f"import sys\n\nfrom {PACKAGE}._jupyter.cli import {ENTRY}\n\nsys.exit({ENTRY}(sys.argv[1:]))\n"
# The earliest that the format knows: the same parts make the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def build() -> bytes:
    """An executable archive, as Python's own zipapp makes them."""
    members = {"__main__.py": MAIN.encode(), f"{PACKAGE}/__init__.py": b""}
    above = str(__package__).rpartition(".")[0]
    for package, parts in PARTS.items():
        for part in parts:
            source = pkgutil.get_data(f"{above}.{package}", f"{part}.py")
            if source is None:
                raise FileNotFoundError(f"{above}.{package} comes without the source of {part}")
            members[f"{PACKAGE}/{package}/{part}.py"] = source
    file = io.BytesIO()
    file.write(b"#!/usr/bin/python3\n")
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return file.getvalue()
