# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine with GPUs that do not exist: what it consists of, and the text that its tools print.

Names, identifiers and texts are made up in the form that the real tools use; nothing here is a capture.
"""

from __future__ import annotations

import dataclasses
import typing as t
from xml.sax.saxutils import escape

NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. "
    "Make sure that the latest NVIDIA driver is installed and running.\n\n"
)
NO_LIBRARY = (
    "NVIDIA-SMI couldn't find libnvidia-ml.so library in your system. "
    "Please make sure that the NVIDIA Display Driver is properly installed and present in your system.\n"
    "Please also try adding directory that contains libnvidia-ml.so to your system PATH.\n"
)
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: {library}\n"
LOST = "GPU is lost.  Reboot the system to recover this GPU\n\n"
SAFE_FIELDS = "index,name,uuid,pci.bus_id,driver_version,memory.total,mig.mode.current"


@dataclasses.dataclass(frozen=True)
class Slice:
    """A MIG device."""

    profile: str
    memory_mib: int
    gi_id: int
    ci_id: int = 0


@dataclasses.dataclass(frozen=True)
class Gpu:
    index: int
    name: str = "NVIDIA T4"
    device_id: int = 0x1EB8
    architecture: str = "Turing"
    memory_mib: int = 15360
    driver: str | None = "nvidia"  # what /sys says is bound to it
    mig: tuple[Slice, ...] | None = None  # None: the GPU has no MIG; empty: enabled without instances
    recovery_action: str = "None"
    reasons: tuple[str, ...] = ()  # of hw_thermal_slowdown, hw_power_brake_slowdown, ...
    fabric: str | None = None  # In Progress, Completed
    persistence: str = "Enabled"
    cells: tuple[tuple[str, str], ...] = ()  # further values of its XML, such as (fan_speed, Unknown Error)

    @property
    def bus_id(self) -> str:
        return f"0000:{0x3B + 3 * self.index:02x}:00.0"

    @property
    def uuid(self) -> str:
        return f"GPU-{self.index:08x}-1ab0-4000-8000-0123456789ab"

    def slice_uuid(self, number: int) -> str:
        return f"MIG-{self.index:08x}-1ab0-5000-8000-{number:012x}"


def t4(count: int) -> tuple[Gpu, ...]:
    return tuple(Gpu(index) for index in range(count))


@dataclasses.dataclass(frozen=True)
class Machine:
    gpus: tuple[Gpu, ...] = dataclasses.field(default_factory=lambda: t4(4))
    driver: str | None = "550.163.01"  # the loaded kernel module; None: not loaded
    library: str | None = "550.163.01"  # libnvidia-ml; None: not installed
    flavor: str = "proprietary"  # or open
    cuda: str = "12.4"
    kernel: str = "6.12.48-lab-amd64"
    module_file: bool = True  # nvidia.ko for this kernel
    secure_boot: bool | None = False  # None: no EFI
    uvm: bool = True
    uvm_major: int = 510
    toolkit: str | None = "1.18.0"
    cdi: bool = True
    nvswitches: int = 0
    kernel_log: str = ""

    @property
    def working(self) -> tuple[Gpu, ...]:
        return tuple(gpu for gpu in self.gpus if gpu.driver == "nvidia")


def smi_list(gpus: t.Iterable[Gpu]) -> str:
    return "".join(f"{line}\n" for gpu in gpus for line in smi_list_lines(gpu))


def smi_list_lines(gpu: Gpu) -> list[str]:
    lines = [f"GPU {gpu.index}: {gpu.name} (UUID: {gpu.uuid})"]
    for number, one in enumerate(gpu.mig or ()):
        lines.append(f"  MIG {one.profile:<11} Device {number:>2}: (UUID: {gpu.slice_uuid(number)})")
    return lines


def smi_table_head(machine: Machine) -> str:
    """The table that `nvidia-smi` without arguments prints, in a short form."""
    return f"| NVIDIA-SMI {machine.library}    Driver Version: {machine.driver}    CUDA Version: {machine.cuda} |\n"


def smi_table_rows(gpus: t.Iterable[Gpu]) -> str:
    return "".join(
        f"| {gpu.index:>3}  {gpu.name:<28} 0000{gpu.bus_id.upper()} | {gpu.memory_mib:>8}MiB |\n" for gpu in gpus
    )


def smi_csv(machine: Machine, gpus: t.Iterable[Gpu]) -> str:
    rows = ["index, name, uuid, pci.bus_id, driver_version, memory.total [MiB], mig.mode.current"]
    for gpu in gpus:
        mig = "[N/A]" if gpu.mig is None else "Enabled"
        bus_id = f"0000{gpu.bus_id.upper()}"
        rows.append(f"{gpu.index}, {gpu.name}, {gpu.uuid}, {bus_id}, {machine.driver}, {gpu.memory_mib} MiB, {mig}")
    return "\n".join(rows) + "\n"


def smi_xml(machine: Machine, gpus: t.Sequence[Gpu], schema: int = 12) -> str:
    """`nvidia-smi -q -x`, cut to what tells one schema from another and to what somebody reads."""
    return xml_head(machine, str(len(gpus)), schema) + "".join(xml_gpu(gpu, schema) for gpu in gpus) + XML_TAIL


XML_TAIL = "</nvidia_smi_log>\n"


def xml_head(machine: Machine, attached: str, schema: int = 12) -> str:
    cuda = f"\t<cuda_version>{machine.cuda}</cuda_version>\n" if schema >= 10 else ""
    return (
        '<?xml version="1.0" ?>\n'
        f'<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v{schema}.dtd">\n'
        "<nvidia_smi_log>\n\t<timestamp>Sat Nov 21 05:00:00 2026</timestamp>\n"
        f"\t<driver_version>{machine.driver}</driver_version>\n{cuda}"
        f"\t<attached_gpus>{attached}</attached_gpus>\n"
    )


def xml_gpu(gpu: Gpu, schema: int = 12) -> str:
    body = [("product_name", gpu.name), ("product_brand", "NVIDIA")]
    if schema >= 12:
        body.append(("product_architecture", gpu.architecture))
    body += [("persistence_mode", gpu.persistence), ("uuid", gpu.uuid), ("minor_number", str(gpu.index)), *gpu.cells]
    lines = [f"\t\t<{name}>{escape(text)}</{name}>" for name, text in body]
    if schema >= 11:
        mode = "N/A" if gpu.mig is None else "Enabled"
        lines.append(f"\t\t<mig_mode><current_mig>{mode}</current_mig><pending_mig>{mode}</pending_mig></mig_mode>")
        slices = "".join(
            f"<mig_device><index>{number}</index><gpu_instance_id>{one.gi_id}</gpu_instance_id>"
            f"<compute_instance_id>{one.ci_id}</compute_instance_id>"
            f"<fb_memory_usage><total>{one.memory_mib} MiB</total></fb_memory_usage></mig_device>"
            for number, one in enumerate(gpu.mig or ())
        )
        lines.append(f"\t\t<mig_devices>{slices or 'None'}</mig_devices>")
    lines.append(
        f"\t\t<pci><pci_bus_id>0000{gpu.bus_id.upper()}</pci_bus_id>"
        f"<pci_device_id>{gpu.device_id:04X}10DE</pci_device_id></pci>"
    )
    lines.append(f"\t\t<fb_memory_usage><total>{gpu.memory_mib} MiB</total><used>0 MiB</used></fb_memory_usage>")
    lines.append("\t\t<temperature><gpu_temp>41 C</gpu_temp></temperature>")
    # Renamed in 535, which still calls itself v12.
    prefix = "clocks_event_reason" if schema >= 12 else "clocks_throttle_reason"
    reasons = "".join(
        f"<{prefix}_{name}>{'Active' if name in gpu.reasons else 'Not Active'}</{prefix}_{name}>"
        for name in ("gpu_idle", "hw_slowdown", "hw_thermal_slowdown", "hw_power_brake_slowdown")
    )
    lines.append(f"\t\t<{prefix}s>{reasons}</{prefix}s>")
    if schema >= 13 or gpu.recovery_action != "None":
        lines.append(f"\t\t<gpu_recovery_action>{gpu.recovery_action}</gpu_recovery_action>")
    if gpu.fabric is not None:
        status = "Success" if gpu.fabric == "Completed" else "N/A"
        lines.append(f"\t\t<fabric><state>{gpu.fabric}</state><status>{status}</status></fabric>")
    return "\n".join([f'\t<gpu id="0000{gpu.bus_id.upper()}">', *lines, "\t</gpu>", ""])


def proc_version(machine: Machine) -> str:
    kind = "Open Kernel Module for x86_64" if machine.flavor == "open" else "x86_64 Kernel Module"
    return (
        f"NVRM version: NVIDIA UNIX {kind}  {machine.driver}  Release Build  (lab@builder)  Mon Apr 21 10:00:00 2025\n"
        "GCC version:  gcc version 14.2.0 (Debian 14.2.0-19)\n"
    )


def proc_information(gpu: Gpu) -> str:
    return (
        f"Model: \t\t {gpu.name}\nIRQ:   \t\t 120\nGPU UUID: \t {gpu.uuid}\n"
        f"Bus Type: \t PCIe\nBus Location: \t {gpu.bus_id}\nDevice Minor: \t {gpu.index}\nGPU Excluded:\t No\n"
    )


def cdi_spec(
    machine: Machine,
    *,
    root: str = "",
    uvm_major: int | None = None,
    library: str | None = None,
    version: str = "0.5.0",
) -> str:
    """A CDI specification in the form that nvidia-ctk writes. root: put before every path of the host."""
    out = ["---", f"cdiVersion: {version}", "kind: nvidia.com/gpu", "devices:"]

    def device(name: str, gpus: t.Iterable[Gpu]) -> None:
        out.extend([f"    - name: {name}", "      containerEdits:", "        deviceNodes:"])
        for gpu in gpus:
            out.extend(_node(f"/dev/nvidia{gpu.index}", root, 195, gpu.index, 12))

    for gpu in machine.working:
        device(f'"{gpu.index}"', [gpu])
    for gpu in machine.working:
        device(gpu.uuid, [gpu])
    if machine.working:
        device("all", machine.working)
    out += ["containerEdits:", "    env:", "        - NVIDIA_VISIBLE_DEVICES=void", "    deviceNodes:"]
    major = machine.uvm_major if uvm_major is None else uvm_major
    if machine.uvm:
        out += _node("/dev/nvidia-uvm", root, major, 0, 8) + _node("/dev/nvidia-uvm-tools", root, major, 1, 8)
    out += _node("/dev/nvidiactl", root, 195, 255, 8)
    out.append("    mounts:")
    of_driver = library or machine.library
    for path in ("/usr/bin/nvidia-smi", f"/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.{of_driver}"):
        out += [
            f"        - hostPath: {root}{path}",
            f"          containerPath: {path}",
            "          options: [ro, nosuid, nodev, rbind, rprivate]",
        ]
    return "\n".join(out) + "\n"


def _node(path: str, root: str, major: int, minor: int, indent: int) -> list[str]:
    pad = " " * indent
    lines = [f"{pad}- path: {path}", f"{pad}  hostPath: {root}{path}", f"{pad}  major: {major}"]
    if minor:  # nvidia-ctk leaves a zero out
        lines.append(f"{pad}  minor: {minor}")
    return [*lines, f"{pad}  fileMode: 438", f"{pad}  permissions: rwm"]


def xid(gpu: Gpu, code: int, message: str) -> str:
    bus = gpu.bus_id.rpartition(".")[0]
    return f"NVRM: Xid (PCI:{bus}): {code}, pid=4711, name=python3, {message}\n"
