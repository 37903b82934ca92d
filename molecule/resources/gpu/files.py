# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a simulated machine: /sys, /proc, /dev, /lib/modules, the libraries, the CDI specification, the log."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

from . import machine as texts
from .machine import Machine
from .programs import Reply, live_smi, replayer, smi_replies, write_program

LIBRARIES = "usr/lib/x86_64-linux-gnu"
TOOLKIT = ("nvidia-ctk", "nvidia-cdi-hook", "nvidia-container-runtime", "nvidia-container-runtime-hook")
EFI_GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"


def build(root: Path, machine: Machine, *, nodes: bool = False) -> Path:
    """A root of files that is the whole world of gpu_visibility_info: nothing of the real machine is in it.

    nodes: make real device nodes, which takes root; otherwise they are files with `c MAJOR:MINOR` in them.
    """
    hardware(root, machine)
    driver(root, machine)
    for name, major, minor in device_nodes(machine):
        node(root / "dev" / name, major, minor, real=nodes)
    if machine.library:
        library(root / LIBRARIES, machine.library)
        replayer(root / "usr/bin/nvidia-smi", smi_replies(machine))
    if machine.toolkit:
        toolkit(root, machine)
    if machine.cdi:
        write(root / "var/run/cdi/nvidia.yaml", texts.cdi_spec(machine))
    kernel_log(root, "var/log/kernel.txt", machine.kernel_log)
    return root


def seams(root: Path, machine: Machine, real: t.Iterable[str] = ("dev", "etc", "run", "var", "usr/lib")) -> Path:
    """A root for a real machine without GPUs: only what a container cannot have (/sys, /proc, /lib/modules) is made up.

    Programs, nodes, CDI specifications and the engine are those of the machine.
    """
    hardware(root, machine)
    driver(root, machine)
    kernel_log(root, "kernel.txt", machine.kernel_log)
    for name in real:
        link(root / name, "/" + name)
    for name in ("docker", "nvidia-smi", *TOOLKIT):
        link(root / "usr/bin" / name, f"/usr/bin/{name}")
    return root


def provide(machine: Machine, root: Path, seam: Path) -> None:
    """Put nodes, library and nvidia-smi on a real machine, as the driver's packages would."""
    for name, major, minor in device_nodes(machine):
        node(root / "dev" / name, major, minor, real=True)
    if machine.library:
        library(root / LIBRARIES, machine.library)
        live_smi(root / "usr/bin/nvidia-smi", machine, str(seam), f"/{LIBRARIES}")


def hardware(root: Path, machine: Machine) -> None:
    devices = root / "sys/bus/pci/devices"
    devices.mkdir(parents=True, exist_ok=True)
    for gpu in machine.gpus:
        _pci(devices / gpu.bus_id, 0x10DE, gpu.device_id, 0x030200, gpu.driver)
    for number in range(machine.nvswitches):
        _pci(devices / f"0000:{0xC0 + number:02x}:00.0", 0x10DE, 0x22A3, 0x068000, None)
    _pci(devices / "0000:00:00.0", 0x8086, 0x29C0, 0x060000, None)
    if machine.secure_boot is not None:
        value = b"\x06\0\0\0" + bytes([machine.secure_boot])
        write(root / f"sys/firmware/efi/efivars/SecureBoot-{EFI_GLOBAL}", value)
    write(root / "proc/sys/kernel/osrelease", machine.kernel + "\n")
    write(root / "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse2\n")
    modules = root / "lib/modules" / machine.kernel
    write(modules / "modules.dep", "")
    if machine.module_file:
        for name in ("nvidia", "nvidia-uvm", "nvidia-modeset", "nvidia-drm"):
            write(modules / f"updates/dkms/{name}.ko", "stand-in\n")


def driver(root: Path, machine: Machine) -> None:
    """What a loaded kernel module shows."""
    loaded = ["nvidia_uvm 1826816 0 - Live 0x0", "nvidia 54042624 2 nvidia_uvm, Live 0x0"] if machine.driver else []
    write(root / "proc/modules", "".join(f"{line}\n" for line in loaded[0 if machine.uvm else 1 :]))
    majors = ["  1 mem"]
    if machine.driver:
        majors += ["195 nvidia", "195 nvidiactl"] + ([f"{machine.uvm_major} nvidia-uvm"] if machine.uvm else [])
        write(root / "proc/driver/nvidia/version", texts.proc_version(machine))
        for gpu in machine.working:
            write(root / f"proc/driver/nvidia/gpus/{gpu.bus_id}/information", texts.proc_information(gpu))
    write(root / "proc/devices", "Character devices:\n" + "".join(f"{line}\n" for line in majors))


def device_nodes(machine: Machine) -> t.Iterator[tuple[str, int, int]]:
    if machine.driver:
        for gpu in machine.working:
            yield f"nvidia{gpu.index}", 195, gpu.index
        yield "nvidiactl", 195, 255
        if machine.uvm:
            yield "nvidia-uvm", machine.uvm_major, 0
            yield "nvidia-uvm-tools", machine.uvm_major, 1


def library(folder: Path, version: str) -> None:
    for old in folder.glob("libnvidia-ml.so*"):
        old.unlink()
    write(folder / f"libnvidia-ml.so.{version}", "stand-in\n")
    link(folder / "libnvidia-ml.so.1", f"libnvidia-ml.so.{version}")


def toolkit(root: Path, machine: Machine) -> None:
    version = Reply("--version", f"NVIDIA Container Toolkit CLI version {machine.toolkit}\ncommit: 0123456789ab\n")
    replayer(root / "usr/bin/nvidia-ctk", [version])
    for name in TOOLKIT[1:]:
        write_program(root / "usr/bin" / name, ["#!/bin/sh", "exit 0"])
    write(
        root / "etc/nvidia-container-runtime/config.toml",
        '[nvidia-container-cli]\n#no-cgroups = false\n\n[nvidia-container-runtime]\nmode = "auto"\n',
    )


def docker(root: Path, replies: t.Iterable[Reply]) -> None:
    write(root / "run/docker.pid", "812")
    write(root / "var/lib/dpkg/info/docker.io.list", "/usr/bin/docker\n")
    replayer(root / "usr/bin/docker", replies)


def kernel_log(root: Path, log: str, text: str) -> None:
    """A dmesg that prints the file `log`, which may be rewritten at any time."""
    write(root / log, text)
    lines = ["#!/bin/sh", f"while IFS= read -r line; do printf '%s\\n' \"$line\"; done < '{root / log}'"]
    write_program(root / "usr/bin/dmesg", lines)


def node(path: Path, major: int, minor: int, *, real: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not real:
        path.write_text(f"c {major}:{minor}\n", encoding="ascii")
        return
    path.unlink(missing_ok=True)
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
    path.chmod(0o666)


def write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _pci(path: Path, vendor: int, device: int, kind: int, bound: str | None) -> None:
    for name, value in (("vendor", f"0x{vendor:04x}"), ("device", f"0x{device:04x}"), ("class", f"0x{kind:06x}")):
        write(path / name, value + "\n")
    if bound:
        link(path / "driver", f"../../../../bus/pci/drivers/{bound}")
