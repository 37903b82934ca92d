# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers that files show: PCI, kernel driver, device nodes.

They are read before nvidia-smi runs, which as root can load modules and make nodes.
"""

from __future__ import annotations

import os
import re

from ..parsers import build_log, kernel_log, proc_driver
from ..seen import PciGpu, Seen
from ..system import System, evidence

_NVIDIA = "0x10de"
_DISPLAY, _BRIDGE = "0x03", "0x0680"  # the class of GPUs, and that of NVSwitches
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_LIBRARY = re.compile(r"libnvidia-ml\.so\.(\d+(?:\.\d+)+)", re.ASCII)
_LIBRARY_FOLDERS = (
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/x86_64-linux-gnu/nvidia/current",
    "/usr/lib/aarch64-linux-gnu/nvidia/current",
    "/usr/lib/wsl/lib",
)
_UNIT_FOLDERS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_SERVICES = ("nvidia-persistenced.service", "nvidia-fabricmanager.service")
_NODE = re.compile(r"nvidia\d+|nvidiactl|nvidia-(uvm|uvm-tools|modeset)|dxg|nvgpu|nvhost-(ctrl-)?gpu", re.ASCII)
_MODPROBE_FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
# `blacklist` alone keeps a module from being loaded at boot, the others also from being loaded by anybody.
_KEPT = re.compile(
    r"\s*(?:blacklist\s+nvidia(?:[-_]current)?|alias\s+nvidia\s+off|install\s+nvidia\s+\S*(?:false|true)\b.*)\s*",
    re.ASCII,
)
_KEPT_AT_BOOT = re.compile(
    r"\b(?:module_blacklist|modprobe\.blacklist|rd\.driver\.blacklist)=(?:\S*,)?nvidia(?:,|\s|$)"
)
_MOST_LOG_LINES = 20000
# Debian names it by its variant.
_MODULE = r"nvidia(?:-current|-legacy-\d{3}xx|-tesla(?:-\d{3})?)?(?:-open)?"


def pci(system: System, seen: Seen) -> None:
    seen.kernel = (system.read("/proc/sys/kernel/osrelease") or "").strip()
    named = re.search(r'^PRETTY_NAME="?([^"\n]+)', system.read("/etc/os-release") or "", re.M)
    seen.operating_system = named[1].strip() if named else None
    seen.has_dxg = system.exists("/dev/dxg")
    compatible = system.read("/proc/device-tree/compatible") or ""
    seen.is_tegra = "nvidia,tegra" in compatible or system.exists("/etc/nv_tegra_release")
    seen.platform = _platform(system, seen)
    # Any maker's GPU has a /dev/dxg. That Windows has a driver of NVIDIA shows in what it puts here.
    seen.wsl_has_driver = any(map(system.exists, ("/usr/lib/wsl/lib/libcuda.so.1", "/usr/lib/wsl/lib/nvidia-smi")))
    if seen.platform == "wsl":
        seen.wsl_linux_driver = [
            f"{folder}/{name}"
            for folder in _LIBRARY_FOLDERS
            if "wsl" not in folder
            for name in system.names(folder) or []
            if re.fullmatch(r"libcuda\.so\.\d+\.[\d.]+", name, re.ASCII)
        ]
    names = system.names("/sys/bus/pci/devices")
    if names is None:
        seen.evidence["pci"] = [evidence("file", "/sys/bus/pci/devices", "cannot be read")]
        return
    found = []
    for name in names:
        folder = f"/sys/bus/pci/devices/{name}"
        if (system.read(f"{folder}/vendor") or "").strip().lower() != _NVIDIA:
            continue
        if system.exists(f"{folder}/physfn"):
            continue  # a virtual function, for a virtual machine: not a GPU of this host
        kind = (system.read(f"{folder}/class") or "").strip().lower()
        if kind.startswith(_BRIDGE):
            seen.nvswitches += 1
        elif kind.startswith(_DISPLAY):
            driver = system.link(f"{folder}/driver")
            device = _hex(system.read(f"{folder}/device"))
            found.append(PciGpu(name.lower(), device, driver and os.path.basename(driver)))
    # WSL and Jetson have no GPU on a PCI bus, and miss nothing by that.
    seen.pci = None if not found and (seen.has_dxg or seen.is_tegra) else found
    lines = [f"{gpu.bus_id} {gpu.device_id} bound to {gpu.driver or 'nothing'}" for gpu in found]
    seen.evidence["pci"] = [evidence("file", "/sys/bus/pci/devices", "\n".join(lines) or "no GPU of NVIDIA")]


def kernel_driver(system: System, seen: Seen) -> None:
    text = system.read("/proc/driver/nvidia/version")
    seen.driver = proc_driver.version(text or "")
    seen.modules = proc_driver.modules(system.read("/proc/modules") or "")
    seen.majors = proc_driver.character_devices(system.read("/proc/devices") or "")
    seen.evidence["kernel_driver"] = [
        evidence("file", "/proc/driver/nvidia/version", "does not exist" if text is None else text)
    ]
    secure_boot = system.read_bytes(_SECURE_BOOT)
    # Four bytes of attributes come before the value.
    seen.secure_boot = bool(secure_boot[-1]) if secure_boot and len(secure_boot) == 5 else None
    if seen.driver:
        _information(system, seen)
    elif seen.pci:
        seen.has_module_folder = system.names(f"/lib/modules/{seen.kernel}") is not None
        seen.module_kernels = [name for name in system.names("/lib/modules") or [] if _module(system, name)]
        module = _module(system, seen.kernel)
        if seen.secure_boot and module:
            run = system.run("modinfo", "-F", "signer", system.path(module))
            seen.signer = run.stdout.strip() or None
            seen.evidence["kernel_driver"].append(run.evidence())
        if not module:
            _builds(system, seen)
        _kept_from_loading(system, seen)


def device_nodes(system: System, seen: Seen) -> None:
    seen.uid = system.uid()
    for name in system.names("/dev") or []:
        if _NODE.fullmatch(name):
            node = system.node(f"/dev/{name}")
            if node:
                seen.nodes[f"/dev/{name}"] = node
    # Links such as 195:0 -> ../nvidia0: without them systemd cannot keep these nodes in a container's cgroup.
    seen.has_char_links = any(
        name.startswith(f"{seen.majors.get('nvidia', 195)}:") for name in system.names("/dev/char") or []
    )
    seen.selinux_enforcing = (system.read("/sys/fs/selinux/enforce") or "").strip() == "1"
    lines = [f"{path} {node.major}:{node.minor} {node.mode:04o}" for path, node in seen.nodes.items()]
    seen.evidence["device_nodes"] = [evidence("file", "/dev/nvidia*", "\n".join(lines) or "none")]


def library(system: System, seen: Seen) -> None:
    """The version of the libnvidia-ml that programs would load."""
    for folder in _LIBRARY_FOLDERS:
        versions = [found[1] for found in map(_LIBRARY.fullmatch, system.names(folder) or []) if found]
        linked = _LIBRARY.fullmatch(os.path.basename(system.link(f"{folder}/libnvidia-ml.so.1") or ""))
        if linked or versions:
            # Several without a link that chooses one: it is not known which.
            seen.library_version = linked[1] if linked else versions[0] if len(versions) == 1 else None
            return


def log(system: System, seen: Seen) -> None:
    """The kernel's log of this boot, from the journal, else from the kernel's own buffer."""
    journal = ("--dmesg", "--boot", "--no-pager", "--output=cat", f"--lines={_MOST_LOG_LINES}")
    for name, arguments in (("journalctl", journal), ("dmesg", ())):
        run = system.run(name, *arguments)
        if run.rc == 0 and run.stdout.strip() not in ("", "-- No entries --"):
            seen.log = kernel_log.parse(run.stdout)
            if seen.log.lines:
                shown = "\n".join(seen.log.lines[-20:])
                seen.evidence.setdefault("kernel_driver", []).append(evidence("kernel_log", run.ref, shown, run.rc))
            return


def services(system: System, seen: Seen) -> None:
    """Those of NVIDIA's services that are there and failed, with their last words."""
    present = [unit for unit in _SERVICES if any(system.exists(f"{folder}/{unit}") for folder in _UNIT_FOLDERS)]
    if present:
        shown = system.run("systemctl", "show", "--property=Id,ActiveState", *present)
        for block in shown.stdout.split("\n\n"):
            values = dict(line.partition("=")[::2] for line in block.splitlines())
            if values.get("ActiveState") == "failed":
                unit = values.get("Id", "")
                last = system.run("journalctl", "--unit", unit, "--boot", "--no-pager", "--output=cat", "--lines=20")
                seen.failed_services[unit] = last.stdout
                seen.evidence.setdefault("kernel_driver", []).append(last.evidence())
    if seen.nvswitches:
        found = re.search(r"version is\s*:\s*(\d[\d.]+)", system.run("nv-fabricmanager", "--version").text)
        seen.fabricmanager = found[1] if found else None


def module_on_disk(system: System, seen: Seen) -> None:
    """Where the library is of another version than the loaded module: whether the next boot would mend that."""
    library = seen.library_version
    module = _module(system, seen.kernel)
    if not (seen.driver and library and library != seen.driver.version and module and not seen.nvml_works):
        return
    run = system.run("modinfo", "-F", "version", system.path(module))
    found = re.search(r"^\d+(?:\.\d+)+$", run.stdout.strip(), re.ASCII)
    seen.module_version = found[0] if found else None
    seen.evidence.setdefault("kernel_driver", []).append(run.evidence())


def firmware(system: System, seen: Seen) -> None:
    """The driver's versions that have firmware here."""
    known: set[str] = set()
    for folder in ("/lib/firmware/nvidia", "/usr/lib/firmware/nvidia", "/lib/firmware/updates/nvidia"):
        for version in system.names(folder) or []:
            if re.fullmatch(r"\d+(?:\.\d+)+", version, re.ASCII) and system.names(f"{folder}/{version}"):
                known.add(version)
    seen.firmware = sorted(known)
    shown = ", ".join(seen.firmware) or "none"
    seen.evidence.setdefault("kernel_driver", []).append(evidence("file", "/lib/firmware/nvidia", shown))


def _builds(system: System, seen: Seen) -> None:
    headers = f"/lib/modules/{seen.kernel}/build"
    target = system.link(headers)
    # A link that leads nowhere is what is left of headers that were removed.
    if target and target.startswith("/"):
        seen.has_headers = system.exists(target)
    else:
        seen.has_headers = system.names(headers) is not None or system.read(headers) is not None
    _akmods(system, seen)
    for module in system.names("/var/lib/dkms") or []:
        for version in system.names(f"/var/lib/dkms/{module}") or [] if "nvidia" in module else []:
            folder = f"/var/lib/dkms/{module}/{version}"
            paths = [f"{folder}/build/make.log", *_logs(system, f"{folder}/{seen.kernel}")]
            for path in paths:
                text = system.read(path)
                failure = build_log.parse(text, module, version) if text else None
                if failure and failure.kernel in (None, seen.kernel):
                    seen.builds.append(failure)
                    seen.evidence["kernel_driver"].append(
                        evidence("file", path, f"{failure.said}\n{(text or '')[-1500:]}")
                    )
                    break


def _akmods(system: System, seen: Seen) -> None:
    """Fedora's: a log per version and kernel, with the failure in its name."""
    folder = "/var/cache/akmods/nvidia"
    for name in system.names(folder) or []:
        found = re.fullmatch(r"(.+)-for-(.+)\.failed\.log", name)
        if found and found[2] == seen.kernel:
            text = system.read(f"{folder}/{name}") or ""
            failure = build_log.parse(text, "nvidia", found[1])
            if failure:
                seen.builds.append(failure)
                shown = f"{failure.said}\n{text[-1500:]}"
                seen.evidence["kernel_driver"].append(evidence("file", f"{folder}/{name}", shown))


def _logs(system: System, folder: str) -> list[str]:
    return [f"{folder}/{name}/log/make.log" for name in system.names(folder) or []]


def _kept_from_loading(system: System, seen: Seen) -> None:
    for folder in _MODPROBE_FOLDERS[: None if system.link("/lib") is None else 3]:
        for name in system.names(folder) or []:
            for line in (system.read(f"{folder}/{name}") or "").splitlines() if name.endswith(".conf") else ():
                if _KEPT.fullmatch(line):
                    seen.kept_from_loading.append(f"{folder}/{name}: {' '.join(line.split())}")
    found = _KEPT_AT_BOOT.search(system.read("/proc/cmdline") or "")
    if found:
        seen.kept_from_loading.append(f"/proc/cmdline: {found[0].strip()}")
    if seen.kept_from_loading:
        shown = "\n".join(seen.kept_from_loading)
        seen.evidence["kernel_driver"].append(evidence("file", "modprobe.d, /proc/cmdline", shown))


def _information(system: System, seen: Seen) -> None:
    # By a program, because a driver that hangs makes whoever reads these files hang with it.
    folder = "/proc/driver/nvidia/gpus"
    paths = [system.path(f"{folder}/{name}/information") for name in system.names(folder) or []]
    if paths:
        run = system.run_path("cat", *paths, timeout=min(5.0, system.timeout))
        seen.information = proc_driver.information(run.stdout)
        if run.problem:
            seen.evidence["kernel_driver"].append(run.evidence())


def _module(system: System, kernel: str) -> str | None:
    """nvidia.ko of a kernel, wherever its packager put it."""
    for folder in ("updates/dkms", "updates", "extra", "extra/nvidia", "kernel/drivers/video", "weak-updates/nvidia"):
        for name in system.names(f"/lib/modules/{kernel}/{folder}") or []:
            if re.fullmatch(rf"{_MODULE}\.ko(\.(xz|zst|gz))?", name, re.ASCII):
                return f"/lib/modules/{kernel}/{folder}/{name}"
    # Ubuntu's prebuilt modules stand in a folder per branch; modules.dep names all of a kernel.
    listed = system.read(f"/lib/modules/{kernel}/modules.dep") or ""
    found = re.search(rf"^(\S*/{_MODULE}\.ko[^:\s]*):", listed, re.M)
    return f"/lib/modules/{kernel}/{found[1]}" if found else None


def _platform(system: System, seen: Seen) -> str:
    if "microsoft" in seen.kernel.lower():
        return "wsl"
    if seen.is_tegra:
        return "jetson"
    if any(system.exists(path) for path in ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")):
        return "container"
    cpu = system.read("/proc/cpuinfo") or ""
    return "vm" if re.search(r"^flags\s*:.*\bhypervisor\b", cpu, re.M) else "bare_metal"


def _hex(text: str | None) -> int:
    found = re.fullmatch(r"0x([0-9a-f]{4})", (text or "").strip().lower(), re.ASCII)
    return int(found[1], 16) if found else 0
