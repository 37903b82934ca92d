# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who listens on a port, and how many are connected to it.

/proc/net/tcp and tcp6, which any user may read, say who is connected; when a connection was last used, the kernel says
only through the socket by which ss asks (sock_diag(7), linux/inet_diag.h, linux/tcp.h).
"""

from __future__ import annotations

import socket
import struct
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._procfs import read_text

_ESTABLISHED = "01"
_LISTEN = "0A"
# Anybody on the network may connect and be silent, and would keep the registry from its care for ever. A client that
# works has data all the time, and a request that is cut off in a longer pause is made again.
IDLE = 5 * 60

_SOCK_DIAG = 4
_BY_FAMILY = 20
_DUMP = 0x301
_DONE, _ERROR = 3, 2
_INFO = 2
_HEADER, _MESSAGE = 16, 72
# In struct tcp_info: milliseconds since data was sent, and since data was received.
_LAST_SENT, _LAST_RECEIVED = 44, 52


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
    idle = silences() if root == "/" else None
    return {
        str(port): {"listening": (port, _LISTEN) in sockets, "clients": clients(port, sockets, idle)} for port in ports
    }


def clients(port: int, sockets: t.Sequence[tuple[int, str]], idle: t.Sequence[tuple[int, float]] | None) -> int:
    """Those that were heard of lately; all of them where the kernel does not tell."""
    if idle is None:
        return sockets.count((port, _ESTABLISHED))
    return sum(local == port and seconds < IDLE for local, seconds in idle)


def silences() -> list[tuple[int, float]] | None:
    """The local port of each established connection, and for how many seconds nobody has sent anything."""
    found: list[tuple[int, float]] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
            kernel.settimeout(5)
            for family in (socket.AF_INET, socket.AF_INET6):
                asked = struct.pack(
                    "=BBBBI48x", family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, 1 << int(_ESTABLISHED)
                )
                kernel.send(struct.pack("=IHHII", _HEADER + len(asked), _BY_FAMILY, _DUMP, 0, 0) + asked)
                is_done = False
                while not is_done:
                    is_done = parse_silences(kernel.recv(1 << 16), found)
    except (OSError, struct.error):
        # A kernel without tcp_diag, as in some containers.
        return None
    return found


def parse_silences(answer: bytes, found: list[tuple[int, float]]) -> bool:
    """Adds the connections of one answer; whether it is the last."""
    while answer:
        length, kind = struct.unpack_from("=IH", answer)
        if kind == _DONE:
            return True
        if kind == _ERROR:
            raise OSError(-struct.unpack_from("=i", answer, _HEADER)[0], "sock_diag")
        message, answer = answer[_HEADER:length], answer[(max(length, _HEADER) + 3) & ~3 :]
        (port,) = struct.unpack_from(">H", message, 4)
        at = _MESSAGE
        while at + 4 <= len(message):
            size, attribute = struct.unpack_from("=HH", message, at)
            if attribute == _INFO:
                times = [
                    struct.unpack_from("=I", message, at + 4 + offset)[0] for offset in (_LAST_SENT, _LAST_RECEIVED)
                ]
                found.append((port, min(times) / 1000))
            at += (max(size, 4) + 3) & ~3
    return False
