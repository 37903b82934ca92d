# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an observer finds of an instance now."""

from __future__ import annotations

import re
import secrets
import time
import typing as t
from datetime import datetime, timedelta, timezone

from .._untrusted.shape import cleaned, line
from . import layout, network
from .certificate import public_url, renewal_problem, why_outdated
from .container import endpoint, labels, published, settings_hash
from .engine import Engine, unit_properties
from .errors import OperatorError
from .files import read_token
from .records import Version, is_proven, was_healthy, why_failed
from .server import LOOK, Endpoint, NoAnswerError, ask_busy, request, version_at
from .settings import Settings, find_account, load_settings

# Of an instance that nobody expects to answer.
OFF = "off"


def is_switched_off(settings: Settings) -> bool:
    """As `enabled: false` leaves a unit. One that was only stopped still starts at boot, and is missed."""
    unit = unit_properties(settings.unit)
    return (unit["ActiveState"], unit["UnitFileState"]) == ("inactive", "disabled")


def blank(name: str) -> dict[str, t.Any]:
    """Of an instance of which only the name is known."""
    return {
        "name": name,
        "user": "",
        "workdir": "",
        "image": "",
        "container": "",
        "url": "",
        "fingerprint": "",
        "certificate": "",
        "show_token": "",
        "health": "",
        "advice": "",
        "version": "",
        "refuses_wrong_token": False,
        "differs": [],
        "busy": [],
        "failed": "",
        "proven": False,
        "pending": "",
        "unguarded": "",
    }


def status(name: str, timeout: float | None = None) -> dict[str, t.Any]:
    """What an observer finds now. `differs` says what a restart would bring, `busy` what it would destroy."""
    settings, engine = load_settings(name), Engine(timeout)
    result = blank(name)
    scheme = "http" if settings.tls == "none" else "https"
    url = public_url(settings, scheme, settings.bind_address, settings.port)
    result.update(url=f"{url}/lab", show_token=f"sudo cat {settings.token_file}")
    result.update(user=settings.user, image=settings.image)
    try:
        result["workdir"] = settings.directories(find_account(settings.user))["workdir"]
        container = engine.inspect("container", settings.container)
        if container is None or not container["State"]["Running"]:
            found = f"its container is {container['State']['Status'] if container else 'not there'}"
            result["health"] = OFF if is_switched_off(settings) else found
            return result
        result["container"] = container["Id"]
        server = endpoint(container)
        url = public_url(settings, server.url.partition(":")[0], *published(container))
        result.update(url=f"{url}/lab", fingerprint=server.fingerprint)
        wanted = Version(settings, engine.image_id(settings.image))
        result["differs"] = differences(wanted, container)
        result["failed"] = why_failed(wanted) if result["differs"] else ""
        result["certificate"] = renewal_problem(settings)
        result["proven"] = is_proven(settings, container["Id"])
        result["unguarded"] = network.of_running(settings, container, engine, network.why_open)
        answer(settings, container, server, result)
    except OperatorError as error:
        result.update(unasked(str(error)))
    except Exception as error:  # What a user can bring about is no end of the look at others.
        result.update(unasked(f"it cannot be judged: {type(error).__name__}: {line(error, 500)}"))
    if result["differs"] and not result["failed"]:
        because = f", because {', '.join(result['busy'])}" if result["busy"] else ""
        result["pending"] = f"Instance {name} runs with {' and '.join(result['differs'])}{because}."
    return t.cast("dict[str, t.Any]", cleaned(result))


def unasked(why: str) -> dict[str, t.Any]:
    """Of an instance that cannot be looked at. What cannot be asked may be somebody's training."""
    return {"health": why, "busy": [f"it cannot be asked what runs in it ({why})"]}


def differences(wanted: Version, container: dict[str, t.Any]) -> list[str]:
    started_from = labels(container)
    found = []
    if started_from.get(layout.LABEL_SETTINGS) != settings_hash(wanted.settings, find_account(wanted.settings.user)):
        found.append("older settings")
    if started_from.get(layout.LABEL_IMAGE) != wanted.image:
        found.append("an older image")
    # Without TLS until now, it has older settings anyway.
    if layout.LABEL_CERTIFICATE in started_from:
        found.append(why_outdated(wanted.settings))
    return [difference for difference in found if difference]


def answer(settings: Settings, container: dict[str, t.Any], server: Endpoint, result: dict[str, t.Any]) -> None:
    """Fills in what the server itself says."""
    deadline = time.monotonic() + LOOK
    try:
        result["version"] = version_at(server, deadline)
        result["refuses_wrong_token"] = request(server, "/api/status", secrets.token_hex(8), deadline)[0] == 403
        result["busy"] = ask_busy(server, read_token(settings), settings.idle_minutes, deadline)
        result["health"] = "healthy"
    except (NoAnswerError, OSError) as error:
        result["health"] = f"no answer{silent_since(container)}: {error}"
        # Before its first answer the supervisor judges it; afterwards nobody but the operator may.
        if was_healthy(settings, container["Id"]):
            result["busy"] = [f"it answered before and does not say now what runs in it ({error})"]
            result["advice"] = (
                f"Instance {settings.name} answered before, and is not restarted by itself, because its kernels may "
                f"still compute. `docker top {settings.container}` shows them; `systemctl restart {settings.unit}` "
                f"ends them and starts it again."
            )


def silent_since(container: dict[str, t.Any]) -> str:
    """By the health check of the image, where it has one: Docker keeps the last five results, and counts further."""
    health = container["State"].get("Health") or {}
    failed = health.get("FailingStreak", 0)
    starts = [moment(result["Start"]) for result in health.get("Log") or []]
    if not failed or len(starts) < min(failed, 2):
        return ""
    period = starts[-1] - starts[-2] if failed > 1 else timedelta()
    return f" since about {starts[-1] - (failed - 1) * period:%Y-%m-%d %H:%M} UTC"


def moment(text: str) -> datetime:
    """Of `2026-11-21T13:00:00.123456789+01:00`, whose nanoseconds Python's own parser refuses."""
    return datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00")).astimezone(timezone.utc)
