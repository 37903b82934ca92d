# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who listens on a port, and how many are connected to it: /proc/net/tcp and tcp6, which any user may read."""

from __future__ import annotations

import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import read_text

_ESTABLISHED = "01"
_LISTEN = "0A"


def parse(text: str) -> list[tuple[int, str]]:
    """The local port and the state, in hexadecimal as the kernel has it, of each socket."""
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3:
            found.append((int(fields[1].rpartition(":")[2], 16), fields[3]))
    return found


def look(ports: t.Sequence[int], root: str = "/") -> dict[str, dict[str, t.Any]]:
    sockets = [one for name in ("tcp", "tcp6") for one in parse(read_text(f"{root.rstrip('/')}/proc/net/{name}"))]
    return {
        str(port): {"listening": (port, _LISTEN) in sockets, "clients": sockets.count((port, _ESTABLISHED))}
        for port in ports
    }
