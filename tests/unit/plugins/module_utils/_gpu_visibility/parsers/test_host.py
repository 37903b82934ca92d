# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""/proc and the kernel log."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import kernel_log, proc_driver


@pytest.mark.parametrize(
    ("line", "version", "flavor"),
    [
        ("NVIDIA UNIX x86_64 Kernel Module  352.99  Mon Jul  4 23:52:14 PDT 2016", "352.99", "proprietary"),
        ("NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025", "550.163.01", "proprietary"),
        ("NVIDIA UNIX Open Kernel Module for x86_64  610.57.04  Release Build  (me@here)", "610.57.04", "open"),
        ("NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (buildbrain@mobile)", "540.4.0", "open"),
    ],
)
def test_version(line: str, version: str, flavor: str) -> None:
    text = f"NVRM version: {line}\nGCC version:  gcc version 14.2.0\n"
    assert proc_driver.version(text) == proc_driver.Version(version, flavor)


@pytest.mark.parametrize("text", ["", "NVRM version: something", "\0\n"])
def test_no_version(text: str) -> None:
    assert proc_driver.version(text) is None


def test_information() -> None:
    text = texts.proc_information(Gpu(0)) + texts.proc_information(Gpu(1)).replace(Gpu(1).uuid, "GPU-????????-????")
    first, second = proc_driver.information(text)
    assert (first.bus_id, first.uuid, first.minor) == ("0000:3b:00.0", Gpu(0).uuid, 0)
    # What the driver writes of a GPU that it could not start.
    assert (second.bus_id, second.uuid, second.minor) == ("0000:3e:00.0", None, 1)


def test_devices_and_modules() -> None:
    text = "Character devices:\n  1 mem\n195 nvidia\n195 nvidiactl\n510 nvidia-uvm\n\nBlock devices:\n  8 nvidia\n"
    assert proc_driver.character_devices(text) == {"mem": 1, "nvidia": 195, "nvidiactl": 195, "nvidia-uvm": 510}
    assert proc_driver.modules("nvidia_uvm 1 0 - Live 0x0\nnvidia 5 2 nvidia_uvm, Live 0x0\n") == {
        "nvidia_uvm",
        "nvidia",
    }


@pytest.mark.parametrize(
    "prefix", ["", "[    9.123456] ", "[Sun Feb 23 16:24:18 2025] ", "Nov 21 05:00:00 lab kernel: "]
)
def test_xid(prefix: str) -> None:
    text = "".join(prefix + texts.xid(Gpu(number), 79, "GPU has fallen off the bus.") for number in (0, 1))
    log = kernel_log.parse(text)
    assert [(xid.bus_id, xid.code) for xid in log.xids] == [("0000:3b:00.0", 79), ("0000:3e:00.0", 79)]
    assert log.lines == text.splitlines()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("NVRM: Xid (PCI:0000:3b:00.0): 31, pid=1, Ch 00000008", 31),
        ("NVRM: Xid (0000:3b:00): 43, Ch 00000010", 43),
        ("NVRM: Xid (PCI:0000:3b:00): 63, pid='<unknown>', name=<unknown>, Row Remapper", 63),
    ],
)
def test_old_and_new_xids(line: str, code: int) -> None:
    (xid,) = kernel_log.parse(line).xids
    assert (xid.bus_id, xid.code) == ("0000:3b:00.0", code)


def test_broken_sentences() -> None:
    """At whatever place this version of the driver broke the line."""
    words = [
        "The",
        "NVIDIA",
        "GPU",
        "0000:09:00.0",
        "(PCI",
        "ID:",
        "10de:1d01)",
        "installed",
        "in",
        "this",
        "system",
        "is",
        "not",
        "supported",
        "by",
        "open",
        "nvidia.ko",
    ]
    for width in (3, 5, 20):
        lines = [" ".join(words[start : start + width]) for start in range(0, len(words), width)]
        (event,) = kernel_log.parse("".join(f"[ 5.0] NVRM: {line}\n" for line in lines)).events
        assert (event.kind, event.bus_id, event.device_id) == ("open_without_gsp", "0000:09:00.0", "10de:1d01")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("NVRM: GPU 0000:01:00.0 is already bound to vfio-pci.", "bound", "vfio-pci"),
        ("NVRM: GPU 000f:01:00.0: RmInitAdapter failed! (0x62:0x1a:2631)", "rm_init_failed", "0x62"),
        ("NVRM: API mismatch: the client has the version 550.90, but", "api_mismatch", "550.90"),
        ("modprobe: ERROR: could not insert 'nvidia': Key was rejected by service", "key_rejected", ""),
        ("modprobe: ERROR: could not insert 'nvidia': Required key not available", "key_rejected", ""),
    ],
)
def test_events(text: str, kind: str, value: str) -> None:
    (event,) = kernel_log.parse(f"[   1.0] {text}\n").events
    assert (event.kind, event.value) == (kind, value)


def test_other_lines_are_not_kept() -> None:
    assert kernel_log.parse("[ 1.0] usb 1-1: new device\n[ 2.0] nvme nvme0: ready\n") == kernel_log.Log([], [], [])


def test_what_the_simulation_writes() -> None:
    assert proc_driver.version(texts.proc_version(Machine(flavor="open"))) == proc_driver.Version("550.163.01", "open")
