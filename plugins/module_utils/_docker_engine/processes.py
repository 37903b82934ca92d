# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's process and those of its containers, read from /proc."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import START_TIME, read_link, read_text

_CAP_SYS_RESOURCE = 24
_TICKS_PER_SECOND = 100  # USER_HZ, which the kernel shows to programs whatever its own clock is


class Process(t.NamedTuple):
    pid: int
    started: float
    program: str


def find_engine(root: str) -> Process | None:
    """The dockerd of this machine. One inside a container is visible from here too, and is none of ours."""
    for pid in _own_processes(root):
        if _command(root, pid) == "dockerd":
            return Process(int(pid), _started(root, pid), read_link(_proc(root, pid, "exe")))
    return None


def count_running_containers(root: str) -> int:
    """Containers of Docker that run, counted by their shims: they run on while the engine itself is down."""
    count = 0
    for pid in _own_processes(root):
        if _command(root, pid).startswith("containerd-shim"):
            arguments = read_text(_proc(root, pid, "cmdline")).split("\0")
            count += "moby" in arguments
    return count


def highest_open_files(root: str) -> int:
    """The highest limit of open files that a service may be given on this machine.

    A machine which is itself a container often lacks CAP_SYS_RESOURCE, and then nothing can exceed the process that
    starts it: the first one, or, where that is no service manager, one like this module's own.
    """
    for line in read_text(_proc(root, "1", "status")).splitlines():
        name, _colon, value = line.partition(":")
        if name == "CapBnd" and int(value, 16) >> _CAP_SYS_RESOURCE & 1:
            return int(read_text(_proc(root, "sys", "fs/nr_open")) or 1048576)
    limits = [
        int(line.split()[4])
        for pid in ("1", "self")
        for line in read_text(_proc(root, pid, "limits")).splitlines()
        if line.startswith("Max open files")
    ]
    return min(limits, default=1048576)


def _own_processes(root: str) -> list[str]:
    namespace = read_link(_proc(root, "self", "ns/pid"))
    try:
        names = os.listdir(os.path.join(root, "proc"))
    except OSError:
        return []
    return [pid for pid in names if pid.isdigit() and read_link(_proc(root, pid, "ns/pid")) == namespace]


def _started(root: str, pid: str) -> float:
    fields = read_text(_proc(root, pid, "stat")).rpartition(")")[2].split()
    booted = [line.split()[1] for line in read_text(_proc(root, "stat", "")).splitlines() if line.startswith("btime ")]
    if len(fields) <= START_TIME or not booted:
        return 0.0
    return int(booted[0]) + int(fields[START_TIME]) / _TICKS_PER_SECOND


def _command(root: str, pid: str) -> str:
    return read_text(_proc(root, pid, "comm")).strip()


def _proc(root: str, pid: str, name: str) -> str:
    return os.path.join(root, "proc", pid, name) if name else os.path.join(root, "proc", pid)
