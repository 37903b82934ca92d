# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for the user, and why."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.docker_desktop.conftest import Play

KERNEL = ("3  python3 -m ipykernel_launcher -f /tmp/kernel.json",)
CHANGE = {"settings": {"AutoStart": True}}


def held(play: Play, machine: dict[str, Any], **wanted: Any) -> str:
    return "\n".join(play("preflight.yml", "settings.yml", machine=machine, **wanted).given["__docker_desktop_held"])


@pytest.mark.parametrize(
    ("machine", "wanted", "words"),
    [
        ({"containers": ("training",)}, {}, "these containers run in it: training"),
        ({"containers": ("training",)}, {"restart": "never"}, "docker_desktop_restart is never"),
        ({"containers": ("jupyter-keras",), "at_work": KERNEL}, {}, "somebody is at work in jupyter-keras"),
        ({"version": "4.30.0"}, {}, "4.30.0 cannot be stopped by command (4.39 can)"),
        # An idle notebook stops nobody.
        ({"containers": ("jupyter-keras",)}, {}, ""),
        ({"containers": ("training",)}, {"restart": "always"}, ""),
        ({"runs_for": ()}, {}, ""),
    ],
)
def test_a_setting_waits_for_what_runs(play: Play, machine: dict[str, Any], wanted: dict[str, Any], words: str) -> None:
    said = held(play, machine, **CHANGE, **wanted)
    assert bool(said) is bool(words)
    assert words in said
    if words and "cannot be stopped" not in words:
        assert "-e docker_desktop_restart=always does it now, and ends every container." in said


def test_an_upgrade_waits_too(play: Play) -> None:
    said = held(play, {"version": "4.80.0", "containers": ("training",)}, version="4.88.0")
    assert "Docker Desktop 4.80.0 stays, though docker_desktop_version is 4.88.0" in said


def pending(play: Play, machine: dict[str, Any], registers: dict[str, Any], **wanted: Any) -> list[str]:
    player = play("preflight.yml", "settings.yml", machine=machine, jupyter=False, **wanted)
    unchanged = {"changed": False}
    player.given |= {"__docker_desktop_new_users": unchanged, "__docker_desktop_wslconfig_copy": unchanged} | registers
    found: list[str] = player.value("__docker_desktop_pending", {})
    return found


CHANGED = {"changed": True}


@pytest.mark.parametrize(
    ("machine", "registers", "wanted", "words"),
    [
        (
            {"version": "4.90.0"},
            {},
            {"version": "4.88.0"},
            ["Docker Desktop 4.90.0 is newer than docker_desktop_version (4.88.0)", "DisableUpdate"],
        ),
        ({}, {"__docker_desktop_new_users": CHANGED}, {"users": ["ada"]}, ["ada must sign out and in again"]),
        ({}, {"__docker_desktop_wslconfig_copy": CHANGED}, {}, [".wslconfig changed", "wsl --shutdown"]),
        ({"runs_for": ()}, {}, {"start_mode": "logon_only"}, ["Docker Desktop starts when LAB\\ada logs on"]),
        ({"runs_for": ()}, {}, {"start_mode": "none"}, ["docker_desktop_start_mode is none"]),
    ],
)
def test_one_sentence(
    play: Play, machine: dict[str, Any], registers: dict[str, Any], wanted: dict[str, Any], words: list[str]
) -> None:
    # The settings are as wanted: nothing else waits.
    (sentence,) = pending(play, machine, registers, restart="always", **wanted)
    assert not [word for word in words if word not in sentence], sentence


def test_wsl_that_did_not_run_has_read_its_settings(play: Play) -> None:
    assert pending(play, {"runs_for": ()}, {"__docker_desktop_wslconfig_copy": CHANGED}) == []


def test_newer_than_wanted_is_no_upgrade(play: Play) -> None:
    player = play("preflight.yml", machine={"version": "4.90.0"}, version="4.88.0")
    assert player.value("[__docker_desktop_to_install, __docker_desktop_is_upgrade]", {}) == [False, False]
