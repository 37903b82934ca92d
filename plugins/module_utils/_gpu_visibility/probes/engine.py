# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The toolkit, the CDI specifications and the engine that is to use them."""

from __future__ import annotations

import json
import os
import re

from ..parsers import cdi as cdi_spec
from ..parsers import docker as docker_info
from ..parsers import toolkit as toolkit_text
from ..seen import CdiFile, Seen
from ..system import System, evidence

_CONFIG = "/etc/nvidia-container-runtime/config.toml"
_PROGRAMS = ("nvidia-ctk", "nvidia-cdi-hook", "nvidia-container-runtime", "nvidia-container-runtime-hook")
_CDI_FOLDERS = ("/etc/cdi", "/var/run/cdi")
_UNITS = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_PID_FILES = (
    "/run/docker.pid",
    "/var/run/docker.pid",
    "/run/snap.docker/docker.pid",
    "/var/snap/docker/current/run/docker.pid",
)


def toolkit(system: System, seen: Seen) -> None:
    seen.toolkit_programs = [name for name in _PROGRAMS if system.program(name)]
    hook = system.program("nvidia-container-runtime-hook")
    seen.hook_path = hook and "/" + os.path.relpath(hook, system.root)
    found = ", ".join(seen.toolkit_programs) or "none of its programs is installed"
    seen.evidence["toolkit"] = [evidence("file", ", ".join(_PROGRAMS), found)]
    config = system.read(_CONFIG)
    if config is not None:
        seen.toolkit_settings = toolkit_text.settings(config)
    if "nvidia-ctk" in seen.toolkit_programs:
        run = system.run("nvidia-ctk", "--version")
        seen.toolkit_version = toolkit_text.version(run.stdout)
        seen.evidence["toolkit"].append(run.evidence())


def docker(system: System, seen: Seen) -> None:
    path = system.program("docker")
    if system.exists("/snap/docker/current") or system.exists("/var/snap/docker/current"):
        seen.docker_install = "snap"
    elif path is None:
        seen.evidence["docker"] = [evidence("file", "docker", "is not installed")]
        return
    elif any(system.exists(f"/var/lib/dpkg/info/{name}.list") for name in ("docker-ce-cli", "docker.io", "docker-cli")):
        seen.docker_install = "deb"
    else:
        seen.docker_install = "rpm" if system.exists("/var/lib/rpm") else "unknown"
    # A mere connection makes systemd start the engine, and a look must change nothing.
    if system.variable("DOCKER_HOST") is None and not _runs(system) and not _another(system, seen):
        seen.docker = docker_info.info("")._replace(problem="dockerd does not run")
        seen.evidence["docker"] = [evidence("file", ", ".join(_PID_FILES), "do not exist: dockerd does not run")]
        return
    given = system.variable("DOCKER_HOST")
    if given:
        seen.docker_signs.append(f"DOCKER_HOST is {given}")
    run = system.run("docker", "info", "--format", "{{json .}}")
    seen.docker = docker_info.info(run.stdout)
    if seen.docker.problem:
        seen.docker = seen.docker._replace(problem=(run.problem or run.stderr.strip() or seen.docker.problem)[:300])
    directories = ", ".join(seen.docker.cdi_directories or []) or "none"
    if seen.docker.context not in (None, "", "default"):
        seen.docker_context = seen.docker.context
        seen.docker_signs = seen.docker_signs or [f"docker's context is {seen.docker.context}"]
    shown = f"version {seen.docker.version}, runtimes {', '.join(seen.docker.runtimes)}, CDI directories {directories}"
    shown += "".join(f"\n{warning}" for warning in seen.docker.warnings)
    if seen.docker_signs:
        shown += f"\n{'; '.join(seen.docker_signs)}"
    seen.evidence["docker"] = [{**run.evidence(), **({} if seen.docker.problem else {"text": shown})}]


def _runs(system: System) -> bool:
    """Whether the system's own engine runs, wherever it keeps its pid."""
    if any(map(system.exists, _PID_FILES)):
        return True
    processes = (name for name in system.names("/proc") or [] if name.isdigit())
    return any((system.read(f"/proc/{name}/comm") or "").strip() == "dockerd" for name in processes)


def _another(system: System, seen: Seen) -> bool:
    """Whether there is another engine that may be asked: of the client's context, of a user, of Docker Desktop."""
    shown = system.run("docker", "context", "show")
    context = shown.stdout.strip() if shown.rc == 0 else ""
    if not re.fullmatch(r"[\w.-]{1,80}", context):
        try:
            context = str(json.loads(system.read("/root/.docker/config.json") or "{}").get("currentContext") or "")
        except (ValueError, AttributeError):
            context = ""
    if context not in ("", "default"):
        seen.docker_context = context
        seen.docker_signs.append(f"docker's context is {context}")
    users = [f"/run/user/{name}" for name in system.names("/run/user") or []]
    sockets = [f"{folder}/{name}" for folder in users for name in ("docker.sock", "docker.pid")]
    homes = [f"/home/{name}" for name in system.names("/home") or []]
    sockets += [f"{home}/.docker/desktop/docker.sock" for home in homes]
    found = [path for path in sockets if system.exists(path)]
    if system.exists("/mnt/wsl/docker-desktop"):
        found.append("/mnt/wsl/docker-desktop")
    seen.docker_signs += [f"{path} is there" for path in found]
    if not seen.docker_context:
        own = [path for path in found if path.endswith(".sock")]
        if own:
            system.environment["DOCKER_HOST"] = f"unix://{own[0]}"
        # A socket that no unit of systemd listens on starts nothing.
        elif (
            not found
            and not any(system.exists(f"{folder}/docker.socket") for folder in _UNITS)
            and any(map(system.exists, ("/run/docker.sock", "/var/run/docker.sock")))
        ):
            seen.docker_signs.append("/run/docker.sock is there")
    return bool(seen.docker_signs)


def cdi(system: System, seen: Seen) -> None:
    configured = seen.docker.cdi_directories if seen.docker else None
    seen.cdi_elsewhere = _elsewhere(system, seen, configured) if configured else []
    seen.evidence["cdi"] = []
    read: set[str] = set()
    for folder in configured or _CDI_FOLDERS:
        for name in system.names(folder) or []:
            path = os.path.join(folder, name)
            real = system.real(path)
            if re.search(r"\.(json|ya?ml)$", name) and real not in read:
                read.add(real)
                spec = cdi_spec.parse(system.read(path) or "")
                if spec.problem or spec.is_gpu:
                    seen.cdi_files.append(_compare(system, seen, path, spec))
    for file in seen.cdi_files:
        names = ", ".join(file.spec.devices) or "no devices"
        seen.evidence["cdi"].append(evidence("file", file.path, file.spec.problem or f"{file.spec.kind}: {names}"))
    if not seen.cdi_files:
        seen.evidence["cdi"].append(evidence("file", ", ".join(configured or _CDI_FOLDERS), "no CDI specification"))


def _elsewhere(system: System, seen: Seen, configured: list[str]) -> list[CdiFile]:
    """Specifications of GPUs in the usual directories, as far as this engine does not read those."""
    read = {system.real(folder) for folder in configured}
    found = []
    for folder in (*_CDI_FOLDERS, "/run/cdi"):
        real = system.real(folder)
        if real not in read:
            read.add(real)
            for name in system.names(folder) or []:
                spec = cdi_spec.parse(system.read(f"{folder}/{name}") or "")
                if re.search(r"\.(json|ya?ml)$", name) and spec.is_gpu:
                    found.append(_compare(system, seen, f"{folder}/{name}", spec))
    return found


def _compare(system: System, seen: Seen, path: str, spec: cdi_spec.Spec) -> CdiFile:
    """What a specification says, against what is there."""
    missing = [one for one in spec.host_paths if not system.exists(one)]
    renumbered = []
    for node in spec.all_nodes():
        live = system.node(node.path)
        if live is None:
            missing.append(node.path)
        elif node.major is not None and live.is_device and (node.major, node.minor) != (live.major, live.minor):
            renumbered.append(f"{node.path} is {live.major}:{live.minor} and not {node.major}:{node.minor}")
    loaded = seen.driver.version if seen.driver else None
    other = bool(loaded and spec.driver_version and spec.driver_version != loaded)
    return CdiFile(path, spec, missing, renumbered, other)
