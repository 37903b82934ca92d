# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of frameworks that somebody reported: drivers and libraries that do not fit, variables, sleep."""

from __future__ import annotations

import re
import typing as t

from ..parsers import docker as docker_info
from ..seen import InFramework, Seen
from . import Hit


def lost_by_sleep(seen: Seen) -> t.Iterator[Hit]:
    slept = bool(seen.log and seen.log.of("slept"))
    loaded = "nvidia_uvm" in seen.modules or "nvidia-uvm" in seen.majors
    for one in _without_gpus(seen):
        if slept and loaded and "cuda:999" in one.answer.errors:
            yield Hit(values={"name": one.name}, layer=_layer(one), confidence="likely")


def needs_newer_driver(seen: Seen) -> t.Iterator[Hit]:
    for one in _without_gpus(seen):
        found = one.answer.driver_too_old
        if found is None and "cuda:35" not in one.answer.errors:
            continue
        mine = docker_info.numbers(seen.cuda_version)
        other = docker_info.numbers(found)
        values = {"name": one.name, "has": found or seen.cuda_version or "an older one"}
        if mine and other and mine[:2] != other[:2]:
            yield Hit(
                values=values,
                layer=_layer(one),
                confidence="likely",
                cause=f"The host's driver has CUDA {seen.cuda_version}, and the framework found another: it loads a"
                " libcuda of another version, which the image or LD_LIBRARY_PATH brings.",
                remedy="Take that libcuda (cuda-compat, the driver's packages) out of the image.",
                commands=("ldconfig -p | grep libcuda", "echo $LD_LIBRARY_PATH"),
            )
        else:
            yield Hit(values=values, layer=_layer(one))


def busy(seen: Seen) -> t.Iterator[Hit]:
    modes = {gpu.compute_mode for gpu in (seen.smi.gpus if seen.smi else [])} - {None, "Default"}
    for one in _without_gpus(seen):
        if "cuda:46" not in one.answer.errors:
            continue
        mode = ", ".join(sorted(map(str, modes)))
        values = {"name": one.name, "mode": f"compute mode {mode}" if mode else "its compute mode is the default"}
        if mode:
            yield Hit(values=values, layer=_layer(one))
        else:
            yield Hit(
                values=values,
                layer=_layer(one),
                confidence="possible",
                cause="Not the compute mode: another program has all of the GPU, one that crashed still holds it, or"
                " the"
                " GPU needs a reset.",
                remedy="See who has it, end that, and reset the GPU.",
                commands=("nvidia-smi", "nvidia-smi --gpu-reset -i UUID"),
            )


def library_too_old(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        if one.answer.too_old:
            library, has, wants = one.answer.too_old
            blind = not one.answer.devices
            yield Hit(
                values={"name": one.name, "library": library, "has": has, "wants": wants},
                layer=_layer(one),
                severity=None if blind else "warning",
            )


def hidden_by_variable(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        value = one.answer.environment.get("CUDA_VISIBLE_DEVICES")
        devices = one.answer.devices
        if value is None or devices is None or any(error.startswith("cuda:9") for error in one.answer.errors):
            continue
        there = _uuids(seen, one)
        shown = visible(value, there)
        # As many as the variable leaves: it alone explains what is missing.
        if there and shown < len(there) and len(devices) == shown:
            yield Hit(
                values={"name": one.name, "value": f'"{value[:100]}"', "some": shown, "all": len(there)},
                layer=_layer(one),
                severity="error" if not shown else "info",
            )


def other_platform(seen: Seen) -> t.Iterator[Hit]:
    for one in _without_gpus(seen):
        names = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
        given = {name: one.answer.environment[name] for name in names if one.answer.environment.get(name)}
        for name, value in given.items() if one.name == "jax" else ():
            if not re.search(r"\b(?:cuda|gpu)\b", value, re.I):
                yield Hit(values={"variable": f"{name}={value[:60]}"}, layer=_layer(one))
                break


def visible(value: str, uuids: t.Sequence[str]) -> int:
    """How many GPUs CUDA_VISIBLE_DEVICES leaves: it is read up to the first name that there is not."""
    seen: list[str] = []
    for name in (part.strip() for part in value.split(",")):
        if re.fullmatch(r"\d{1,4}", name, re.ASCII):
            found = [uuids[int(name)]] if int(name) < len(uuids) else []
        else:
            found = [uuid for uuid in uuids if name.startswith(("GPU-", "MIG-")) and uuid.startswith(name)]
        # One that is named twice makes all of them invalid.
        if len(found) != 1 or found[0] in seen:
            return 0 if found and found[0] in seen else len(seen)
        seen += found
    return len(seen)


def _uuids(seen: Seen, one: InFramework) -> list[str]:
    for look in seen.looks:
        if look.container == one.container and look.inside is not None:
            gpus = look.inside.listing.gpus
            return [] if any(gpu.mig for gpu in gpus) else [gpu.uuid for gpu in gpus]
    return [] if one.container or any(gpu.mig for gpu in seen.listed) else [gpu.uuid for gpu in seen.listed]


def _without_gpus(seen: Seen) -> t.Iterator[InFramework]:
    return (one for one in seen.frameworks if not one.answer.devices and not one.answer.missing)


def _layer(one: InFramework) -> str:
    return f"framework:{one.name}"
