# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which GPUs the instances get that leave it open, and which claim the same ones.

Without this, everybody's framework takes the first GPU of the machine. An assignment that was made before is kept, so
that a new colleague in the list moves nobody to another GPU.
"""

from __future__ import annotations

import typing as t

from .gpus import ALL, AUTO

if t.TYPE_CHECKING:
    from .._gpu_visibility.parsers.smi_list import Listed
    from .settings import Settings

# Ours, with CUDA in it.
VARIANT_LABEL, GPU_VARIANT = "gpulab.workstation.variant", "gpu"
# What the images of NVIDIA have in their environment, and what there means no GPU.
# https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html
VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"
NOT_WANTED = ("", "none", "void")


class Device(t.NamedTuple):
    """What can be given to one container: a GPU, or a MIG device of one.

    position: its other name; names: every way to ask for it, if with others.
    """

    uuid: str
    position: str
    names: frozenset[str]


def devices_of(listed: list[Listed]) -> list[Device]:
    """From `nvidia-smi -L`. Whoever asks for a GPU that is divided asks for all of its MIG devices."""
    found = []
    for gpu in listed:
        names = {str(gpu.number), gpu.uuid}
        parts = [(part.uuid, f"{gpu.number}:{part.number}") for part in gpu.mig]
        found += [Device(uuid, position, frozenset({*names, uuid, position})) for uuid, position in parts] or [
            Device(gpu.uuid, str(gpu.number), frozenset(names))
        ]
    return found


def wants_gpus(image: dict[str, t.Any] | None) -> bool:
    """Whether an image, as `docker image inspect` has it, is made for GPUs."""
    config = (image or {}).get("Config") or {}
    environment = dict(line.partition("=")[::2] for line in config.get("Env") or [] if "=" in line)
    return (config.get("Labels") or {}).get(VARIANT_LABEL) == GPU_VARIANT or environment.get(
        VISIBLE_DEVICES, ""
    ) not in NOT_WANTED


def claimed(gpus: tuple[str, ...], devices: list[Device]) -> set[str]:
    """The UUIDs behind the names; a name that the machine does not know stands for itself."""
    if gpus == ALL:
        return {device.uuid for device in devices} or set(ALL)
    found: set[str] = set()
    for name in gpus:
        found |= {device.uuid for device in devices if name in device.names} or {name}
    return found


def conflicts(instances: list[Settings], devices: list[Device]) -> list[str]:
    """A sentence for each two instances that name the same GPU."""
    claims = [
        (instance.name, claimed(instance.gpus, devices)) for instance in instances if instance.gpus not in ((), AUTO)
    ]
    return [
        f"Instances {first} and {second} claim the same GPU ({', '.join(sorted(both))}): give them different ones in "
        f"`gpus`; or leave `gpus` out, and each gets one in turn; or allow it with jupyter_share_gpus."
        for number, (first, ours) in enumerate(claims)
        for second, theirs in claims[number + 1 :]
        for both in [ours & theirs]
        if both
    ]


def assign(
    instances: list[Settings],
    devices: list[Device],
    recorded: t.Mapping[str, tuple[str, ...]],
    known: frozenset[str] = frozenset(),
    others: t.Iterable[tuple[str, ...]] = (),
) -> dict[str, tuple[str, ...]]:
    """The GPUs of each instance.

    instances: those that are enabled and run an image made for GPUs, or say which they want.
    recorded: what an earlier run gave to those that leave it open.
    known: the names that the engine understands, where those are not all.
    others: what instances have that are on the machine and not in this list, of another play or of who has left.
    """
    given = {instance.name: instance.gpus for instance in instances if instance.gpus != AUTO}
    open_ones = [instance.name for instance in instances if instance.gpus == AUTO]
    if not devices:
        # A driver that does not answer today is no reason to take a notebook's GPU away for good.
        return {**given, **{name: recorded.get(name, ()) for name in open_ones}}
    taken = [*given.values(), *others]
    if len(open_ones) == 1 and not any(taken):
        return {**given, open_ones[0]: ALL}
    load = {device.uuid: 0 for device in devices}
    for gpus in taken:
        for uuid in claimed(gpus, devices) & set(load):
            load[uuid] += 1
    kept = {name: uuid for name in open_ones for uuid in [recorded_device(recorded.get(name, ()), devices)] if uuid}
    for uuid in kept.values():
        load[uuid] += 1
    for name, uuid in reversed(list(kept.items())):
        # The inventory gave it to somebody else by name, say, and another is free.
        if load[uuid] - min(load.values()) > 1:
            load[uuid] -= 1
            del kept[name]
    for name in open_ones:
        if name not in kept:
            # The first of the least used, in the machine's own order.
            kept[name] = min(load, key=load.__getitem__)
            load[kept[name]] += 1
    by_uuid = {device.uuid: device for device in devices}
    return {**given, **{name: name_of(by_uuid[uuid], known) for name, uuid in kept.items()}}


def recorded_device(gpus: tuple[str, ...], devices: list[Device]) -> str:
    """The UUID of the one device that was given. Empty where that is gone, or it was given more than one."""
    found = [device.uuid for device in devices if gpus in ((device.uuid,), (device.position,))]
    return found[0] if found else ""


def name_of(device: Device, known: frozenset[str]) -> tuple[str, ...]:
    """A UUID where that will do, because positions change when a card is added; all where single ones have no name."""
    names = [name for name in (device.uuid, device.position) if not known or name in known]
    return (names[0],) if names else ALL
