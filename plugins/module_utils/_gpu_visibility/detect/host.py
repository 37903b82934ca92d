# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the host itself: PCI bus, kernel driver, device nodes, NVML."""

from __future__ import annotations

import re
import typing as t

from ..seen import PciGpu, Seen
from . import Hit
from .kernel import is_dead
from .words import DENIED

_NO_DEVICES = re.compile(r"No devices (?:were )?found", re.I)
_OTHER_NVML = re.compile(r"Failed to initialize NVML: (.{1,200})")
_OTHER_FABRIC = re.compile(r"driver interface version ([\d.]*\d) don.?t match", re.I)
_FOR_GUESTS = re.compile(r"vfio|pci-?stub|pciback", re.I)
_ENROLLED = re.compile(r"Canonical|Debian Secure Boot", re.I)
# Why a module does not build, by what its log says: cause, remedy, commands.
_WHY: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "source": (
        "The headers are there, and the source of this driver does not fit the kernel or its compiler: the driver is"
        " too old for it.",
        "Install a newer driver, or boot the older kernel and hold it.",
        ("apt-cache policy nvidia-driver nvidia-kernel-dkms", "dkms status"),
    ),
    "compiler": (
        "The compiler is missing, or is another than the one that the kernel was built with.",
        "Install the compiler that /proc/version names, then build again.",
        ("cat /proc/version", "dkms autoinstall"),
    ),
    "space": (
        "The disk was full while the module was built.",
        "Free space in /boot, /var and /usr, then build again.",
        ("df -h /boot /var /usr", "dkms autoinstall"),
    ),
    "memory": (
        "The machine had not enough memory for the compiler.",
        "Build again with one compiler at a time, or with more memory.",
        ("dkms autoinstall -j 1",),
    ),
    "realtime": (
        "The kernel is one with PREEMPT_RT, which the driver refuses.",
        "Boot a kernel without PREEMPT_RT; IGNORE_PREEMPT_RT_PRESENCE=1 builds it nevertheless, without a warranty.",
        ("uname -v", "dkms autoinstall"),
    ),
    "tools": (
        "Something that the build needs beside the compiler is not installed; its own words say which.",
        "Install it, and build again.",
        ("apt-get install libelf-dev", "dkms autoinstall"),
    ),
    "headers": (
        "The headers of this kernel were not found when the module was built, or are not complete.",
        "Install the headers of this kernel and build the module.",
        ("apt-get install linux-headers-$(uname -r)", "dkms autoinstall"),
    ),
    "unknown": (
        "The log names no reason that is known here.",
        "Read the log; a newer driver or the older kernel are the usual ways out.",
        ("tail -n 50 /var/lib/dkms/*nvidia*/*/build/make.log",),
    ),
}
_LOST = 79
_RESET_NEEDED = frozenset((48, 62, 64, 74, 95, 109, 119, 120, 140, 143, 145, 154))


def gpus_missing(seen: Seen) -> t.Iterator[Hit]:
    there = len(seen.pci) if seen.pci is not None else len(seen.listed)
    if seen.expected_gpus is not None and there < seen.expected_gpus:
        yield Hit(values={"there": there, "expected": seen.expected_gpus})
    elif seen.pci is not None and seen.driver and not seen.is_tegra:
        # The driver only loads where there is a GPU, and keeps its entry of one that is taken from the bus.
        known = max(1, len(seen.information))
        if max(there, len(seen.listed)) < known:
            yield Hit(values={"there": there, "expected": known}, confidence="likely")


def other_driver_bound(seen: Seen) -> t.Iterator[Hit]:
    for driver in dict.fromkeys(gpu.driver for gpu in seen.pci or () if gpu.driver not in (None, "nvidia")):
        if not _FOR_GUESTS.search(str(driver)):
            gpus = [gpu for gpu in seen.pci or () if gpu.driver == driver]
            yield Hit([seen.gpu_at(gpu.bus_id) for gpu in gpus], {"driver": driver, "buses": _buses(gpus)})
    # The kernel log of this boot still tells of it where /sys no longer does, and the other way round.
    if seen.log and not seen.driver and not any(gpu.driver for gpu in seen.pci or ()):
        for event in seen.log.of("bound")[-1:]:
            gpus_named = [seen.gpu_at(event.bus_id)] if event.bus_id else []
            driver = event.value if event.bus_id else "another driver"
            yield Hit(gpus_named, {"driver": driver, "buses": event.bus_id or "a GPU"}, confidence="likely")


def reserved_for_guests(seen: Seen) -> t.Iterator[Hit]:
    gpus = [gpu for gpu in seen.pci or () if _FOR_GUESTS.search(gpu.driver or "")]
    if gpus:
        # Who says how many GPUs the host is to have, and has them, gave the others away on purpose.
        meant = seen.expected_gpus is not None and len(seen.listed) >= seen.expected_gpus
        drivers = ", ".join(dict.fromkeys(str(gpu.driver) for gpu in gpus))
        yield Hit(
            [seen.gpu_at(gpu.bus_id) for gpu in gpus],
            {"driver": drivers, "buses": _buses(gpus)},
            severity="info" if meant else None,
        )


def without_driver(seen: Seen) -> t.Iterator[Hit]:
    gpus = [gpu for gpu in seen.pci or () if gpu.driver is None and not seen.works(gpu.bus_id)]
    if seen.driver and gpus:
        yield Hit([seen.gpu_at(gpu.bus_id) for gpu in gpus], {"buses": _buses(gpus)})


def loaded_late(seen: Seen) -> t.Iterator[Hit]:
    if seen.loaded_by_look:
        yield Hit()


def signature_rejected(seen: Seen) -> t.Iterator[Hit]:
    if seen.driver or seen.nvml_works or not seen.pci or seen.kernel not in seen.module_kernels:
        return
    rejected = bool(seen.log and seen.log.of("key_rejected"))
    # Where another driver has all of them, nothing has tried to load it. A distribution's own key is enrolled with
    # its boot loader.
    if not rejected and all(gpu.driver not in (None, "nvidia") for gpu in seen.pci):
        return
    if rejected or (seen.secure_boot and not _ENROLLED.search(seen.signer or "")):
        signer = f"signed by {seen.signer}" if seen.signer else "not signed"
        yield Hit(values={"signer": signer}, confidence="certain" if rejected and seen.secure_boot else "likely")


def module_not_built(seen: Seen) -> t.Iterator[Hit]:
    absent = seen.has_module_folder and seen.kernel not in seen.module_kernels
    if seen.driver or seen.nvml_works or not seen.pci or not absent:
        return
    others = ", ".join(seen.module_kernels) or "no kernel"
    values = {"kernel": seen.kernel, "others": others, "said": ""}
    # Without any module the driver may as well never have been installed.
    confidence = None if seen.module_kernels else "likely"
    if seen.builds:
        failure = seen.builds[-1]
        why = "headers" if seen.has_headers is False and failure.why == "source" else failure.why
        cause, remedy, commands = _WHY[why]
        values["said"] = f": {failure.module} {failure.version} does not build for it: {failure.said}"
        sure = why != "unknown" and (seen.has_headers is True or why != "source")
        yield Hit(values=values, cause=cause, remedy=remedy, commands=commands, confidence=None if sure else "likely")
    elif seen.has_headers:
        yield Hit(
            values=values,
            confidence=confidence,
            cause="The driver is not installed for this kernel, or its module was not built, though the headers are"
            " there.",
            remedy="See whether it builds; where it does not, a newer driver or the older kernel is needed.",
            commands=("dkms status", "dkms autoinstall", "modprobe nvidia"),
        )
    else:
        yield Hit(values=values, confidence=confidence)


def open_module_without_gsp(seen: Seen) -> t.Iterator[Hit]:
    events = seen.log.of("open_without_gsp") if seen.log else []
    buses = {event.bus_id for event in events}
    gpus = [gpu for gpu in seen.pci or () if gpu.bus_id in buses and not seen.works(gpu.bus_id)]
    if gpus:
        yield Hit([seen.gpu_at(gpu.bus_id) for gpu in gpus], {"buses": _buses(gpus)})
    elif seen.driver and seen.driver.flavor == "open":
        old = [gpu for gpu in seen.pci or () if gpu.is_before_turing and gpu.driver != "nvidia"]
        if old:
            yield Hit([seen.gpu_at(gpu.bus_id) for gpu in old], {"buses": _buses(old)}, confidence="likely")


def blackwell_needs_open_module(seen: Seen) -> t.Iterator[Hit]:
    if not seen.driver or seen.driver.flavor != "proprietary":
        return
    failed = {event.bus_id for event in (seen.log.of("rm_init_failed") if seen.log else [])}
    new = [gpu for gpu in seen.pci or () if gpu.is_blackwell and not seen.works(gpu.bus_id)]
    if new:
        certain = any(gpu.bus_id in failed for gpu in new)
        names = [seen.gpu_at(gpu.bus_id) for gpu in new]
        yield Hit(names, {"buses": _buses(new)}, confidence="certain" if certain else "likely")


def unsupported_by_driver(seen: Seen) -> t.Iterator[Hit]:
    for event in seen.log.of("unsupported") if seen.log else []:
        if seen.works(event.bus_id) or (seen.nvml_works and not event.bus_id):
            continue
        gpus = [seen.gpu_at(event.bus_id)] if event.bus_id else []
        where = f"{event.bus_id} ({event.device_id})" if event.bus_id else "A GPU"
        values = {"where": where, "release": event.value}
        if seen.platform == "vm":
            yield Hit(
                gpus,
                values,
                confidence="likely",
                cause="In a virtual machine: a part of a GPU (vGPU) takes the guest driver of the host's vGPU release,"
                " and a GPU in confidential mode a host that is set up for it. Else the GPU is newer or older than"
                " this branch of the driver.",
                remedy="Ask whoever runs the host whether the GPU is passed through whole, and in which mode; for a"
                " vGPU, install the guest driver that belongs to it.",
                commands=("lspci -nnk -d 10de:",),
            )
        else:
            yield Hit(gpus, values)


def driver_not_communicating(seen: Seen) -> t.Iterator[Hit]:
    said = bool(seen.smi and "couldn't communicate with the NVIDIA driver" in seen.smi.text)
    bound = [gpu for gpu in seen.pci or () if gpu.driver not in (None, "nvidia")]
    if seen.driver:
        return  # it is loaded, and something above it is wrong
    if not seen.has_device and not seen.expected_gpus:
        if said:
            yield Hit(severity="info")
    elif said or (seen.pci and not seen.nvml_works and len(bound) < len(seen.pci)):
        yield Hit(confidence=None if said else "likely")


def wsl_without_adapter(seen: Seen) -> t.Iterator[Hit]:
    if seen.platform != "wsl" or seen.nvml_works or (seen.smi and seen.smi.crashed):
        return
    if not seen.has_dxg:
        # WSL 1, or a Windows without a GPU that it could share: nothing is wrong where nobody expects one.
        if seen.expected_gpus:
            yield Hit()
    elif seen.wsl_has_driver:
        # It put its libraries here, so it is neither missing nor from before WSL.
        yield Hit(
            confidence="possible",
            cause="Windows has a driver for WSL, and shows no GPU here: it keeps it for itself (TCC or MCDM mode),"
            " or gave"
            " it to another virtual machine, or the two are of versions that do not fit.",
            remedy="See in Windows whether nvidia-smi.exe lists the GPU, and in which mode; update the driver and WSL.",
            commands=("nvidia-smi.exe", "wsl.exe --update", "wsl.exe --shutdown"),
        )
    elif seen.smi_is_there or seen.expected_gpus:
        yield Hit(confidence="likely")
    else:
        yield Hit(confidence="possible", severity="warning")


def persistenced_failed(seen: Seen) -> t.Iterator[Hit]:
    for unit, said in seen.failed_services.items():
        if unit.startswith("nvidia-persistenced"):
            yield Hit(confidence=None if "Failed to query NVIDIA devices" in said else "likely")


def nodes_missing(seen: Seen) -> t.Iterator[Hit]:
    if not seen.driver or seen.is_tegra or seen.has_dxg:
        return
    wanted = {f"/dev/nvidia{one.minor}": one for one in seen.information if one.minor is not None}
    missing = [path for path in wanted if not _is_node(seen, path, seen.majors.get("nvidia", 195))]
    bound = [gpu for gpu in seen.pci or () if gpu.driver == "nvidia"]
    if missing:
        yield Hit([seen.gpu_at(wanted[path].bus_id) for path in missing], {"nodes": ", ".join(missing)})
    elif not wanted and bound and not seen.gpu_nodes:
        yield Hit(values={"nodes": "/dev/nvidia0"}, confidence="likely")
    elif bound and not _is_node(seen, "/dev/nvidiactl", seen.majors.get("nvidiactl", 195)):
        yield Hit(values={"nodes": "/dev/nvidiactl"})


def nodes_not_readable(seen: Seen) -> t.Iterator[Hit]:
    closed = [
        path
        for path, node in seen.nodes.items()
        if path.startswith("/dev/nvidia")
        and node.is_device
        and node.mode & 0o006 != 0o006
        and not _is_owner(seen, node)
    ]
    refused = bool(seen.smi and seen.smi.rc == 4)
    if refused:
        gpus = [seen.named(failed) for failed in seen.smi.failed] if seen.smi else []
        yield Hit(gpus, {"nodes": ", ".join(closed) or "/dev/nvidia*"}, confidence="certain" if closed else "likely")
    elif closed and DENIED.search(seen.container_text) and not seen.selinux_enforcing:
        yield Hit(values={"nodes": ", ".join(closed)}, confidence="likely")
    elif closed:
        # Root may open anything; users and containers may not.
        yield Hit(values={"nodes": ", ".join(closed)}, severity="warning", confidence="possible")


def uvm_missing(seen: Seen) -> t.Iterator[Hit]:
    if not seen.driver or seen.is_tegra:
        return
    node = _is_node(seen, "/dev/nvidia-uvm", seen.majors.get("nvidia-uvm"))
    # Its registered number tells, too: where this is a container, /proc/modules may be hidden.
    if not node or ("nvidia_uvm" not in seen.modules and "nvidia-uvm" not in seen.majors):
        unknown = any("cuda:999" in one.answer.errors for one in seen.frameworks)
        what = "/dev/nvidia-uvm is missing" if not node else "the module nvidia_uvm is not loaded"
        # On the host itself the first program that needs it loads it.
        severity = "error" if unknown else None if seen.docker_install else "info"
        yield Hit(values={"what": what}, severity=severity, confidence=None if unknown else "likely")


def library_missing(seen: Seen) -> t.Iterator[Hit]:
    severity = None if seen.has_device or seen.expected_gpus else "info"
    if seen.smi is None:
        return
    if seen.smi.rc == 12 or "couldn't find libnvidia-ml" in seen.smi.text:
        yield Hit(severity=severity)
    elif not seen.smi_is_there and bool(seen.pci):
        # No nvidia-smi to ask: the packages that have it have the library too.
        yield Hit(severity=severity, confidence="possible" if seen.library_version else "likely")


def library_mismatch(seen: Seen) -> t.Iterator[Hit]:
    loaded = seen.driver.version if seen.driver else None
    said = re.search(r"NVML library version: ([\d.]+)", seen.smi.text) if seen.smi else None
    values = {
        "loaded": loaded or "another version",
        "library": seen.library_version or (said[1] if said else "another"),
    }
    if seen.smi and (seen.smi.rc == 18 or "Driver/library version mismatch" in seen.smi.text):
        yield Hit(values=values)
    elif loaded and seen.library_version and loaded != seen.library_version and not seen.nvml_works:
        yield Hit(values=values, confidence="likely")


def smi_mismatch(seen: Seen) -> t.Iterator[Hit]:
    if seen.smi and "Mismatch in versions between nvidia-smi and NVML" in seen.smi.text:
        yield Hit()


def no_devices(seen: Seen) -> t.Iterator[Hit]:
    if not seen.smi or not seen.has_device or seen.nvml_works or seen.has_dxg:
        return
    if seen.smi.rc == 6 or (seen.smi.rc != 4 and _NO_DEVICES.search(seen.smi.text)):
        yield Hit([seen.gpu_at(gpu.bus_id) for gpu in seen.pci or ()])


def gpu_lost(seen: Seen) -> t.Iterator[Hit]:
    lost = dict.fromkeys(
        seen.named(failed) for failed in (seen.smi.failed if seen.smi else []) if failed.fault == "lost"
    )
    lost.update(dict.fromkeys(_with_fault(seen, "lost")))
    if lost:
        yield Hit(list(lost))
    elif seen.smi and seen.smi.rc == 15:
        yield Hit()
    # What the kernel saw, as long as no nvidia-smi says that the GPU is back.
    buses = [xid.bus_id for xid in (seen.log.xids if seen.log else []) if xid.code == _LOST]
    buses += [event.bus_id for event in (seen.log.of("fallen_off") if seen.log else []) if event.bus_id]
    others = [seen.gpu_at(bus) for bus in dict.fromkeys(buses) if seen.gpu_at(bus) not in lost]
    working = {gpu.uuid for gpu in seen.listed}
    gone = [gpu for gpu in others if gpu not in working]
    back = [gpu for gpu in others if gpu in working]
    if gone:
        yield Hit(gone)
    if back:
        yield Hit(back, severity="warning", confidence="possible")


def gpu_requires_reset(seen: Seen) -> t.Iterator[Hit]:
    failed = seen.smi.failed if seen.smi else []
    gpus = dict.fromkeys(seen.named(one) for one in failed if one.fault == "reset")
    gpus.update(dict.fromkeys(_with_fault(seen, "reset")))
    for gpu in seen.smi.gpus if seen.smi else []:
        if gpu.recovery_action not in (None, "None"):
            gpus[gpu.uuid or seen.gpu_at(gpu.bus_id)] = None
    if gpus:
        yield Hit(list(gpus))
    elif (seen.smi and "GPU requires reset" in seen.smi.text) or seen.nvml_rc == 16:
        yield Hit()


def xid_reported(seen: Seen) -> t.Iterator[Hit]:
    by_gpu: dict[str, list[int]] = {}
    for xid in seen.log.xids if seen.log else []:
        if xid.code != _LOST:
            by_gpu.setdefault(seen.gpu_at(xid.bus_id), []).append(xid.code)
    for gpu, codes in by_gpu.items():
        listed = ", ".join(f"{code} ({codes.count(code)} times)" for code in sorted(set(codes)))
        # Most Xids are a program's own fault; some need the GPU to be reset.
        serious = _RESET_NEEDED.intersection(codes)
        yield Hit([gpu], {"codes": listed}, severity="warning" if serious else "info")


def gpu_unavailable(seen: Seen) -> t.Iterator[Hit]:
    run = seen.smi.xml_run if seen.smi else None
    if seen.smi and seen.nvml_works and run and run.rc not in (None, 0) and not seen.smi.failed:
        said = next(iter(run.text.splitlines()), f"exit code {run.rc}")[:200]
        yield Hit(values={"said": f"nvidia-smi lists it, and cannot query it: {said}"}, confidence="likely")
    for failed in seen.smi.failed if seen.smi else []:
        if failed.fault in ("unknown", "blocked") and seen.smi and seen.smi.rc not in (4, 6):
            yield Hit([seen.named(failed)], {"said": failed.message})
    silent = _left_out(seen)
    if silent:
        yield Hit(silent, {"said": "nvidia-smi does not list it"}, confidence="likely")
    # One value that cannot be read says nothing of the GPU; most of them do.
    dead = [gpu.uuid or seen.gpu_at(gpu.bus_id) for gpu in (seen.smi.gpus if seen.smi else []) if is_dead(gpu)]
    if dead:
        yield Hit(dead, {"said": "most of its values cannot be read"}, severity="warning", confidence="likely")


def power_or_thermal(seen: Seen) -> t.Iterator[Hit]:
    gpus = seen.smi.gpus if seen.smi else []
    unpowered = [seen.named(failed) for failed in (seen.smi.failed if seen.smi else []) if failed.fault == "power"]
    if seen.smi and (seen.smi.rc == 8 or unpowered):
        yield Hit(unpowered, {"what": "has not enough external power"}, severity="error")
    for reason, what in (
        ("hw_thermal_slowdown", "is slowed down by its temperature"),
        ("hw_power_brake_slowdown", "is slowed down by the power supply"),
    ):
        slow = [gpu.uuid or "?" for gpu in gpus if reason in gpu.slowed_by]
        if slow:
            yield Hit(slow, {"what": what})


def mig_without_instances(seen: Seen) -> t.Iterator[Hit]:
    with_slices = {gpu.uuid for gpu in seen.listed if gpu.mig}
    empty = [
        gpu.uuid or "?"
        for gpu in (seen.smi.gpus if seen.smi else [])
        if gpu.mig_mode == "enabled" and not gpu.mig and gpu.uuid not in with_slices
    ]
    if empty:
        yield Hit(empty)


def fabric_not_ready(seen: Seen) -> t.Iterator[Hit]:
    gpus = seen.smi.gpus if seen.smi else []
    waiting = [gpu.uuid or "?" for gpu in gpus if gpu.fabric_state == "In Progress" or _fabric_failed(gpu)]
    on_fabric = bool(seen.nvswitches) or any(gpu.fabric_state for gpu in gpus)
    cuda = any("cuda:802" in one.answer.errors for one in seen.frameworks)
    # It ends by itself, as a failure, where there is no fabric to manage.
    failed = on_fabric and any(unit.startswith("nvidia-fabricmanager") for unit in seen.failed_services)
    loaded = seen.driver.version if seen.driver else None
    said = _OTHER_FABRIC.search("\n".join(seen.failed_services.values())) if failed else None
    manager = said[1] if said else seen.fabricmanager
    other = bool(manager and loaded and manager != loaded)
    missing = bool(seen.nvswitches and seen.driver and not manager and not failed)
    if cuda and not (on_fabric or waiting):
        yield Hit(
            values={"what": "CUDA waits for the system to be ready (802), and no NVSwitch is seen here"},
            confidence="possible",
            cause="Either the GPUs are on a fabric that this virtual machine does not see, or they are in confidential"
            " mode, and nobody has declared them ready.",
            remedy="See in which mode the GPUs are, and declare them ready; or see to the fabric on the machine that"
            " has it.",
            commands=("nvidia-smi conf-compute -q", "nvidia-smi conf-compute -srs 1"),
        )
    elif waiting or cuda or failed or other or missing:
        what = (
            f"nvidia-fabricmanager is {manager} and the driver {loaded}"
            if other
            else "nvidia-fabricmanager is not installed"
            if missing
            else "nvidia-fabricmanager does not work"
            if failed
            else "the NVLink fabric is not ready"
        )
        yield Hit(waiting, {"what": what}, confidence=None if waiting or cuda or (other and said) else "likely")


def smi_hangs(seen: Seen) -> t.Iterator[Hit]:
    if seen.smi and seen.smi.hung:
        yield Hit()


def smi_not_understood(seen: Seen) -> t.Iterator[Hit]:
    smi = seen.smi
    if not smi or smi.hung or smi.listing_run.rc is None:
        return
    if smi.problem:
        yield Hit(values={"said": smi.problem})
    elif smi.rc == 0 and not smi.listing.gpus and not smi.listing.none_found and not smi.gpus:
        yield Hit(values={"said": "it exits 0 without naming a GPU"})


def nvml_error(seen: Seen) -> t.Iterator[Hit]:
    nothing_there = seen.pci == [] and seen.smi is not None and _NO_DEVICES.search(seen.smi.text)
    if seen.smi and not seen.nvml_works and seen.smi.rc not in (None, 0) and not nothing_there:
        said = _OTHER_NVML.search(seen.smi.text)
        first = next(iter(seen.smi.text.splitlines()), "nothing")[:200]
        values = {"said": said[1] if said else first, "rc": seen.smi.rc}
        if seen.smi.crashed:
            yield Hit(
                values=values,
                confidence="possible",
                cause="nvidia-smi itself crashed: it does not fit the driver, as in WSL with some drivers of Windows."
                " CUDA may work nevertheless.",
                remedy="Ask a program that uses CUDA, and install another version of the driver.",
                commands=("python3 -c 'import ctypes; print(ctypes.CDLL(\"libcuda.so.1\").cuInit(0))'",),
            )
        else:
            yield Hit(values=values)


def _fabric_failed(gpu: t.Any) -> bool:
    return gpu.fabric_state == "Completed" and gpu.fabric_status not in (None, "Success")


def _is_node(seen: Seen, path: str, major: int | None) -> bool:
    node = seen.nodes.get(path)
    return bool(node and node.is_device and (major is None or node.major == major))


def _is_owner(seen: Seen, node: t.Any) -> bool:
    return bool(seen.uid and node.uid == seen.uid and node.mode & 0o600 == 0o600)


def _with_fault(seen: Seen, fault: str) -> list[str]:
    gpus = seen.smi.gpus if seen.smi else []
    return [gpu.uuid or seen.gpu_at(gpu.bus_id) for gpu in gpus if fault in gpu.faults]


def _left_out(seen: Seen) -> list[str]:
    """GPUs that the driver is bound to, and nvidia-smi neither lists nor complains of."""
    if not seen.smi or seen.smi.failed or not seen.listed or not all(gpu.bus_id for gpu in seen.smi.gpus):
        return []
    shown = {gpu.bus_id for gpu in seen.smi.gpus}
    if len(shown) < len(seen.listed):
        return []
    return [seen.gpu_at(gpu.bus_id) for gpu in seen.pci or () if gpu.driver == "nvidia" and gpu.bus_id not in shown]


def _buses(gpus: t.Iterable[PciGpu]) -> str:
    return ", ".join(gpu.bus_id for gpu in gpus)
