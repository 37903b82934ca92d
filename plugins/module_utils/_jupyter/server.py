# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server in the container says over its API."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import typing as t
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone


class NoAnswerError(Exception):
    """The server did not answer as a Jupyter server does."""


class Endpoint(t.NamedTuple):
    """Where a server is, and the certificate by which it is known; without a fingerprint it speaks plain HTTP."""

    url: str
    fingerprint: str = ""


def fingerprint_of(certificate: bytes) -> str:
    """Of a certificate as DER, in the form in which browsers show it."""
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(certificate).digest())


class PinnedHandler(urllib.request.HTTPSHandler):
    """Talks to one certificate only, and sends nothing before it has seen it.

    That is more than a check of its name and issuer, and still works on the day after it expired.
    """

    def __init__(self, fingerprint: str) -> None:
        self.pin = fingerprint
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        super().__init__(context=self.context)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self.connection, req)

    def connection(self, host: str, **options: t.Any) -> http.client.HTTPSConnection:
        made = http.client.HTTPSConnection(host, context=self.context, **options)
        made.connect()
        certificate = made.sock.getpeercert(binary_form=True) if isinstance(made.sock, ssl.SSLSocket) else None
        if certificate is None or fingerprint_of(certificate) != self.pin:
            made.close()
            raise NoAnswerError(f"{host} shows another certificate than the one that its server was started with")
        return made


def request(endpoint: Endpoint, path: str, token: str = "", timeout: float = 5) -> tuple[int, t.Any]:
    """The status, and the decoded body where that was 200."""
    # A proxy of the environment knows nothing of this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), PinnedHandler(endpoint.fingerprint))
    headers = {"Authorization": f"token {token}"} if token else {}
    asked = urllib.request.Request(endpoint.url + path, headers=headers)  # noqa: S310 (ours)
    try:
        with opener.open(asked, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswerError(str(error)) from error


def version_at(endpoint: Endpoint) -> str:
    status, body = request(endpoint, "/api")
    if status != 200 or not isinstance(body, dict) or "version" not in body:
        raise NoAnswerError(f"{endpoint.url}/api answered {status}, not as a Jupyter server does")
    return str(body["version"])


def busy_reasons(
    kernels: list[dict[str, t.Any]],
    sessions: list[dict[str, t.Any]],
    terminals: list[dict[str, t.Any]],
    idle_minutes: int,
    now: datetime,
) -> list[str]:
    """Why this server must not be stopped. A kernel that nobody is connected to still holds results, for a while."""
    notebooks = {session["kernel"]["id"]: session["path"] for session in sessions if session.get("kernel")}
    reasons = []
    for kernel in kernels:
        what = notebooks.get(kernel["id"]) or f"kernel {kernel['id'][:8]}"
        idle = now - datetime.fromisoformat(kernel["last_activity"].replace("Z", "+00:00"))
        if kernel.get("execution_state") == "busy":
            reasons.append(f"{what} runs a cell")
        elif kernel.get("connections"):
            reasons.append(f"{what} is open")
        elif idle < timedelta(minutes=idle_minutes):
            reasons.append(f"{what} was used {int(idle.total_seconds() // 60)} minutes ago")
    return reasons + [f"terminal {terminal['name']} is open" for terminal in terminals]


def ask_busy(endpoint: Endpoint, token: str, idle_minutes: int) -> list[str]:
    answers = {}
    for what in ("kernels", "sessions", "terminals"):
        status, body = request(endpoint, f"/api/{what}", token)
        # A server without terminals does not know the path.
        if status != 200 and not (what == "terminals" and status == 404):
            raise NoAnswerError(f"{endpoint.url}/api/{what} answered {status} to the token in its file")
        answers[what] = body or []
    return busy_reasons(
        answers["kernels"], answers["sessions"], answers["terminals"], idle_minutes, datetime.now(timezone.utc)
    )
