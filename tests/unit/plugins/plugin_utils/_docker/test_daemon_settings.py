# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of daemon.json. Field case 01, and its kind: options that only the engine's start checks."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import merge_settings
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.validation import unknown_log_options
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.daemon_settings import (
    DaemonSettings,
    daemon_settings,
    without,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import Look
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._docker.host import JSON_FILE, wants

JOURNALD = {"log-driver": "journald", "log-opts": {"tag": "{{.Name}}"}}
OWN_ROTATION = {"log-driver": "json-file", "log-opts": {"max-size": "10m", "labels": "course"}}


def settings_of(current: dict[str, t.Any], version: str = "26.1.5", **wish: t.Any) -> DaemonSettings:
    return daemon_settings(wants(**wish), Look(settings=current), version)


@pytest.mark.parametrize(
    ("current", "wish", "after"),
    [
        ({}, {}, JSON_FILE),
        (JSON_FILE, {"docker_log_driver": "journald", "docker_log_options": {}}, {"log-driver": "journald"}),
        # The default options are none of journald's.
        (JSON_FILE, {"docker_log_driver": "journald"}, {"log-driver": "journald"}),
        (JSON_FILE, {"docker_log_driver": "local"}, {**JSON_FILE, "log-driver": "local"}),
        (JSON_FILE, {"docker_daemon_settings": {"log-driver": "journald"}}, {"log-driver": "journald"}),
        (JOURNALD, {"docker_log_driver": "json-file", "docker_log_options": {"max-size": "1m"}}, None),
        # An operator's own logging, from before the first run.
        (JOURNALD, {}, JOURNALD),
        (OWN_ROTATION, {}, OWN_ROTATION),
        ({"log-opts": {"max-size": "1m"}}, {}, {"log-opts": {"max-size": "1m"}}),
        (JOURNALD, {"docker_log_driver": ""}, JOURNALD),
        ({**JSON_FILE, "log-opts": {**JSON_FILE["log-opts"], "tag": "x"}}, {}, None),
    ],
)
def test_the_engine_starts_with_the_logging(
    current: dict[str, t.Any], wish: dict[str, t.Any], after: dict[str, t.Any] | None
) -> None:
    merged = merge_settings(current, settings_of(current, **wish).settings)
    logging = {key: value for key, value in merged.items() if key.startswith("log-") and value}
    assert unknown_log_options(merged)[1] == []
    if after is not None:
        assert logging == after


@pytest.mark.parametrize(
    ("current", "said"), [(JOURNALD, "journald with tag"), (OWN_ROTATION, "json-file with max-size")]
)
def test_kept_logging_is_said(current: dict[str, t.Any], said: str) -> None:
    (note,) = settings_of(current).notes
    assert said in note
    assert "docker_log_driver" in note
    assert "docker_log_options" in note
    assert settings_of(current, docker_log_driver="local").notes == []


def test_kept_limits() -> None:
    own = {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}}}
    found = settings_of(own)
    assert "default-ulimits" not in found.settings
    assert "stays 4096 to 8192" in found.notes[0]
    assert "docker_nofile_hard" in found.notes[0]
    set_one = settings_of(own, docker_nofile_hard="9000")
    assert set_one.settings["default-ulimits"]["nofile"] == {"Name": "nofile", "Soft": 65536, "Hard": 9000}
    assert set_one.notes == []


def test_a_limit_that_the_host_cannot_give_does_not_stay() -> None:
    own = {"default-ulimits": {"nofile": {"Name": "nofile", "Soft": 4096, "Hard": 8192}}}
    found = daemon_settings(wants(), Look(settings=own, highest_open_files=1024), "26.1.5")
    assert found.settings["default-ulimits"]["nofile"] == {"Name": "nofile", "Soft": 1024, "Hard": 1024}


@pytest.mark.parametrize(("version", "there"), [("26.1.5", True), ("20.10.24+dfsg1", False), ("", True)])
def test_proxies_need_an_engine_from_23(version: str, there: bool) -> None:
    found = settings_of({}, version, docker_http_proxy="http://ada:secret@proxy")
    assert found.settings.get("proxies") == ({"http-proxy": "http://ada:secret@proxy"} if there else None)
    assert found.proxies == {"http-proxy": "http://ada:secret@proxy"}
    assert found.secret == there


def test_settings_win_over_variables_in_depth() -> None:
    found = settings_of({}, docker_daemon_settings={"log-opts": {"tag": "x"}, "live-restore": False})
    assert found.settings["log-opts"] == {**JSON_FILE["log-opts"], "tag": "x"}
    assert found.settings["live-restore"] is False


def test_without() -> None:
    settings = {"features": {"a": 1}, "data-root": "/x", "debug": True, "runtimes": {"n": {"path": "p"}}}
    assert without(settings, [("features", "a"), ("data-root",), ("runtimes", "n", "args"), ("debug", "x")]) == {
        "debug": True,
        "runtimes": {"n": {"path": "p"}},
    }
