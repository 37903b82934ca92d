# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line for each host that did not get to the end, and nothing where all did."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible.utils.display import Display
from ansible_collections.gpulab.workstation.plugins.callback.summary import CallbackModule, reason

HOSTS = ["lab01", "lab02", "lab03"]


def outcome(host: str, task: str, **result: t.Any) -> t.Any:
    return SimpleNamespace(
        host=SimpleNamespace(get_name=lambda: host), task=SimpleNamespace(get_name=lambda: task), result=result
    )


def statistics(failures: list[str], dark: list[str]) -> t.Any:
    return SimpleNamespace(
        processed=dict.fromkeys(HOSTS, 1), failures=dict.fromkeys(failures, 1), dark=dict.fromkeys(dark, 1)
    )


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(Display, "display", lambda _self, text, **_options: lines.append(text))
    monkeypatch.setattr(Display, "banner", lambda _self, text, **_options: lines.append(text))
    return lines


@pytest.fixture
def summary(said: list[str], monkeypatch: pytest.MonkeyPatch) -> CallbackModule:
    plugin = CallbackModule(display=Display())
    monkeypatch.setattr(plugin, "get_option", {"width": 60}.__getitem__)
    return plugin


def test_one_line_for_each_host_and_what_to_do(summary: CallbackModule, said: list[str]) -> None:
    summary.v2_runner_on_unreachable(outcome("lab03", "Ask the machine", msg="timed out\n", unreachable=True))
    summary.v2_runner_on_failed(outcome("lab02", "keras_image : pull", msg="the disk\nis full"))
    summary.v2_playbook_on_stats(statistics(["lab02"], ["lab03"]))
    assert said == [
        "SUMMARY",
        "lab02 failed, keras_image : pull: the disk is full",
        "lab03 was not reached, Ask the machine: timed out",
        "1 of 3 hosts got to the end. The same command goes on where it stopped; "
        "for these alone, with: --limit lab02,lab03",
    ]


def test_nothing_where_all_went_well(summary: CallbackModule, said: list[str]) -> None:
    summary.v2_runner_on_failed(outcome("lab01", "rescued", msg="no"))
    summary.v2_runner_on_failed(outcome("lab01", "ignored", msg="no"), ignore_errors=True)
    summary.v2_playbook_on_stats(statistics([], []))
    assert not said


def test_the_last_failure_counts(summary: CallbackModule, said: list[str]) -> None:
    summary.v2_runner_on_failed(outcome("lab01", "promote | Test", msg="Traceback"))
    summary.v2_runner_on_failed(outcome("lab01", "promote | Say", msg="the new image cannot train"))
    summary.v2_playbook_on_stats(statistics(["lab01"], []))
    assert said[1] == "lab01 failed, promote | Say: the new image cannot train"


def test_a_long_reason_is_cut(summary: CallbackModule, said: list[str]) -> None:
    summary.v2_runner_on_failed(outcome("lab01", "task", msg="word " * 99))
    summary.v2_playbook_on_stats(statistics(["lab01"], []))
    assert len(said[1]) <= len("lab01 failed, task: ") + 60
    assert said[1].endswith(" wo...")


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        ({"msg": "a\n  b", "stderr": "c"}, "a b"),
        ({"msg": "", "stderr": "c"}, "c"),
        ({"results": [{"msg": "fine"}, {"failed": True, "msg": "no"}], "msg": "One or more items failed"}, "no"),
        ({"censored": "the output has been hidden", "msg": "x"}, "what it said is a secret"),
        ({}, "it gave no reason"),
        ({"msg": "\x1b]0;title\x07no\u202e"}, "\ufffd]0;title\ufffdno\ufffd"),
    ],
    ids=str,
)
def test_reason(result: dict[str, t.Any], sentence: str) -> None:
    assert reason(result) == sentence
