# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Questions to the engine over its socket, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
import urllib.parse


class EngineError(Exception):
    """The engine did not answer, or not what was asked; the message says which."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def get(path: str, url: str, timeout: float) -> t.Any:
    """The JSON answer to GET url. Without a version in the URL every engine answers in its own."""
    status, body = _get(path, url, timeout)
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise EngineError(f"{path} answers {url} with something that is not JSON") from error
    if status != 200:
        raise EngineError(f"{path} answers {url} with {status}: {answer.get('message', '')}")
    return answer


def last_event(path: str, kind: str, event: str, until: float, timeout: float) -> float:
    """When the engine last had such an event, in seconds since 1970; 0 where it remembers none."""
    filters = urllib.parse.quote(json.dumps({"type": [kind], "event": [event]}))
    _status, body = _get(path, f"/events?since=0&until={until:.3f}&filters={filters}", timeout)
    times = [json.loads(line)["timeNano"] / 1e9 for line in body.splitlines() if line.strip()]
    return max(times, default=0.0)


def _get(path: str, url: str, timeout: float) -> tuple[int, bytes]:
    connection = _UnixConnection(path, timeout)
    try:
        connection.request("GET", url)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise EngineError(f"nothing answers at {path}: {error}") from error
    finally:
        connection.close()
