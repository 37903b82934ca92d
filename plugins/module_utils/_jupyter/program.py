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
PARTS = (
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
    "records",
    "removal",
    "restic",
    "server",
    "settings",
    "status",
    "supervisor",
)
MAIN = f"import sys\n\nfrom {PACKAGE}.cli import {cli.main.__name__}\n\nsys.exit({cli.main.__name__}(sys.argv[1:]))\n"
# The earliest that the format knows: the same parts make the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


def build() -> bytes:
    """An executable archive, as Python's own zipapp makes them."""
    members = {"__main__.py": MAIN.encode()}
    for part in PARTS:
        source = pkgutil.get_data(__package__, f"{part}.py")
        if source is None:
            raise FileNotFoundError(f"{__package__} comes without the source of {part}")
        members[f"{PACKAGE}/{part}.py"] = source
    file = io.BytesIO()
    file.write(b"#!/usr/bin/python3\n")
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return file.getvalue()
