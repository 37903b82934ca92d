# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of the catalogue is played on a simulated machine, through the whole look."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.catalogue import ENTRIES
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.reported import REPORTED
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.plays import PLAYS as OWN
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.plays import Play
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._gpu_visibility.reports import (
    CASES,
    FOUND,
    LATER,
)

BY_ID = {entry.id: entry for entry in ENTRIES}
ROWS = range(1, 38)
PLAYS = [*OWN, *CASES, *FOUND, *LATER]


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.id)
def test_play(play: Play, build: t.Callable[[Machine], Path], look_at: t.Callable[..., dict[str, t.Any]]) -> None:
    root = build(play.machine)
    play.arrange(root)
    result = look_at(root, **play.options)
    found = [finding for finding in result["findings"] if finding["id"] == play.finding]
    assert found, f"{play.finding} is not among {[finding['id'] for finding in result['findings']]}: {result['layers']}"
    finding = found[0]
    assert (finding["confidence"], finding["severity"]) == (play.confidence, play.severity), finding
    assert finding["layer"] == (play.layer or BY_ID[play.finding].layer)
    assert finding["gpus"] == [Gpu(gpu).uuid if isinstance(gpu, int) else gpu for gpu in play.gpus]
    assert play.message in finding["message"]
    assert play.cause in finding["cause"]
    assert not re.search(r"[{}]", finding["message"]), "a text of the catalogue was not filled in"
    assert result["status"] == play.status, (
        result["summary"],
        [(one["name"], one["status"]) for one in result["layers"]],
    )
    if play.status in ("broken", "degraded"):
        # What is wrong is said first, and once: nothing else of the same severity stands before it.
        assert result["first_broken_layer"] == finding["layer"]
        errors = [one["id"] for one in result["findings"] if one["severity"] == "error"]
        assert set(errors) <= {play.finding}


def test_every_entry_is_played() -> None:
    assert {entry.id for entry in ENTRIES} == {play.finding for play in PLAYS}


def test_every_row_has_an_entry() -> None:
    assert {row for entry in ENTRIES for row in entry.rows} == set(ROWS)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_entry(entry: t.Any) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]+", entry.id)
    assert entry.severity in ("error", "warning", "info")
    assert entry.confidence in ("certain", "likely", "possible")
    assert entry.cause.endswith(".")
    assert entry.remedy.text.endswith(".")
    assert not entry.message.endswith(".")
    assert set(entry.unless) <= set(BY_ID), "it steps back for an entry that does not exist"
    assert not entry.remedy.requires_reboot or "boot" in entry.remedy.text + str(entry.remedy.commands) or entry.rows


def test_ids_are_unique() -> None:
    assert len(BY_ID) == len(ENTRIES)


@pytest.mark.parametrize("entry", REPORTED, ids=lambda entry: entry.id)
def test_reported(entry: t.Any) -> None:
    """Whoever reads a row can look the report up, and sees what its first guess was."""
    assert re.search(r"[\w.-]+/[\w.-]+#\d+|NVIDIA|CUDA", entry.source)
    assert entry.first_guess.endswith(".")
    if "#" in entry.source:
        assert re.match(r"https://(github\.com|docs\.nvidia\.com)/\S+$", entry.remedy.docs_url)


def test_twenty_were_found_beside_the_cases() -> None:
    found = {play.finding for play in FOUND} - {play.finding for play in CASES}
    assert len(found) >= 20
    assert found <= {entry.id for entry in REPORTED}
