# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults below nvidia-smi that somebody reported: firmware, address space, modules that do not build or load, WSL."""

from __future__ import annotations

import re
import typing as t

from ..seen import Seen
from . import Hit

_BLOCKED = re.compile(r"access blocked by the operating system", re.I)


def kept_from_loading(seen: Seen) -> t.Iterator[Hit]:
    if not seen.driver and not seen.nvml_works and seen.pci and seen.kept_from_loading:
        hard = any(not re.search(r": blacklist ", line) for line in seen.kept_from_loading)
        # A blacklist alone stops the kernel's own loading, not that by name.
        yield Hit(values={"where": "; ".join(seen.kept_from_loading[:3])}, confidence=None if hard else "likely")


def of_another_kernel(seen: Seen) -> t.Iterator[Hit]:
    events = seen.log.of("other_kernel") if seen.log else []
    if events and not seen.driver and not seen.nvml_works and seen.pci:
        yield Hit(values={"said": _said(events[-1].text)})


def symbols_missing(seen: Seen) -> t.Iterator[Hit]:
    events = seen.log.of("unknown_symbol") if seen.log else []
    if events and not seen.driver and not seen.nvml_works and seen.pci:
        names = ", ".join(dict.fromkeys(event.value for event in events[:4]))
        yield Hit(values={"names": names})


def older_than_library(seen: Seen) -> t.Iterator[Hit]:
    if seen.module_version and seen.library_version and seen.module_version != seen.library_version:
        values = {"module": seen.module_version, "library": seen.library_version, "kernel": seen.kernel}
        yield Hit(values=values)


def without_address_space(seen: Seen) -> t.Iterator[Hit]:
    invalid = seen.log.of("bar_invalid") if seen.log else []
    unassigned = seen.log.of("bar_unassigned") if seen.log else []
    buses = {gpu.bus_id for gpu in seen.pci or ()}
    bad = {event.bus_id: event.value for event in invalid if event.bus_id in buses}
    # The kernel may assign them later: only a GPU that does not work tells that it did not.
    maybe = {event.bus_id: f"BAR{event.value} has no place" for event in unassigned if event.bus_id in buses}
    for events, confidence in ((bad, None), ({bus: text for bus, text in maybe.items() if bus not in bad}, "likely")):
        found = [bus for bus in events if bus and not seen.works(bus)]
        if found:
            said = ", ".join(f"{events[bus]} ({bus})" for bus in found)
            yield Hit([seen.gpu_at(bus) for bus in found], {"said": said}, confidence=confidence)


def firmware_missing(seen: Seen) -> t.Iterator[Hit]:
    events = seen.log.of("firmware_missing") if seen.log else []
    images = seen.log.of("no_firmware_image") if seen.log else []
    failed = [event for event in events if not seen.works(event.bus_id)]
    if (seen.nvml_works and not failed) or not (failed or images):
        return
    version = failed[0].value.partition("/")[0] if failed else seen.driver_version or "this driver"
    gpus = [seen.gpu_at(event.bus_id) for event in failed if event.bus_id]
    there = bool(seen.firmware and version in seen.firmware)
    values = {"version": version, "name": failed[0].value if failed else "no image"}
    if there:
        yield Hit(
            list(dict.fromkeys(gpus)),
            values,
            confidence="likely",
            cause="It is on the disk now, and was not where the driver was loaded from: the initramfs has the module"
            " without it.",
            remedy="Rebuild the initramfs and reboot, so that the driver finds it.",
            commands=("update-initramfs -u", "reboot"),
        )
    else:
        yield Hit(list(dict.fromkeys(gpus)), values, confidence=None if failed else "likely")


def gsp_does_not_start(seen: Seen) -> t.Iterator[Hit]:
    if not seen.log or seen.nvml_works or seen.log.of("firmware_missing") or seen.log.of("no_firmware_image"):
        return
    events = seen.log.of("gsp_failed")
    if events:
        left = bool(seen.log.of("gsp_left_over"))
        buses = dict.fromkeys(event.bus_id for event in seen.log.of("rm_init_failed") if event.bus_id)
        what = "it still holds the state of an earlier start" if left else "the firmware does not come up"
        yield Hit([seen.gpu_at(bus) for bus in buses], {"what": what})


def stuck_asleep(seen: Seen) -> t.Iterator[Hit]:
    events = seen.log.of("stuck_asleep") if seen.log else []
    buses = {gpu.bus_id for gpu in seen.pci or ()}
    bad = [bus for bus in dict.fromkeys(event.bus_id for event in events) if bus in buses and not seen.works(bus)]
    if bad:
        yield Hit([seen.gpu_at(bus) for bus in bad], {"buses": ", ".join(map(str, bad)), "state": events[-1].value})


def memory_worn(seen: Seen) -> t.Iterator[Hit]:
    gpus = seen.smi.gpus if seen.smi else []
    failed = [gpu.uuid or "?" for gpu in gpus if "failure" in gpu.remapping]
    pending = [gpu.uuid or "?" for gpu in gpus if "pending" in gpu.remapping and "failure" not in gpu.remapping]
    if failed:
        yield Hit(failed, {"what": "cannot replace bad rows of its memory any more"}, severity="error")
    if pending:
        yield Hit(
            pending,
            {"what": "has bad rows of memory that wait for a reset to be replaced"},
            cause="An uncorrectable error was found, and its row is replaced by a spare one at the next reset.",
            remedy="End what uses the GPU and reset it, or reboot.",
            commands=("nvidia-smi -q -d ROW_REMAPPER", "nvidia-smi --gpu-reset -i UUID"),
        )


def value_unreadable(seen: Seen) -> t.Iterator[Hit]:
    by_cells: dict[tuple[str, ...], list[str]] = {}
    for gpu in seen.smi.gpus if seen.smi else []:
        cells = tuple(sorted({tag for tag, fault in gpu.cells if fault in ("unknown", "blocked")}))
        if cells and not is_dead(gpu):
            by_cells.setdefault(cells, []).append(gpu.uuid or seen.gpu_at(gpu.bus_id))
    for cells, gpus in by_cells.items():
        more = (
            " addressing_mode is asked of nvidia_uvm: where CUDA fails with error 999, load that module again."
            if "addressing_mode" in cells
            else ""
        )
        cause = f"The driver cannot read this value of a GPU whose other values it reads.{more}"
        yield Hit(gpus, {"cells": ", ".join(cells)}, cause=cause)


def is_dead(gpu: t.Any) -> bool:
    """Whether so many of its values are missing that the GPU itself does not answer."""
    bad = [tag for tag, fault in gpu.cells if fault in ("unknown", "blocked")]
    return bool(bad) and (len(bad) * 2 >= max(gpu.values, 1) or (gpu.memory is None and "total" in bad))


def wsl_kept_by_windows(seen: Seen) -> t.Iterator[Hit]:
    blocked = seen.smi is not None and (seen.smi.rc == 17 or bool(_BLOCKED.search(seen.smi.text)))
    if seen.platform == "wsl" and blocked and not seen.nvml_works and seen.has_dxg and not seen.wsl_linux_driver:
        yield Hit(confidence="likely")


def wsl_linux_driver(seen: Seen) -> t.Iterator[Hit]:
    if seen.platform == "wsl" and seen.wsl_linux_driver:
        values = {"paths": ", ".join(seen.wsl_linux_driver[:3])}
        if seen.nvml_works:
            yield Hit(values=values, severity="warning", confidence="likely")
        elif seen.smi_is_there:
            yield Hit(values=values)


def _said(text: str) -> str:
    return re.sub(r"^\[[^\]]*\]\s*", "", text)[:200]
