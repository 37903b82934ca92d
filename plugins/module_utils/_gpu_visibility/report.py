# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was seen to what is returned: layers, GPUs, findings, and one sentence."""

from __future__ import annotations

import typing as t

from . import catalogue
from .parsers import smi_xml, toolkit
from .probes import inside
from .seen import LAYERS, InContainer, InFramework, Seen

SCHEMA_VERSION = 1
SEVERITIES = ("error", "warning", "info")
_OBSERVED_BY_ITSELF = frozenset(("pci", "toolkit", "cdi", "docker"))


def report(seen: Seen) -> dict[str, t.Any]:
    names = [*LAYERS, *(f"framework:{name}" for name in seen.wanted_frameworks)]
    asked = {name for name in names if name in seen.asked or name.startswith("framework:")}
    found = [finding for finding in catalogue.findings(seen) if finding["layer"] in asked]
    found.sort(key=lambda one: (names.index(one["layer"]), SEVERITIES.index(one["severity"])))
    counts = _counts(seen)
    layers: list[dict[str, t.Any]] = []
    broken: str | None = None
    for name in names:
        status = (
            _status(seen, name, [one for one in found if one["layer"] == name], counts) if name in asked else "skipped"
        )
        blocked = broken if status in ("broken", "unknown") and name not in _OBSERVED_BY_ITSELF else None
        layers.append(
            {
                "name": name,
                "status": status,
                "blocked_by": blocked,
                "reason": seen.not_looked.get(name) if status == "unknown" else None,
                "gpu_uuids": _uuids(seen, name) if status != "skipped" else [],
                "duration_ms": round(1000 * seen.durations.get(name, 0.0)),
                "evidence": seen.evidence.get(name, []) if name in asked else [],
            }
        )
        if status == "broken" and broken is None:
            broken = name
    first = broken or next((layer["name"] for layer in layers if layer["status"] == "degraded"), None)
    status = _overall(seen, layers)
    return {
        "schema_version": SCHEMA_VERSION,
        "status": status,
        "platform": seen.platform,
        "first_broken_layer": first,
        "summary": _summary(seen, status, first, layers, counts, found),
        "counts": counts,
        "layers": layers,
        "findings": found,
        "gpus": _gpus(seen),
        "driver": _driver(seen),
        "toolkit": {
            "version": seen.toolkit_version,
            "mode": seen.toolkit_mode,
            "no_cgroups": _flag(seen.toolkit_settings.get("nvidia-container-cli.no-cgroups")),
            "hook_path": seen.hook_path,
        },
        "cdi": {"enabled": seen.cdi_is_enabled, "spec_files": [_spec_file(file) for file in seen.cdi_files]},
        "docker": _docker(seen),
        "container": _container(seen),
        "frameworks": [_framework(one) for one in seen.frameworks],
    }


# Layers


def _counts(seen: Seen) -> dict[str, t.Any]:
    bound = None
    if seen.pci is not None:
        bound = sum(gpu.driver == "nvidia" for gpu in seen.pci) if seen.driver else 0
    inside_them = _in_containers(seen)
    return {
        "pci": None if seen.pci is None else len(seen.pci),
        "kernel_driver": bound,
        "device_nodes": _nodes(seen),
        "nvml": len(seen.listed) if seen.smi and seen.smi.listing_run.rc is not None else None,
        "cdi": _count(_in_cdi(seen)),
        "container": None if inside_them is None else len(inside_them),
        "frameworks": {
            one.name: None if one.answer.devices is None else len(one.answer.devices) for one in seen.frameworks
        },
    }


def _count(found: set[str] | None) -> int | None:
    return None if found is None else len(found)


def _nodes(seen: Seen) -> int | None:
    """WSL has one node for all GPUs, and a Jetson none that is a GPU's own: neither tells how many there are."""
    if "device_nodes" not in seen.evidence:
        return None
    own = [path for path in seen.gpu_nodes if path[len("/dev/nvidia") :].isdigit()]
    if not own and (seen.has_dxg or seen.is_tegra):
        return None
    return sum(seen.nodes[path].is_device for path in own)


def _status(seen: Seen, name: str, found: list[dict[str, t.Any]], counts: dict[str, t.Any]) -> str:
    severities = {one["severity"] for one in found if one["confidence"] != "possible" or one["severity"] == "error"}
    if "error" in severities:
        return "degraded" if _some_work(seen, name, counts) else "broken"
    base = _base(seen, name)
    return "degraded" if "warning" in severities else base


def _some_work(seen: Seen, name: str, counts: dict[str, t.Any]) -> bool:
    if name in ("toolkit", "cdi", "docker"):
        return False
    if name in ("kernel_driver", "device_nodes") and seen.smi:
        return seen.nvml_works
    if name.startswith("framework:"):
        return bool(counts["frameworks"].get(name.partition(":")[2]))
    return bool(counts[name])


def _base(seen: Seen, name: str) -> str:
    """The status of a layer that nothing was found against."""
    if name.startswith("framework:"):
        one = next((one for one in seen.frameworks if f"framework:{one.name}" == name), None)
        if one is None:
            return "unknown"
        return "skipped" if one.answer.missing else "ok" if one.answer.devices else "unknown"
    if name in seen.not_looked:
        return "unknown"
    return (
        {
            "pci": lambda: "unknown" if seen.pci is None else "ok" if seen.pci else "skipped",
            "kernel_driver": lambda: "ok" if seen.driver else "unknown",
            "device_nodes": lambda: "ok" if seen.nodes else "unknown",
            "nvml": lambda: "ok" if seen.nvml_works else "unknown",
            "toolkit": lambda: "ok" if seen.toolkit_programs else "skipped",
            "cdi": lambda: "ok" if _has_cdi(seen) else "unknown" if seen.cdi_files else "skipped",
            "docker": lambda: "skipped" if not seen.docker else "unknown" if seen.docker.problem else "ok",
            "container": lambda: (
                "ok" if any(look.inside and look.inside.smi_rc == 0 for look in seen.looks) else _unlooked(seen)
            ),
        }[name]()
        if not _not_here(seen, name)
        else "skipped"
    )


def _unlooked(seen: Seen) -> str:
    return (
        "ok"
        if any(look.inside and look.inside.gpu_nodes for look in seen.looks)
        else "unknown"
        if seen.looks
        else "skipped"
    )


def _not_here(seen: Seen, name: str) -> bool:
    """Layers that a platform does not have, or that a host without a GPU does not need."""
    if not _is_gpu_host(seen):
        return True
    if name == "pci":
        return seen.has_dxg or seen.is_tegra
    if name == "kernel_driver":
        return seen.has_dxg
    if name == "nvml":
        return seen.is_tegra and seen.smi is not None and seen.smi.listing_run.rc is None and not seen.smi.hung
    return False


def _is_gpu_host(seen: Seen) -> bool:
    return seen.has_device or seen.nvml_works or bool(seen.expected_gpus) or bool(seen.driver)


def _overall(seen: Seen, layers: list[dict[str, t.Any]]) -> str:
    if not _is_gpu_host(seen):
        return "unknown" if seen.pci is None else "no_gpu"
    statuses = {layer["status"] for layer in layers}
    return next((status for status in ("broken", "degraded", "unknown") if status in statuses), "ok")


def _summary(
    seen: Seen,
    status: str,
    first: str | None,
    layers: list[dict[str, t.Any]],
    counts: dict[str, t.Any],
    found: list[dict[str, t.Any]],
) -> str:
    if status == "no_gpu":
        return "no GPU of NVIDIA"
    looked = {layer["name"] for layer in layers if layer["status"] != "skipped"}
    flat = {**{name: counts[name] for name in LAYERS if name in counts and name in looked}, **counts["frameworks"]}
    known = [name for name, count in flat.items() if count is not None]
    wanted = max([seen.expected_gpus or 0, *(flat[name] for name in known if name in LAYERS)], default=0)
    short = (first or "").rpartition(":")[2]
    at = short if flat.get(short) is not None else known[-1] if known else None
    sentence = f"{flat[at]} of {wanted} GPUs visible in {at}" if at else "nothing could be seen of GPUs"
    # Where nothing tells how many there are, as in WSL, none of none would be a lie.
    if at and not wanted:
        sentence = f"no GPU visible in {at}"
    # Those who have notebooks may have been given a part each.
    given = [look.container for look in _looks(seen) if look.container]
    if at == "container" and not first and given and flat[at] < wanted:
        on_host = known[known.index(at) - 1]
        sentence = f"{flat[on_host]} of {wanted} GPUs visible in {on_host}, {flat[at]} of them in {', '.join(given)}"
    reasons = [one for one in found if one["layer"] == first and one["severity"] != "info"]
    return f"{sentence}: {reasons[0]['message']}" if reasons else sentence


# GPUs


def _uuids(seen: Seen, name: str) -> list[str]:
    if name == "pci":
        return [seen.uuid_of[gpu.bus_id] for gpu in seen.pci or () if gpu.bus_id in seen.uuid_of]
    if name == "nvml":
        return [gpu.uuid for gpu in seen.listed]
    key = "frameworks" if name.startswith("framework:") else name
    found = []
    for gpu in _gpus(seen):
        visible = gpu["kernel_driver"] == "nvidia" if name == "kernel_driver" else gpu["visible_in"].get(key)
        if isinstance(visible, dict):
            visible = visible.get(name.partition(":")[2])
        if visible and gpu["uuid"]:
            found.append(gpu["uuid"])
    return found


def _gpus(seen: Seen) -> list[dict[str, t.Any]]:
    """Every GPU that any layer knows, by its place on the bus, else by its UUID."""
    by_xml = {gpu.bus_id: gpu for gpu in (seen.smi.gpus if seen.smi else []) if gpu.bus_id}
    by_proc = {one.bus_id: one for one in seen.information}
    buses = dict.fromkeys([*(gpu.bus_id for gpu in seen.pci or ()), *by_proc, *by_xml])
    found = [_gpu(seen, bus_id, seen.uuid_of.get(bus_id), by_xml.get(bus_id)) for bus_id in sorted(buses)]
    known = {gpu["uuid"] for gpu in found}
    return found + [_gpu(seen, None, gpu.uuid, None) for gpu in seen.listed if gpu.uuid not in known]


def _gpu(seen: Seen, bus_id: str | None, uuid: str | None, xml: smi_xml.XmlGpu | None) -> dict[str, t.Any]:
    pci = next((gpu for gpu in seen.pci or () if gpu.bus_id == bus_id), None)
    proc = next((one for one in seen.information if one.bus_id == bus_id), None)
    listed = next((gpu for gpu in seen.listed if uuid and gpu.uuid == uuid), None)
    minor = xml.minor if xml and xml.minor is not None else proc.minor if proc else None
    codes = [xid.code for xid in (seen.log.xids if seen.log else []) if xid.bus_id == bus_id]
    node = seen.nodes.get(f"/dev/nvidia{minor}")
    capability = xml.compute_capability if xml else None
    for one in seen.frameworks:
        for device in one.answer.devices or []:
            if device.compute_capability and ((bus_id and device.bus_id == bus_id) or (uuid and device.uuid == uuid)):
                capability = device.compute_capability
    in_container = _in_containers(seen)
    in_cdi = _in_cdi(seen)
    return {
        "uuid": uuid,
        "pci_bus_id": bus_id,
        "pci_device_id": pci.device_id if pci else xml.device_id if xml else None,
        "index": listed.number if listed else None,
        "minor_number": minor,
        "name": (xml and xml.name) or (listed.name if listed else proc.model if proc else None),
        "kernel_driver": pci.driver if pci else None,
        "memory_total_bytes": xml.memory if xml else None,
        "compute_capability": capability,
        "recovery_action": xml.recovery_action if xml else None,
        "last_xid": {"code": codes[-1], "count": codes.count(codes[-1])} if codes else None,
        "mig": {"mode": xml.mig_mode if xml else None, "devices": _mig(listed, xml)},
        "visible_in": {
            "pci": None if seen.pci is None else pci is not None,
            "device_nodes": None if minor is None or _nodes(seen) is None else bool(node and node.is_device),
            "nvml": None if seen.smi is None or seen.smi.listing_run.rc is None else listed is not None,
            "cdi": uuid in in_cdi if in_cdi is not None and uuid else None,
            "container": None if in_container is None else uuid in in_container,
            "frameworks": {one.name: _in_framework(seen, one, bus_id, uuid) for one in seen.frameworks},
        },
    }


def _mig(listed: t.Any, xml: smi_xml.XmlGpu | None) -> list[dict[str, t.Any]]:
    """-L has the UUIDs and profiles, the XML the rest; the number of the device joins them."""
    details = {one.number: one for one in (xml.mig if xml else [])}
    named = {one.number: one for one in (listed.mig if listed else [])}
    return [
        {
            "uuid": named[number].uuid if number in named else None,
            "profile": named[number].profile if number in named else None,
            "gi_id": details[number].gi_id if number in details else None,
            "ci_id": details[number].ci_id if number in details else None,
            "memory_total_bytes": details[number].memory if number in details else None,
        }
        for number in dict.fromkeys([*named, *details])
    ]


def _in_framework(seen: Seen, one: InFramework, bus_id: str | None, uuid: str | None) -> bool | None:
    devices = one.answer.devices
    if devices is None:
        return None
    if any((bus_id and device.bus_id == bus_id) or (uuid and device.uuid == uuid) for device in devices):
        return True
    if all(device.bus_id or device.uuid for device in devices):
        return False
    # Devices without a name that anybody else knows: all of them or nothing can be told.
    return True if len(devices) == len(seen.listed) else None


def _in_cdi(seen: Seen) -> set[str] | None:
    """The GPUs that the specifications name: by UUID, by index, by a MIG device of theirs, or by their nodes."""
    if "cdi" not in seen.evidence or any(file.spec.problem for file in seen.cdi_files):
        return None
    names = {name for file in seen.gpu_specs for name in file.spec.devices}
    owner = {str(gpu.number): gpu.uuid for gpu in seen.listed}
    owner.update({one.uuid: gpu.uuid for gpu in seen.listed for one in gpu.mig})
    found = {name for name in names if name.startswith("GPU-")}
    found.update(owner[name.partition(":")[0]] for name in names if name.partition(":")[0] in owner)
    nodes = {node.path for file in seen.gpu_specs for node in file.spec.all_nodes()}
    found.update(_by_nodes(seen, nodes))
    # Without nvidia-smi nobody knows whose index it is; each still is a GPU.
    found = found or {name for name in names if name.isdigit()}
    # Devices of which nothing tells whose they are.
    return found if found or not names else None


def _by_nodes(seen: Seen, paths: t.Iterable[str]) -> set[str]:
    """The GPUs whose nodes these are; /dev/dxg is that of all of them."""
    minors = {one.minor: one.uuid for one in seen.information if one.uuid}
    minors.update({gpu.minor: gpu.uuid for gpu in (seen.smi.gpus if seen.smi else []) if gpu.uuid})
    found: set[str] = set()
    for path in paths:
        name = path.rpartition("/")[2]
        if name == "dxg" and seen.has_dxg:
            found.update(gpu.uuid for gpu in seen.listed)
        elif name.startswith("nvidia") and name[len("nvidia") :].isdigit():
            found.add(minors.get(int(name[len("nvidia") :])) or "")
    return found - {""}


def _has_cdi(seen: Seen) -> bool:
    return any(file.spec.devices for file in seen.gpu_specs)


def _looks(seen: Seen) -> list[InContainer]:
    """The looks that count for the layer: into containers that run, where such were asked for."""
    return [look for look in seen.looks if look.container] or seen.looks


def _in_containers(seen: Seen) -> set[str] | None:
    """The GPUs that are seen in one of them at least; None where nothing is known."""
    known = [look.inside for look in _looks(seen) if look.inside]
    if not known:
        return None
    found = {gpu.uuid for inside_it in known for gpu in inside_it.listing.gpus}
    # Where nvidia-smi is not in the container, its nodes tell; those of a Jetson tell nothing.
    without = [inside_it for inside_it in known if inside_it.smi_rc == 127]
    found |= {uuid for inside_it in without for uuid in _by_nodes(seen, inside_it.gpu_nodes)}
    return found if found or not any(inside_it.gpu_nodes for inside_it in without) else None


# The rest of what is returned


def _driver(seen: Seen) -> dict[str, t.Any]:
    modes = {gpu.persistence for gpu in (seen.smi.gpus if seen.smi else [])} - {None}
    from_smi = seen.smi.xml.driver_version if seen.smi and seen.smi.xml else None
    return {
        "loaded_version": seen.driver.version if seen.driver else from_smi if seen.has_dxg else None,
        "library_version": seen.library_version,
        "module_flavor": seen.driver.flavor if seen.driver else None,
        "cuda_version": seen.cuda_version,
        "secure_boot": seen.secure_boot,
        "persistence": modes == {"Enabled"} if modes else None,
        "nvml_rc": seen.nvml_rc,
        "smi_rc": seen.smi.rc if seen.smi else None,
    }


def _spec_file(file: t.Any) -> dict[str, t.Any]:
    known = file.spec.problem is None
    return {
        "path": file.path,
        "cdi_version": file.spec.version,
        "driver_version": file.spec.driver_version,
        "devices": list(file.spec.devices) if known else None,
        "stale": bool(file.stale_reasons) if known else None,
        "stale_reasons": file.stale_reasons,
    }


def _docker(seen: Seen) -> dict[str, t.Any] | None:
    if seen.docker is None:
        return None
    return {
        "version": seen.docker.version,
        "install": seen.docker_install,
        "engine": seen.engine,
        "context": seen.docker_context or seen.docker.context,
        "operating_system": seen.docker.operating_system,
        "warnings": list(seen.docker.warnings),
        "rootless": None if seen.docker.problem else seen.docker.rootless,
        "cgroup_driver": seen.docker.cgroup_driver,
        "cgroup_version": seen.docker.cgroup_version,
        "runtimes": None if seen.docker.problem else seen.docker.runtimes,
        "cdi_devices": seen.docker.cdi_devices,
        "default_runtime": seen.docker.default_runtime,
        "gpu_methods": None if seen.docker.problem else inside.supported(seen),
    }


def _container(seen: Seen) -> dict[str, t.Any] | None:
    if not seen.looks:
        return None
    look = next((look for look in seen.looks if look.inside is None or look.inside.smi_rc != 0), seen.looks[-1])
    return {
        "image": look.image,
        "name": look.container,
        "method": look.method,
        "rc": look.rc,
        "capabilities": look.inside.capabilities if look.inside else None,
        "visible_devices": look.inside.visible if look.inside else None,
        "cuda_required": toolkit.required_cuda(look.required_cuda),
        "cuda_satisfied": toolkit.is_satisfied(look.required_cuda, seen.cuda_version),
    }


def _framework(one: InFramework) -> dict[str, t.Any]:
    return {
        "name": one.name,
        "where": one.where,
        "container": one.container,
        "version": one.answer.version,
        "cuda_build": one.answer.cuda_build,
        "devices": None
        if one.answer.devices is None
        else [{"id": device.id, "uuid": device.uuid, "name": device.name} for device in one.answer.devices],
        "errors": one.answer.errors,
        "said": one.answer.said or None,
        "environment": dict(one.answer.environment),
    }


def _flag(text: str | None) -> bool | None:
    return None if text is None else text == "true"
