# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`nvidia-smi -L`: the only form that still lists the healthy GPUs beside a bad one.

    GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5d9e...)
      MIG 3g.40gb     Device  0: (UUID: MIG-63b2...)
    Unable to determine the device handle for gpu 1: GPU is lost.  Reboot the system to recover this GPU

Drivers from 560 on may write the bus id in place of the index. Exit code 0 with `No devices found.` is no success.
"""

from __future__ import annotations

import re
import typing as t

from . import pci, smi_text

# A Jetson's UUID has no prefix.
_GPU = re.compile(r"GPU (\d{1,4}): (.{0,200}?) \(UUID: ([0-9a-zA-Z][\w-]{7,80})\)\s*", re.ASCII)
_MIG = re.compile(r"\s+MIG (\S{1,40})\s+Device\s+(\d{1,4}): \(UUID: (MIG-[\w/-]{1,120})\)\s*", re.ASCII)
# `for gpu 1: GPU is lost`, `for GPU 0000:C1:00.0: ...`, and `for GPU0: 0000:C1:00.0: ...` of newer drivers.
_FAILED = re.compile(
    r"Unable to determine the device handle for gpu ?([0-9a-f:.]+)(?:: ([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]))?"
    r": (.{0,300})",
    re.ASCII | re.I,
)


class MigDevice(t.NamedTuple):
    number: int
    profile: str
    uuid: str


class Listed(t.NamedTuple):
    number: int
    name: str
    uuid: str
    mig: list[MigDevice]


class Failed(t.NamedTuple):
    """A GPU that the driver knows and cannot open."""

    number: int | None
    bus_id: str | None
    fault: str
    message: str


class Listing(t.NamedTuple):
    gpus: list[Listed]
    failed: list[Failed]
    none_found: bool


def parse(text: str) -> Listing:
    gpus: list[Listed] = []
    failed: list[Failed] = []
    for line in text.splitlines():
        gpu = _GPU.fullmatch(line)
        mig = _MIG.fullmatch(line)
        if gpu:
            gpus.append(Listed(int(gpu[1]), gpu[2], gpu[3], []))
        elif mig and gpus:
            gpus[-1].mig.append(MigDevice(int(mig[2]), mig[1], mig[3]))
        else:
            failed.extend(failures(line))
    none_found = not gpus and re.search(r"No devices (?:were )?found", text) is not None
    return Listing(gpus, failed, none_found)


def failures(text: str) -> list[Failed]:
    """The GPUs that any form of nvidia-smi names as bad."""
    found = []
    for which, bus_id, why in _FAILED.findall(text):
        number = int(which) if which.isdigit() and len(which) < 5 else None
        place = pci.normalise(bus_id) or pci.normalise(which)
        found.append(Failed(number, place, smi_text.fault_in(why) or "unknown", why.strip()))
    return found
