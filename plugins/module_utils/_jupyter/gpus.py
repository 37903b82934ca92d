# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which GPUs an instance gets, and how this machine's engine hands them to a container."""

from __future__ import annotations

import contextlib
import re
import shutil
import typing as t
from pathlib import Path

from .._untrusted import files
from .._untrusted.shape import decoded_object
from .errors import OperatorError

if t.TYPE_CHECKING:
    from .engine import Engine

# An index, a MIG device by GPU and position, or a UUID as nvidia-smi -L prints it.
IDENTIFIER = re.compile(r"all|\d+(:\d+)?|(GPU|MIG)-[0-9A-Za-z/-]+")
# In the order in which they are preferred. CDI survives a daemon-reload, and needs neither hook nor wrapper.
METHODS = ("cdi", "gpus", "runtime")
HOOK = "nvidia-container-runtime-hook"
CDI_KIND = "nvidia.com/gpu"
# A device's name in a specification: `- name: "0"` and `name: GPU-...` in YAML, `"name": "0"` in JSON.
CDI_NAME = re.compile(r"""^[ \t{-]*"?name"?[ \t]*:[ \t]*["']?([\w:/-]+)["']?[ \t,}]*$""", re.M)
# Bytes of a specification at most: one of a machine with many GPUs and MIG devices has some hundred thousand.
CDI_SIZE = 8 * 2**20
ALL = ("all",)
# Left open: the role's preflight decides it, and settings.json has what it decided.
AUTO = ("auto",)


def parse(wanted: t.Any) -> tuple[str, ...]:
    """From `none`, `all`, `auto`, one identifier, several with commas between them, or a list."""
    listed = wanted if isinstance(wanted, (list, tuple)) else str(wanted).split(",")
    identifiers = tuple(str(item).strip() for item in listed)
    return () if identifiers in ((), ("",), ("none",)) else identifiers


def problem(gpus: tuple[str, ...]) -> str:
    """What is wrong with the list itself."""
    if gpus == AUTO:
        return ""
    odd = [item for item in gpus if not IDENTIFIER.fullmatch(item)]
    if odd:
        return (
            f"{', '.join(odd)} is no GPU: write auto, all, none, indices such as 0, or UUIDs as `nvidia-smi -L` prints "
            f"them"
        )
    if "all" in gpus and len(gpus) > 1:
        return "all and single GPUs exclude each other"
    return ""


def find_method(engine: Engine) -> str:
    """How this engine gives GPUs to a container; empty where it cannot."""
    info = decoded_object(engine.call("info", "--format", "{{json .}}"))
    found = {
        "cdi": any(map(specifications, info.get("CDISpecDirs") or [])),
        "gpus": shutil.which(HOOK) is not None,
        "runtime": "nvidia" in (info.get("Runtimes") or {}),
    }
    return next((method for method in METHODS if found[method]), "")


def specifications(directory: str) -> list[str]:
    """What is written there of NVIDIA's GPUs. The kind is a line of its own, in YAML and in JSON."""
    found = []
    for path in sorted(Path(directory).glob("*")):
        if path.suffix in (".yaml", ".json"):
            with contextlib.suppress(OSError):
                text = files.read(path, CDI_SIZE, follow=True)
                if CDI_KIND in text:
                    found.append(text)
    return found


def cdi_names(engine: Engine) -> frozenset[str]:
    """By which names this engine's specifications know GPUs: older ones by index only, those of WSL as `all` only."""
    info = decoded_object(engine.call("info", "--format", "{{json .}}"))
    texts = [text for directory in info.get("CDISpecDirs") or [] for text in specifications(directory)]
    return frozenset(name for text in texts for name in CDI_NAME.findall(text))


def options(gpus: tuple[str, ...], method: str) -> list[str]:
    """The options of `docker run` that bring them in."""
    if not gpus:
        return []
    if method == "cdi":
        return [word for gpu in gpus for word in ("--device", f"{CDI_KIND}={gpu}")]
    joined = ",".join(gpus)
    if method == "gpus":
        # Docker reads the value as CSV, in which a list of devices is one field.
        return ["--gpus", "all" if joined == "all" else f'"device={joined}"']
    return ["--runtime", "nvidia", "--env", f"NVIDIA_VISIBLE_DEVICES={joined}"]


def choose(gpus: tuple[str, ...], method: str, engine: Engine) -> list[str]:
    """The options for a method that is `auto` or one of METHODS."""
    if not gpus:
        return []
    chosen = find_method(engine) if method == "auto" else method
    if not chosen:
        raise OperatorError(
            "It is to have GPUs, and the Docker Engine of this machine cannot give any to a container. The role "
            "nvidia_container_toolkit provides that; without an NVIDIA GPU, set `gpus` of the instance to none."
        )
    return options(gpus, chosen)
