# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a loaded kernel module shows in /proc.

NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.126.09  Release Build  (builder)  Wed Jan  7 22:51:36
"""

from __future__ import annotations

import re
import typing as t

from . import pci

_VERSION = re.compile(r"NVRM version:.*?(Open )?Kernel Module(?: for \S+)?\s+(\d+(?:\.\d+)+)", re.ASCII)
_MAJOR = re.compile(r"\s*(\d{1,5}) (\S+)", re.ASCII)


class Version(t.NamedTuple):
    version: str
    flavor: str  # open, proprietary


class Information(t.NamedTuple):
    """One of /proc/driver/nvidia/gpus/*/information."""

    bus_id: str
    uuid: str | None
    minor: int | None
    model: str | None


def version(text: str) -> Version | None:
    found = _VERSION.search(text)
    return Version(found[2], "open" if found[1] else "proprietary") if found else None


def information(text: str) -> list[Information]:
    """Several of these files, one after the other."""
    found = []
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, _colon, value = line.partition(":")
        if name.strip() == "Model":
            fields = {}
        fields[name.strip()] = value.strip()
        # The bus has a colon of its own, and the minor number is what follows it.
        if name.strip() == "Device Minor":
            bus_id = pci.normalise(fields.get("Bus Location"))
            if bus_id:
                uuid = fields.get("GPU UUID", "")
                found.append(
                    Information(
                        bus_id,
                        uuid if uuid.startswith("GPU-") and "?" not in uuid else None,
                        int(value) if re.fullmatch(r"\s*\d{1,6}\s*", value, re.ASCII) else None,
                        fields.get("Model") or None,
                    )
                )
            fields = {}
    return found


def character_devices(text: str) -> dict[str, int]:
    """/proc/devices: the major number of each driver of character devices."""
    majors: dict[str, int] = {}
    for line in text.partition("Block devices:")[0].splitlines():
        found = _MAJOR.fullmatch(line.rstrip())
        if found:
            majors.setdefault(found[2], int(found[1]))
    return majors


def modules(text: str) -> frozenset[str]:
    """/proc/modules: the names of what is loaded."""
    return frozenset(line.split(" ", 1)[0] for line in text.splitlines() if line)
