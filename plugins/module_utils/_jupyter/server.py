# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the server in the container says over its API."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone


class NoAnswerError(Exception):
    """The server did not answer as a Jupyter server does."""


def request(url: str, token: str = "", timeout: float = 5) -> tuple[int, t.Any]:
    """The status, and the decoded body where that was 200."""
    # A proxy of the environment knows nothing of this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"Authorization": f"token {token}"} if token else {}
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:  # noqa: S310 (http)
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswerError(str(error)) from error


def version_at(url: str) -> str:
    status, body = request(f"{url}/api")
    if status != 200 or not isinstance(body, dict) or "version" not in body:
        raise NoAnswerError(f"{url}/api answered {status}, not as a Jupyter server does")
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


def ask_busy(url: str, token: str, idle_minutes: int) -> list[str]:
    answers = {}
    for what in ("kernels", "sessions", "terminals"):
        status, body = request(f"{url}/api/{what}", token)
        # A server without terminals does not know the path.
        if status != 200 and not (what == "terminals" and status == 404):
            raise NoAnswerError(f"{url}/api/{what} answered {status} to the token in its file")
        answers[what] = body or []
    return busy_reasons(
        answers["kernels"], answers["sessions"], answers["terminals"], idle_minutes, datetime.now(timezone.utc)
    )
