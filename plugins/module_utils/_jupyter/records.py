# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An instance's versions, and what is remembered of them: those that became healthy, and the one that did not.

healthy.json and previous.json hold the last version and the one before it whole, so that they can be started again;
failed.json only names one, so that it is not tried again by itself.
"""

from __future__ import annotations

import json
import typing as t

from .._untrusted import files
from .._untrusted.shape import decoded_object
from . import layout
from .container import labels, settings_hash
from .files import replace_file
from .settings import SETTINGS, Settings, find_account


class Version(t.NamedTuple):
    """What a container is started from: settings, and the ID of the image (empty where the engine has none)."""

    settings: Settings
    image: str

    @property
    def name(self) -> str:
        return f"{settings_hash(self.settings, find_account(self.settings.user))} {self.image}"

    def is_in(self, container: dict[str, t.Any]) -> bool:
        started_from = labels(container)
        return self.name == f"{started_from.get(layout.LABEL_SETTINGS)} {started_from.get(layout.LABEL_IMAGE)}"


def read(settings: Settings, record: str) -> dict[str, t.Any]:
    try:
        return decoded_object(files.read(settings.state / f"{record}.json", 2 * SETTINGS))
    except (OSError, ValueError):
        return {}


def write(settings: Settings, record: str, content: dict[str, t.Any]) -> None:
    settings.state.mkdir(parents=True, exist_ok=True)
    # As settings.json: the environment of an instance is nobody else's business.
    replace_file(settings.state / f"{record}.json", json.dumps(content) + "\n", 0o600)


def note_healthy(settings: Settings, identity: str, version: Version | None) -> None:
    """Without a version, which is then not known, what there is to go back to stays as it is."""
    before = last_healthy(settings)
    content = {**read(settings, "healthy"), "container": identity}
    if version:
        if before and before.name != version.name:
            write(settings, "previous", {"image": before.image, "settings": before.settings._asdict()})
        content.update(image=version.image, settings=version.settings._asdict())
        if why_failed(version):
            (settings.state / "failed.json").unlink()
    write(settings, "healthy", content)


def was_healthy(settings: Settings, identity: str) -> bool:
    return bool(read(settings, "healthy").get("container") == identity)


def is_proven(settings: Settings, identity: str) -> bool:
    """Whether a cell has run in this very container. The role notes it."""
    return bool(read(settings, "proven").get("container") == identity)


def last_healthy(settings: Settings) -> Version | None:
    return recorded(settings, "healthy")


def previous(settings: Settings) -> Version | None:
    """What was healthy before the last that was."""
    return recorded(settings, "previous")


def recorded(settings: Settings, name: str) -> Version | None:
    record = read(settings, name)
    try:
        # What an older version of this program did not know was not used then, or is as it is now.
        known = {key: value for key, value in record["settings"].items() if key in Settings._fields}
        return Version(
            Settings.parse({**settings._asdict(), **Settings._field_defaults, **known}), str(record["image"])
        )
    except (KeyError, AttributeError, TypeError, ValueError):
        return None


def note_failed(version: Version, reason: str, is_final: bool) -> None:
    """Final where the server itself ended or did not answer, and not what it needs of the machine."""
    write(version.settings, "failed", {"version": version.name, "reason": reason, "is_final": is_final})


def why_failed(version: Version, only_final: bool = False) -> str:
    """Why this version was given up. Empty where it was not."""
    record = read(version.settings, "failed")
    if record.get("version") != version.name or (only_final and not record.get("is_final", True)):
        return ""
    return str(record.get("reason", ""))
