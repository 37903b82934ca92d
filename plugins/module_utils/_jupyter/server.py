# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server in the container says over its API.

It runs with its user's rights and what they have configured: its answers are that user's, in every form.
"""

from __future__ import annotations

import hashlib
import http.client
import ssl
import time
import typing as t
from datetime import datetime, timedelta, timezone

from .._untrusted import web
from .._untrusted.shape import decoded, line, objects

# Seconds for one answer, and for all those of a look.
ANSWER, LOOK = 5.0, 15.0
# Of an answer, in bytes: a kernel takes 200, a session 500.
MOST = 2**20


class NoAnswerError(Exception):
    """The server did not answer as a Jupyter server does."""


class Endpoint(t.NamedTuple):
    """Where a server is, and the certificate by which it is known; without a fingerprint it speaks plain HTTP."""

    url: str
    fingerprint: str = ""


def fingerprint_of(certificate: bytes) -> str:
    """Of a certificate as DER, in the form in which browsers show it."""
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(certificate).digest())


def pinned(endpoint: Endpoint) -> tuple[ssl.SSLContext, web.Check]:
    """Talks to one certificate only, and sends nothing before it has seen it.

    That is more than a check of its name and issuer, and still works on the day after it expired.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def check(connection: ssl.SSLSocket) -> None:
        certificate = connection.getpeercert(binary_form=True)
        if certificate is None or fingerprint_of(certificate) != endpoint.fingerprint:
            host = endpoint.url.rpartition("/")[2]
            raise NoAnswerError(f"{host} shows another certificate than the one that its server was started with")

    return context, check


def request(endpoint: Endpoint, path: str, token: str = "", deadline: float | None = None) -> tuple[int, t.Any]:
    """The status, and the decoded body where that was 200. deadline: of all the answers of a look."""
    soon = time.monotonic() + ANSWER
    headers = {"Authorization": f"token {token}"} if token else {}
    tls = pinned(endpoint) if endpoint.fingerprint else None
    try:
        until = soon if deadline is None else min(soon, deadline)
        status, body = web.get(endpoint.url + path, until, MOST, headers, tls)
        return status, decoded(body) if status == 200 else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Some of them hold what it said.
        raise NoAnswerError(line(error, 200)) from error


def version_at(endpoint: Endpoint, deadline: float | None = None) -> str:
    status, body = request(endpoint, "/api", deadline=deadline)
    if status != 200 or not isinstance(body, dict) or "version" not in body:
        raise NoAnswerError(f"{endpoint.url}/api answered {status}, not as a Jupyter server does")
    return line(body["version"], 40)


def busy_reasons(
    kernels: t.Sequence[t.Mapping[str, t.Any]],
    sessions: t.Sequence[t.Mapping[str, t.Any]],
    terminals: t.Sequence[t.Mapping[str, t.Any]],
    idle_minutes: int,
    now: datetime,
) -> list[str]:
    """Why this server must not be stopped. A kernel that nobody is connected to still holds results, for a while."""
    notebooks = {str(session["kernel"]["id"]): session["path"] for session in sessions if session.get("kernel")}
    reasons = []
    for kernel in kernels:
        identity = str(kernel["id"])
        name = line(notebooks.get(identity) or f"kernel {identity[:8]}", 200)
        # A clock that was set back makes that negative.
        idle = max(now - moment(kernel["last_activity"]), timedelta())
        if kernel.get("execution_state") == "busy":
            reasons.append(f"{name} runs a cell")
        elif kernel.get("connections"):
            reasons.append(f"{name} is open")
        elif idle < timedelta(minutes=idle_minutes):
            reasons.append(f"{name} was used {int(idle.total_seconds() // 60)} minutes ago")
    return reasons + [f"terminal {line(terminal['name'], 40)} is open" for terminal in terminals]


def moment(said: t.Any) -> datetime:
    found = datetime.fromisoformat(str(said).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def ask_busy(endpoint: Endpoint, token: str, idle_minutes: int, deadline: float | None = None) -> list[str]:
    answers = {}
    for subject in ("kernels", "sessions", "terminals"):
        status, body = request(endpoint, f"/api/{subject}", token, deadline)
        # A server without terminals does not know the path.
        if status != 200 and not (subject == "terminals" and status == 404):
            raise NoAnswerError(f"{endpoint.url}/api/{subject} answered {status} to the token in its file")
        answers[subject] = body or []
    try:
        return busy_reasons(
            objects(answers["kernels"], MOST),
            objects(answers["sessions"], MOST),
            objects(answers["terminals"], MOST),
            idle_minutes,
            datetime.now(timezone.utc),
        )
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise NoAnswerError(
            f"{endpoint.url}/api says of its kernels, sessions or terminals what no Jupyter server does: "
            f"{type(error).__name__}: {line(error, 200)}"
        ) from error
