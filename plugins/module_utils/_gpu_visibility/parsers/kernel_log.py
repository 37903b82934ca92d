# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel log says of GPUs, with or without time stamps.

NVRM breaks its sentences over lines, at other places in other versions, so its lines are put together again first:

    NVRM: The NVIDIA GPU 0000:09:00.0 (PCI ID: 10de:1d01)
    NVRM: installed in this system is not supported by open
    NVRM: nvidia.ko because it does not include the required GPU
    NVRM: System Processor (GSP).
"""

from __future__ import annotations

import re
import typing as t

from . import pci

_BUS = r"(?P<bus>[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}(?:\.[0-7])?)"
_XID = re.compile(r"Xid \((?:PCI:)?(?P<bus>[0-9a-f:.]{5,16})\): (?P<code>\d{1,4}),? ?(?P<message>.{0,300})", re.I)
_GPU = rf"The NVIDIA GPU (?:at )?{_BUS} \(PCI ID: (?P<id>[0-9a-f]{{4}}:[0-9a-f]{{4}})\) installed in this system"
_SENTENCES = tuple(
    (kind, re.compile(pattern, re.I))
    for kind, pattern in (
        ("bound", r"The NVIDIA probe routine was not called for (?P<value>\d+) device"),
        ("bound", rf"GPU {_BUS} is already bound to (?P<value>[\w-]+)"),
        ("open_without_gsp", rf"{_GPU} is not supported by open nvidia\.ko"),
        ("unsupported", rf"{_GPU} is not supported by the NVIDIA (?P<value>\S+) driver release"),
        ("unsupported", r"GPU installed in this system is supported through the NVIDIA (?P<value>\S+) Legacy drivers"),
        ("rm_init_failed", rf"GPU {_BUS}: RmInitAdapter failed! \((?P<value>0x[0-9a-f]+)"),
        ("fallen_off", rf"GPU {_BUS}: GPU has fallen off the bus"),
        ("fallen_off", rf"{_GPU} has fallen off the bus"),
        ("api_mismatch", r"API mismatch: the client has the version (?P<value>[\d.]+)"),
        ("bar_invalid", rf"(?P<value>BAR\d+ is \d+M @ 0x[0-9a-f]+) \(PCI:{_BUS}\)"),
        ("no_firmware_image", r"(?P<value>RmFetchGspRmImages: No firmware image found)"),
        ("gsp_failed", r"(?P<value>Cannot initialize GSP firmware RM)"),
        ("gsp_left_over", r"(?P<value>unexpected WPR2 already up)"),
    )
)
_REJECTED = re.compile(
    r"Key was rejected by service|Required key not available|module with unavailable key is rejected"
    r"|of unsigned module is rejected|unsigned module loading is restricted",
    re.I,
)
# What the kernel itself says, a line each. Its BARs 0, 1 and 3 hold a GPU's registers and memory; the others may fail.
_LINES = tuple(
    (kind, re.compile(pattern, re.I))
    for kind, pattern in (
        # The second is how Debian's kernels say it.
        (
            "firmware_missing",
            rf"nvidia {_BUS}: (?:Direct firmware load for|firmware: failed to load) nvidia/(?P<value>\d[\w./-]*)",
        ),
        (
            "bar_unassigned",
            rf"pci {_BUS}: BAR (?P<value>[013])\b[^\n]{{0,80}}(?:no space|failed to assign|can't assign)",
        ),
        ("stuck_asleep", rf"{_BUS}: (?:Unable to|can't) change power state from (?P<value>D3\w*) to D0"),
        ("slept", r"PM: (?:suspend|hibernation: hibernation|hibernation) exit(?P<value>)"),
        ("slept", r"PM: (?P<value>suspend|hibernation|hibernate) entry"),
        ("slept", r"ACPI: (?:PM: )?Waking up from system sleep state (?P<value>S\d)"),
        ("other_kernel", r"\bnvidia[\w-]*: version magic '(?P<value>[^']{1,100}?) ?' should be"),
        ("other_kernel", r"\bnvidia[\w-]*: disagrees about version of symbol (?P<value>\w+)"),
        ("unknown_symbol", r"\bnvidia[\w-]*: Unknown symbol (?P<value>\w+)"),
    )
)
# One of them is in each of these lines: a log has thousands of others.
_HINTS = ("nvidia", "BAR ", "power state", "PM: ")
_LONGEST_LINE = 2000


class Xid(t.NamedTuple):
    bus_id: str
    code: int
    message: str


class Event(t.NamedTuple):
    kind: str
    bus_id: str | None
    device_id: str | None
    value: str
    text: str


class Log(t.NamedTuple):
    xids: list[Xid]
    events: list[Event]
    lines: list[str]  # those that concern GPUs

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]


def parse(text: str) -> Log:
    xids: list[Xid] = []
    events: list[Event] = []
    kept: list[str] = []
    said: list[str] = []
    for long_line in text.splitlines():
        line = long_line[:_LONGEST_LINE]
        _before, is_nvrm, sentence = line.partition("NVRM:")
        if is_nvrm:
            kept.append(line)
            xid = _XID.search(sentence)
            bus_id = pci.normalise(xid["bus"]) if xid else None
            if xid and bus_id:
                xids.append(Xid(bus_id, int(xid["code"]), xid["message"].strip()))
            else:
                said.append(sentence)
            continue
        if _REJECTED.search(line):
            kept.append(line)
            events.append(Event("key_rejected", None, None, "", line.strip()))
        for kind, pattern in _LINES if any(word in line for word in _HINTS) else ():
            found = pattern.search(line)
            if found:
                kept.append(line)
                bus = pci.normalise(found.groupdict().get("bus"))
                events.append(Event(kind, bus, None, found["value"] or "", line.strip()))
                break
    joined = re.sub(r"\s+", " ", " ".join(said))
    for kind, pattern in _SENTENCES:
        for found in pattern.finditer(joined):
            parts = found.groupdict()
            events.append(
                Event(kind, pci.normalise(parts.get("bus")), parts.get("id"), parts.get("value") or "", found[0])
            )
    return Log(xids, events, kept)
