# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look at the host: everything that the role docker decides by."""

from __future__ import annotations

import glob
import grp
import hashlib
import json
import os
import pwd
import time
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import api, processes, routing
from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import read_text

_ENABLED = ("etc/systemd/system/multi-user.target.wants/docker.service", "etc/rc2.d/S[0-9][0-9]docker")
_UNPACKAGED = ("usr/local/bin/docker", "usr/local/bin/dockerd", "usr/local/sbin/dockerd", "opt/bin/dockerd")
_DELETED = " (deleted)"
_PAUSE = 0.5
_DATA_ROOT = "/var/lib/docker"


def engine(socket: str, timeout: float, root: str) -> dict[str, t.Any]:
    """The engine's process, and its own answer where there is one."""
    process = processes.find_engine(root)
    found: dict[str, t.Any] = {"running": process is not None, "answers": False}
    if process is None:
        # Not even a connection is tried: it would make systemd start the engine.
        return {**found, "problem": "dockerd is not running"}
    # A package upgrade leaves the old program running until the service is restarted, which Debian's does not do.
    program = process.program.replace(_DELETED, "")
    found.update(pid=process.pid, started=process.started, program=program, outdated=program != process.program)
    try:
        info = api.get(socket, "/info", timeout)
        version = api.get(socket, "/version", timeout)
        reloaded = api.last_event(socket, "daemon", "reload", time.time(), timeout)
    except api.EngineError as error:
        return {**found, "problem": str(error)}
    found.update(
        answers=True,
        problem="",
        version=version["Version"],
        api_version=version["ApiVersion"],
        data_root=info["DockerRootDir"],
        containerd_snapshotter=["driver-type", "io.containerd.snapshotter.v1"] in (info.get("DriverStatus") or []),
        live_restore=info["LiveRestoreEnabled"],
        reloaded=reloaded,
        # Also pending, locked and error: the engine judges by what is on its disk, whatever became of the swarm.
        swarm=info["Swarm"]["LocalNodeState"] not in ("inactive", ""),
    )
    return found


def wait_for_engine(socket: str, timeout: float, root: str, seconds: float) -> dict[str, t.Any]:
    """The engine as soon as it answers, or as it is when the seconds have passed."""
    deadline = time.monotonic() + seconds
    seen = engine(socket, timeout, root)
    while not seen["answers"] and time.monotonic() < deadline:
        time.sleep(_PAUSE)
        seen = engine(socket, timeout, root)
    return seen


def containers(seen: dict[str, t.Any], socket: str, timeout: float, root: str) -> dict[str, t.Any]:
    """What runs, and what is kept: asked of the engine, or where it is down, seen in /proc and on the disk."""
    if seen["answers"]:
        try:
            everything = api.get(socket, "/containers/json?all=1", timeout)
            volumes = api.get(socket, "/volumes", timeout)["Volumes"] or []
        except api.EngineError:
            pass
        else:
            running = [one for one in everything if one["State"] in ("running", "paused", "restarting")]
            return {
                "running": len(running),
                "names": sorted(one["Names"][0].lstrip("/") for one in running),
                "kept": len(everything),
                "volumes": len(volumes),
            }
    data = os.path.join(root, str(seen.get("data_root") or _DATA_ROOT).lstrip("/"))
    return {
        "running": processes.count_running_containers(root),
        "names": [],
        "kept": _count(f"{data}/containers"),
        "volumes": _count(f"{data}/volumes"),
    }


def is_enabled(root: str) -> bool:
    """Whether the engine is started at boot, by systemd or by init."""
    return any(glob.glob(os.path.join(root, pattern)) for pattern in _ENABLED)


def snap(root: str) -> str | None:
    """The revision of Docker's snap; None where it is not installed."""
    try:
        return os.readlink(os.path.join(root, "snap/docker/current"))
    except OSError:
        return None


def unpackaged_programs(root: str) -> list[str]:
    """Programs of Docker that no package put there."""
    return [f"/{path}" for path in _UNPACKAGED if os.access(os.path.join(root, path), os.X_OK)]


def group(name: str) -> dict[str, t.Any]:
    try:
        return {"exists": True, "members": sorted(grp.getgrnam(name).gr_mem)}
    except KeyError:
        return {"exists": False, "members": []}


def missing_users(names: t.Sequence[str]) -> list[str]:
    return [name for name in names if not _has_user(name)]


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def settings(keys: t.Sequence[str], root: str) -> dict[str, t.Any]:
    """These keys of daemon.json. Who merges into a file that is no JSON says what is wrong with it."""
    try:
        with open(os.path.join(root, "etc/docker/daemon.json"), encoding="utf-8-sig") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return {key: found[key] for key in keys if key in found} if isinstance(found, dict) else {}


def routes(seen: dict[str, t.Any], socket: str, timeout: float, root: str) -> list[dict[str, str]]:
    """The networks that the host reaches without Docker."""
    own: list[str] = []
    if seen["answers"]:
        try:
            networks = api.get(socket, "/networks", timeout)
        except api.EngineError:
            networks = []
        own = [pool.get("Subnet", "") for network in networks for pool in network["IPAM"]["Config"] or []]
    return [
        {"network": network, "interface": interface}
        for network, interface in routing.parse(read_text(os.path.join(root, "proc/net/route")))
        if network not in own and not routing.is_of_docker(interface)
    ]


def files(paths: t.Sequence[str], seen: dict[str, t.Any], root: str) -> dict[str, t.Any]:
    """Which of these files exist, what is in them, and which were written after the engine was started."""
    found = {}
    for path in paths:
        try:
            with open(os.path.join(root, path.lstrip("/")), "rb") as file:
                digest = hashlib.sha256(file.read()).hexdigest()
                written = os.fstat(file.fileno()).st_mtime
        except OSError:
            found[path] = {"exists": False, "sha256": "", "newer_than_engine": False}
            continue
        newer = seen["running"] and written > seen["started"]
        found[path] = {"exists": True, "sha256": digest, "newer_than_engine": newer}
    return found


def _count(directory: str) -> int:
    """Directories in it: the engine keeps one for each container and each volume."""
    try:
        with os.scandir(directory) as entries:
            return sum(entry.is_dir(follow_symlinks=False) for entry in entries)
    except OSError:
        return 0
