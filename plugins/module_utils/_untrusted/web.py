# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that users run: a deadline for the whole answer, a size, and no way to send the question elsewhere."""

from __future__ import annotations

import errno
import http.client
import io
import socket
import ssl
import time
import typing as t
from urllib.parse import urlsplit

Check = t.Callable[[ssl.SSLSocket], None]


def get(
    url: str,
    deadline: float,
    most: int,
    headers: t.Mapping[str, str] | None = None,
    tls: tuple[ssl.SSLContext, Check] | None = None,
) -> tuple[int, bytes]:
    """Status and body. OSError or http.client.HTTPException where there is none.

    deadline: by time.monotonic(). tls: for https, with what looks at the connection before anything is sent. A redirect
    is an answer like any other: who follows it gives the token away, and asks in root's name what a user wants asked.
    """
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 0)
    with socket.create_connection(address, timeout=_left(deadline)) as plain:
        connection = plain
        if tls is not None:
            plain.settimeout(_left(deadline))
            connection = tls[0].wrap_socket(plain, server_hostname=parts.hostname)
            tls[1](connection)
        with connection:
            path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            lines = [f"GET {path} HTTP/1.1", f"Host: {parts.netloc}", "Accept-Encoding: identity", "Connection: close"]
            lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
            connection.settimeout(_left(deadline))
            connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1"))
            # Headers count, too: there may be any number of them.
            answer = http.client.HTTPResponse(t.cast("socket.socket", _Bounded(connection, deadline, most + 65536)))
            answer.begin()
            body = answer.read(most + 1)
            if len(body) > most:
                raise OSError(errno.EFBIG, f"it answered with more than {most} bytes")
            return answer.status, body


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise OSError(errno.ETIMEDOUT, "it did not answer in time")
    return left


class _Bounded(io.RawIOBase):
    """A socket of which only so much is read, until then. A limit for each read would let a slow server go on."""

    def __init__(self, connection: socket.socket, deadline: float, most: int) -> None:
        self.connection = connection
        self.deadline = deadline
        self.left = most

    def makefile(self, _mode: str) -> t.BinaryIO:
        return t.cast("t.BinaryIO", io.BufferedReader(self))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        self.connection.settimeout(_left(self.deadline))
        try:
            count = self.connection.recv_into(buffer)
        except socket.timeout:
            raise OSError(errno.ETIMEDOUT, "it did not answer in time") from None
        self.left -= count
        if self.left < 0:
            raise OSError(errno.EFBIG, "it answered without end")
        return count
