# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`nvidia-smi -q -x`, from driver 352 to 610.

The number of the DTD says little (v12 has been written by drivers from 525 to 570, with different contents), so every
element is taken where it is present: power_readings became gpu_power_readings in 535, clocks_throttle_reasons
clocks_event_reasons, cuda_version came in 410, mig_mode in 450, gpu_recovery_action in 570.
"""

from __future__ import annotations

import re
import typing as t
import xml.etree.ElementTree as ET

from . import pci, smi_text

_ROOT = re.compile(r"<nvidia_smi_log\b.*</nvidia_smi_log\s*>", re.S)
_PCI_ID = re.compile(r"(?:0x)?([0-9a-f]{4})10de", re.ASCII | re.I)
_REASONS = ("hw_thermal_slowdown", "hw_power_brake_slowdown", "sw_thermal_slowdown")
# Only where an architecture has one capability; Ampere and Blackwell have several.
_CAPABILITY = {"Volta": "7.0", "Turing": "7.5", "Ada Lovelace": "8.9", "Hopper": "9.0"}


class MigDevice(t.NamedTuple):
    number: int | None
    gi_id: int | None
    ci_id: int | None
    memory: int | None


class XmlGpu(t.NamedTuple):
    bus_id: str | None
    uuid: str | None
    name: str | None
    architecture: str | None
    compute_capability: str | None
    minor: int | None
    device_id: str | None
    memory: int | None
    persistence: str | None
    recovery_action: str | None
    mig_mode: str  # enabled, disabled, unsupported
    mig: list[MigDevice]
    fabric_state: str | None
    fabric_status: str | None
    virtualization: str | None
    slowed_by: list[str]
    faults: list[str]
    cells: t.Sequence[tuple[str, str]] = ()  # the values in whose place a fault stands: name, fault
    values: int = 0  # how many values there are in all
    compute_mode: str | None = None
    remapping: t.Sequence[str] = ()  # of pending, failure


class Answer(t.NamedTuple):
    driver_version: str | None
    cuda_version: str | None
    attached: int | None
    gpus: list[XmlGpu]
    problem: str | None


def parse(text: str) -> Answer:
    # All before the root element is left out, and with it the DOCTYPE: no DTD is read and no entity is ever defined.
    found = _ROOT.search(text)
    if not found:
        return _nothing("this is no complete nvidia_smi_log")
    try:
        root = ET.fromstring(found[0])  # noqa: S314  # without a DOCTYPE there is nothing to expand
    except (ET.ParseError, ValueError) as error:
        return _nothing(f"this is no XML: {error}")
    return Answer(
        driver_version=_text(root, "driver_version"),
        cuda_version=_text(root, "cuda_version"),
        attached=smi_text.number(root.findtext("attached_gpus")),
        gpus=[_gpu(element) for element in root.findall("gpu")],
        problem=_text(root, "error_string"),
    )


def _nothing(problem: str) -> Answer:
    return Answer(None, None, None, [], problem)


def _gpu(gpu: ET.Element) -> XmlGpu:
    architecture = _text(gpu, "product_architecture")
    device = _PCI_ID.fullmatch(_text(gpu, "pci/pci_device_id") or "")
    mode = _text(gpu, "mig_mode/current_mig")
    cells = [(str(one.tag), smi_text.fault(one.text)) for one in gpu.iter()]
    bad = [(tag, fault) for tag, fault in cells if fault]
    faults = {fault for _tag, fault in bad}
    return XmlGpu(
        bus_id=pci.normalise(_text(gpu, "pci/pci_bus_id") or gpu.get("id")),
        uuid=_text(gpu, "uuid"),
        name=_text(gpu, "product_name"),
        architecture=architecture,
        compute_capability=_CAPABILITY.get(architecture or ""),
        minor=smi_text.number(gpu.findtext("minor_number")),
        device_id=f"10de:{device[1]}".lower() if device else None,
        memory=smi_text.mebibytes(gpu.findtext("fb_memory_usage/total")),
        persistence=_text(gpu, "persistence_mode"),
        recovery_action=_text(gpu, "gpu_recovery_action"),
        mig_mode={"Enabled": "enabled", "Disabled": "disabled"}.get(mode or "", "unsupported"),
        mig=[_mig(element) for element in gpu.findall("mig_devices/mig_device")],
        fabric_state=_text(gpu, "fabric/state"),
        fabric_status=_text(gpu, "fabric/status"),
        virtualization=_text(gpu, "gpu_virtualization_mode/virtualization_mode"),
        slowed_by=[name for name in _REASONS if _is_active(gpu, name)],
        faults=sorted(faults),
        cells=bad,
        values=sum(1 for one in gpu.iter() if (one.text or "").strip()),
        compute_mode=_text(gpu, "compute_mode"),
        remapping=[
            name for name in ("pending", "failure") if _text(gpu, f"remapped_rows/remapped_row_{name}") == "Yes"
        ],
    )


def _mig(device: ET.Element) -> MigDevice:
    return MigDevice(
        smi_text.number(device.findtext("index")),
        smi_text.number(device.findtext("gpu_instance_id")),
        smi_text.number(device.findtext("compute_instance_id")),
        smi_text.mebibytes(device.findtext("fb_memory_usage/total")),
    )


def _is_active(gpu: ET.Element, reason: str) -> bool:
    return any(
        _text(gpu, f"{group}s/{group}_{reason}") == "Active"
        for group in ("clocks_event_reason", "clocks_throttle_reason")
    )


def _text(element: ET.Element, path: str) -> str | None:
    return smi_text.clean(element.findtext(path))
