# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`docker info --format '{{json .}}'` and `docker image inspect`."""

from __future__ import annotations

import json
import re
import typing as t

# For `docker inspect --format`: what tells whether a container was given GPUs.
GIVEN = "[{{json .Name}},{{json .HostConfig.DeviceRequests}},{{json .HostConfig.Runtime}},{{json .Config.Env}}]"


class Info(t.NamedTuple):
    version: str | None
    root: str | None
    cgroup_driver: str | None
    cgroup_version: str | None
    runtimes: list[str]
    default_runtime: str | None
    rootless: bool
    selinux: bool
    cdi_directories: list[str] | None  # None: an engine that knows nothing of CDI, or has it switched off
    cdi_devices: list[str] | None  # what the engine itself found there; from 28.3 on
    problem: str | None
    operating_system: str | None = None
    kernel: str | None = None  # of the machine that the engine is on
    context: str | None = None  # the client's
    warnings: t.Sequence[str] = ()  # from 29 on, also on CDI specifications that could not be read
    is_podman: bool = False


def info(text: str) -> Info:
    # A warning may stand before or after the one line of JSON.
    line = next((line for line in text.splitlines() if line.startswith("{")), "")
    # Podman may write it over many lines.
    if line.strip() == "{":
        line = text[text.index("{") : text.rindex("}") + 1] if "}" in text else ""
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return _nothing(text.strip()[:300] or "docker info says nothing")
    if isinstance(answer.get("host"), dict) and isinstance(answer.get("version"), dict):
        return _podman(answer["host"], answer["version"])
    errors = answer.get("ServerErrors")
    if not answer.get("ServerVersion"):
        return _nothing("; ".join(map(str, errors)) if isinstance(errors, list) else "the engine does not answer")
    options = _strings(answer.get("SecurityOptions"))
    found = answer.get("DiscoveredDevices")
    return Info(
        version=_text(answer.get("ServerVersion")),
        root=_text(answer.get("DockerRootDir")),
        cgroup_driver=_text(answer.get("CgroupDriver")),
        cgroup_version=_text(answer.get("CgroupVersion")),
        runtimes=sorted(map(str, answer["Runtimes"])) if isinstance(answer.get("Runtimes"), dict) else [],
        default_runtime=_text(answer.get("DefaultRuntime")),
        rootless=any("rootless" in option for option in options),
        selinux=any("selinux" in option for option in options),
        cdi_directories=_strings(answer.get("CDISpecDirs")) or None,
        cdi_devices=(
            [str(one.get("ID")) for one in found if isinstance(one, dict) and one.get("Source") == "cdi"]
            if isinstance(found, list)
            else None
        ),
        problem=None,
        operating_system=_text(answer.get("OperatingSystem")),
        kernel=_text(answer.get("KernelVersion")),
        context=_text(_dict(answer.get("ClientInfo")).get("Context")),
        warnings=tuple(_strings(answer.get("Warnings"))),
        # Its socket answers as Docker's does, with keys and places of its own.
        is_podman="BuildahVersion" in answer or "/containers/storage" in str(answer.get("DockerRootDir")),
    )


def _podman(host: dict[str, t.Any], version: dict[str, t.Any]) -> Info:
    """`docker info` where docker is the package podman-docker."""
    return _nothing(None)._replace(
        version=_text(version.get("Version")),
        cgroup_driver=_text(host.get("cgroupManager")),
        cgroup_version=(_text(host.get("cgroupVersion")) or "").lstrip("v") or None,
        rootless=bool(_dict(host.get("security")).get("rootless")),
        cdi_directories=["/etc/cdi", "/var/run/cdi"],
        kernel=_text(host.get("kernel")),
        is_podman=True,
    )


def image_environment(text: str) -> dict[str, str] | None:
    """The variables that an image sets, from `docker image inspect --format '{{json .Config.Env}}'`."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return dict(variable.partition("=")[::2] for variable in _strings(answer))


def with_gpus(text: str) -> list[str]:
    """Of containers, a line of GIVEN each, the names of those that were given GPUs: by CDI, --gpus or the runtime."""
    found = []
    for line in text.splitlines():
        try:
            name, requests, runtime, environment = json.loads(line)
        except (TypeError, ValueError, RecursionError):
            continue
        visible = dict(one.partition("=")[::2] for one in _strings(environment)).get("NVIDIA_VISIBLE_DEVICES")
        if requests or (runtime == "nvidia" and visible not in (None, "", "void", "none")):
            found.append(str(name).lstrip("/"))
    return sorted(found)


def major(version: str | None) -> int | None:
    return (numbers(version) or (None,))[0]


def numbers(version: str | None) -> tuple[int, ...]:
    """26.1.5+dfsg1 as (26, 1, 5), for comparisons; empty where it is no version."""
    found = re.match(r"v?(\d{1,6}(?:\.\d{1,6})+)", version or "", re.ASCII)
    return tuple(map(int, found[1].split("."))) if found else ()


def _nothing(problem: str | None) -> Info:
    return Info(None, None, None, None, [], None, False, False, None, None, problem)


def _dict(value: t.Any) -> dict[str, t.Any]:
    return value if isinstance(value, dict) else {}


def _text(value: t.Any) -> str | None:
    return str(value) if value not in (None, "") else None


def _strings(value: t.Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
