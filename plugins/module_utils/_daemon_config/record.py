# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of what the engine has acknowledged, by which a run that was broken off is completed by the next.

It holds the configuration that the engine is known to have taken, and what was seen last: the digest of the file, and
the engine process that was running at that moment. When the same file is later seen beside another engine process, that
engine was started after the file was written, so it has read all of it.
"""

from __future__ import annotations

import hashlib
import json
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.engine import NOT_RUNNING, UNKNOWN
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import Config
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.options import ALWAYS, BY_KEY, WHEN_SET

_FORMAT = 1


class Record(t.NamedTuple):
    acknowledged: Config
    digest: str
    engine: str
    # The text of the last file that an engine ran with, all of it: the way back from one with which none starts.
    proven: str | None = None


def prove(record: Record, current: Config, text: str) -> Record:
    """Remember the file's text when the running engine has taken all of it."""
    if record.engine in (NOT_RUNNING, UNKNOWN) or record.acknowledged != current:
        return record
    return record._replace(proven=text)


def digest(raw: bytes | None) -> str:
    return "absent" if raw is None else hashlib.sha256(raw).hexdigest()


def settle(record: Record | None, current: Config, seen_digest: str, engine: str) -> Record:
    """What is known before this run changes anything."""
    if record is None:
        # Never here before: what stands in the file is the best available knowledge of what the engine holds.
        return Record(current, seen_digest, engine)
    if record.digest != seen_digest:
        # Somebody else changed the file. They may have reloaded the engine, or it was started, before or after that:
        # what differs is then known of neither, so it counts as not taken, whatever this run makes of it. Null is no
        # setting.
        either = {**record.acknowledged, **current}
        unknown = {key: None for key in either if key not in current or record.acknowledged.get(key) != current[key]}
        if engine == record.engine:
            # No reload brought the others.
            unknown = {key: None for key in unknown if key in BY_KEY and BY_KEY[key].reload in (ALWAYS, WHEN_SET)}
        return Record({**record.acknowledged, **unknown}, seen_digest, engine, record.proven)
    if engine not in (record.engine, NOT_RUNNING, UNKNOWN) and record.engine != UNKNOWN:
        return Record(current, seen_digest, engine, record.proven)
    return record


def parse(text: str, record_path: str, config_path: str) -> Record | None:
    """Read a record; None where it is damaged."""
    try:
        data = json.loads(text)
        if data["format"] != _FORMAT or not isinstance(data["acknowledged"], dict):
            return None
        found = Record(data["acknowledged"], str(data["digest"]), str(data["engine"]), data.get("proven"))
        path = data["path"]
    except (ValueError, KeyError, TypeError):
        return None
    if path != config_path:
        raise DaemonConfigError(
            f"{record_path} is the record for {path}, not for {config_path}. Give each file its own state_path."
        )
    return found


def dump(record: Record, config_path: str) -> str:
    return json.dumps({"format": _FORMAT, "path": config_path, **record._asdict()}, indent=2) + "\n"
