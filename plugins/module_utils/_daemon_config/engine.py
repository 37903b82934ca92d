# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which dockerd is installed, and which process of it is running with a configuration file."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.files import under_root
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.units import Word
from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import START_TIME, read_link, read_text

NOT_RUNNING = "none"
UNKNOWN = "unknown"

_DIRECTORIES = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin", "/snap/bin")
_DEFAULT_CONFIG = "/etc/docker/daemon.json"


def find_dockerd(root: str, command: t.Sequence[Word]) -> str | None:
    """The engine's program: the one the service starts, else one in the usual directories."""
    started = [word.text for word in command if word.text.startswith("/") and os.path.basename(word.text) == "dockerd"]
    for candidate in [*started, *(f"{directory}/dockerd" for directory in _DIRECTORIES)]:
        program = under_root(root, candidate)
        if os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    return None


def running_engine(root: str, config_path: str) -> str:
    """An identity of the process that is the engine for this file, by which its next start can be told from this one.

    Boot id, process id and start time rather than clock times: a file's time stamp and a process's start cannot be
    compared safely on a machine whose clock is set after boot.
    """
    proc = os.path.join(root, "proc")
    own_namespace = read_link(f"{proc}/self/ns/pid")
    boot_id = read_text(f"{proc}/sys/kernel/random/boot_id").strip()
    try:
        pids = [name for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return NOT_RUNNING
    engines = []
    for pid in pids:
        name, _parenthesis, fields = read_text(f"{proc}/{pid}/stat").rpartition(")")
        # An engine in a container is seen here too, from outside its PID namespace.
        if (
            name.endswith("(dockerd")
            and read_link(f"{proc}/{pid}/ns/pid") == own_namespace
            and _reads(proc, pid, config_path)
        ):
            engines.append(f"{boot_id}:{pid}:{fields.split()[START_TIME]}")
    if not engines:
        return NOT_RUNNING
    return engines[0] if len(engines) == 1 else UNKNOWN


def _reads(proc: str, pid: str, config_path: str) -> bool:
    arguments = read_text(f"{proc}/{pid}/cmdline").split("\0")
    for flag, following in zip(arguments, [*arguments[1:], ""]):
        if flag == "--config-file":
            return following == config_path
        if flag.startswith("--config-file="):
            return flag.partition("=")[2] == config_path
    # A rootless engine has its file in its user's home.
    return config_path == _DEFAULT_CONFIG and _effective_uid(proc, pid) == "0"


def _effective_uid(proc: str, pid: str) -> str | None:
    for line in read_text(f"{proc}/{pid}/status").splitlines():
        if line.startswith("Uid:"):
            return line.split()[2]
    return None
