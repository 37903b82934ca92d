# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who uses the GPUs: processes that hold a device node, virtual machines, and containers that were given one.

A container counts although it computes nothing right now: its libraries are those of the driver that it was started
with.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System
from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import read_link, read_text

# These belong to the driver and hold the devices as long as it is loaded. /proc/PID/comm has 15 characters.
_DRIVERS_OWN = ("nvidia-persiste", "nvidia-powerd", "nv-fabricmanage", "nvidia-gridd", "nvidia-modprobe")
_NODE = re.compile(r"/dev/(nvidia(\d+|ctl|-uvm|-uvm-tools|-modeset)|nvidia-caps/\S+|vfio/\d+)", re.ASCII)
_GPU = re.compile(r"nvidia\d+", re.ASCII)
# What the toolkit mounts into a container; none of it is a mount on the host itself.
_MOUNT = re.compile(r" (/dev/nvidia\S*|\S*/libnvidia-ml\.so\S*|\S*/libcuda\.so\S*) ", re.ASCII)
_CONTAINER = re.compile(r"[0-9a-f]{64}", re.ASCII)


class User(t.NamedTuple):
    pid: int
    command: str
    container: str | None  # the first 12 characters of its id
    nodes: list[str]  # those that it holds open

    @property
    def uses_driver(self) -> bool:
        """Whether another driver would end its work. A virtual machine has its own, and only a reboot ends that."""
        return not self.nodes or not all(node.startswith("/dev/vfio/") for node in self.nodes)

    @property
    def sentence(self) -> str:
        who = f"{self.command} (process {self.pid}"
        who += f", container {self.container})" if self.container else ")"
        return f"{who} holds {', '.join(self.nodes)}" if self.nodes else f"{who} runs with GPUs"


def users(system: System) -> list[User]:
    """One per process that holds a node, and one per container that has GPUs and holds none."""
    proc = system.path("/proc")
    found: list[User] = []
    lent: dict[str, User] = {}
    own = read_link(os.path.join(proc, "self/ns/pid"))
    pids = [name for name in system.names("/proc") or [] if name.isdigit()]
    for pid in sorted(pids, key=int):
        folder = os.path.join(proc, pid)
        command = read_text(os.path.join(folder, "comm")).strip() or "?"
        if command in _DRIVERS_OWN:
            continue
        nodes = _held(folder)
        container = _container(folder)
        if nodes:
            found.append(User(int(pid), command, container, nodes))
        elif container not in lent and _was_given_gpus(folder, own):
            lent[container or pid] = User(int(pid), command, container, [])
    holding = {user.container for user in found}
    return found + [user for user in lent.values() if user.container is None or user.container not in holding]


def _held(folder: str) -> list[str]:
    try:
        numbers = os.listdir(os.path.join(folder, "fd"))
    except OSError:
        return []
    links = {read_link(os.path.join(folder, "fd", number)) for number in numbers}
    return sorted(link for link in links if _NODE.fullmatch(link))


def _container(folder: str) -> str | None:
    found = _CONTAINER.findall(read_text(os.path.join(folder, "cgroup")))
    # A machine that is a container itself comes first; what runs in it last.
    return found[-1][:12] if found else None


def _was_given_gpus(folder: str, own_namespace: str) -> bool:
    namespace = read_link(os.path.join(folder, "ns/pid"))
    if not namespace or namespace == own_namespace:
        return False
    if _MOUNT.search(read_text(os.path.join(folder, "mountinfo"))):
        return True
    try:
        return any(_GPU.fullmatch(name) for name in os.listdir(os.path.join(folder, "root/dev")))
    except OSError:
        return False
