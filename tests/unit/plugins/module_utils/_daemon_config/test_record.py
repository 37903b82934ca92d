# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.record import (
    Record,
    digest,
    dump,
    parse,
    settle,
)

OLD = {"debug": True}
NEW = {"debug": False}


@pytest.mark.parametrize(
    ("record", "seen", "engine", "acknowledged"),
    [
        (None, "new", "engine 1", NEW),
        (None, "new", "none", NEW),
        # The same engine as when the file was written: nothing is known to have changed.
        (Record(OLD, "new", "engine 1"), "new", "engine 1", OLD),
        # Another one: it was started after the file was written.
        (Record(OLD, "new", "engine 1"), "new", "engine 2", NEW),
        (Record(OLD, "new", "none"), "new", "engine 1", NEW),
        # Nothing can be concluded.
        (Record(OLD, "new", "engine 1"), "new", "none", OLD),
        (Record(OLD, "new", "engine 1"), "new", "unknown", OLD),
        (Record(OLD, "new", "unknown"), "new", "engine 1", OLD),
        # Edited by somebody else, before or after that start: the engine may hold either.
        (Record(OLD, "other", "engine 1"), "new", "engine 2", {"debug": None}),
        (Record({"icc": True, **NEW}, "other", "engine 1"), "new", "engine 2", {"icc": None, **NEW}),
        # The same engine may have been reloaded since, and does not hold what only a start brings.
        (Record(OLD, "other", "engine 1"), "new", "engine 1", {"debug": None}),
        (Record({"icc": True, **NEW}, "other", "engine 1"), "new", "engine 1", {"icc": True, **NEW}),
    ],
)
def test_settle(record: Record | None, seen: str, engine: str, acknowledged: dict[str, bool]) -> None:
    assert settle(record, NEW, seen, engine).acknowledged == acknowledged


def test_an_edit_is_acknowledged_by_the_next_start() -> None:
    seen = settle(Record(OLD, "other", "engine 1"), NEW, "new", "engine 1")
    assert settle(seen, NEW, "new", "engine 2").acknowledged == NEW


def test_a_stopped_engine_does_not_wipe_which_one_it_was() -> None:
    stopped = settle(Record(OLD, "new", "engine 1"), NEW, "new", "none")
    assert settle(stopped, NEW, "new", "engine 1").acknowledged == OLD


def test_round_trip() -> None:
    record = Record({"debug": True, "x": [1, 2.5, None]}, digest(b"{}"), "engine 1")
    assert parse(dump(record, "/etc/docker/daemon.json"), "/state", "/etc/docker/daemon.json") == record


def test_digest_of_no_file() -> None:
    assert digest(None) != digest(b"")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", json.dumps({"format": 2}), json.dumps({"format": 1, "acknowledged": [], "path": "/p"})],
)
def test_damaged(text: str) -> None:
    assert parse(text, "/state", "/etc/docker/daemon.json") is None


def test_record_of_another_file() -> None:
    with pytest.raises(DaemonConfigError, match="is the record for /a, not for /b"):
        parse(dump(Record({}, "", ""), "/a"), "/state", "/b")
