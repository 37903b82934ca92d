# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line for each cause that kept hosts from the end, and nothing where all got there."""

from __future__ import annotations

import typing as t
from types import SimpleNamespace

import pytest
from ansible.utils.display import Display
from ansible_collections.gpulab.workstation.plugins.callback.summary import (
    CallbackModule,
    named,
    reason,
    without_names,
)

HOSTS = ("lab01", "lab02", "lab03")


def outcome(host: str, task: str, action: str = "command", ends_all: bool = False, **result: t.Any) -> t.Any:
    return SimpleNamespace(
        host=SimpleNamespace(get_name=lambda: host, vars={"ansible_host": f"192.0.2.{host[-1]}"}),
        task=SimpleNamespace(
            get_name=lambda: task, action=f"ansible.builtin.{action}", run_once=ends_all, any_errors_fatal=None
        ),
        result=result,
    )


def statistics(
    failures: t.Sequence[str],
    dark: t.Sequence[str],
    hosts: t.Sequence[str] = HOSTS,
    changed: dict[str, int] | None = None,
) -> t.Any:
    return SimpleNamespace(
        processed=dict.fromkeys(hosts, 1),
        failures=dict.fromkeys(failures, 1),
        dark=dict.fromkeys(dark, 1),
        changed=changed or {},
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
        "1 of 3 hosts got to the end. The same command goes on where it stopped. "
        "For the others alone: --limit lab02,lab03",
    ]


def test_hosts_with_the_same_cause_share_a_line(summary: CallbackModule, said: list[str]) -> None:
    """Names and addresses differ, and so does the one with another cause."""
    for host in HOSTS:
        refusal = f"The registry has no keras:cpu-1, which {host} should have."
        summary.v2_runner_on_failed(outcome(host, f"ask {host} | Refuse", "fail", msg=refusal))
    summary.v2_runner_on_failed(outcome("lab03", "pull", msg="lab031 is full"))
    summary.v2_runner_on_unreachable(outcome("lab04", "Ask", msg="connect to host 192.0.2.4: timed out"))
    summary.v2_runner_on_unreachable(outcome("lab05", "Ask", msg="connect to host 192.0.2.5: timed out"))
    summary.v2_playbook_on_stats(statistics(HOSTS, ["lab04", "lab05"], [*HOSTS, "lab04", "lab05", "lab06"]))
    assert said[1:] == [
        "lab01, lab02 failed, ask HOST | Refuse: The registry has no keras:cpu-1, which HOST should have.",
        "lab03 failed, pull: lab031 is full",
        "lab04, lab05 were not reached, Ask: connect to host HOST: timed out",
        "1 of 6 hosts got to the end. The same command goes on where it stopped. "
        "For the others alone: --limit lab01,lab02,lab03,lab04,lab05",
    ]


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("Start lab1.", "Start HOST."),
        ("lab1: no", "HOST: no"),
        ("lab1.example.org and lab1", "HOST and HOST"),
        # Another machine's, each of them.
        *[(other, other) for other in ("lab1.example.net", "lab12", "lab1-old", "a.lab1", "old-lab1")],
    ],
)
def test_a_name_inside_another_is_none(text: str, shared: str) -> None:
    assert without_names(text, ["lab1", "lab1.example.org"]) == shared


@pytest.mark.parametrize("once", [False, True])
def test_a_refusal_is_nothing_that_could_go_on(summary: CallbackModule, said: list[str], once: bool) -> None:
    """A forgotten variable. With `run_once`, Ansible counts the host alone that said so."""
    hosts = HOSTS[:1] if once else HOSTS
    for host in hosts:
        summary.v2_runner_on_failed(outcome(host, "Name what is missing", "fail", once, msg="Say what to upload."))
    summary.v2_playbook_on_stats(statistics(hosts, [], hosts))
    assert said == [
        "SUMMARY",
        f"{'lab01' if once else 'lab[01:03]'} failed, Name what is missing: Say what to upload.",
        "Nothing was changed on any host.",
    ]


@pytest.mark.parametrize("action", ["assert", "fail", "require_lists", "validate_argument_spec"])
def test_what_was_asked_for_has_to_change_first(summary: CallbackModule, said: list[str], action: str) -> None:
    """Of one host: the others got theirs, and changes; or a report found something there."""
    summary.v2_runner_on_failed(outcome("lab02", "Validate", action, msg="Validation of arguments failed"))
    summary.v2_playbook_on_stats(statistics(["lab02"], [], changed={"lab01": 1}))
    assert said[-1] == "2 of 3 hosts got to the end. For the others alone: --limit lab02"


@pytest.mark.parametrize(
    ("action", "changed", "again"),
    [("fail", {"lab03": 1}, ""), ("command", {}, " The same command goes on where it stopped.")],
    ids=["refusal after a change", "failure"],
)
def test_no_limit_where_one_ended_it_for_all(
    summary: CallbackModule, said: list[str], action: str, changed: dict[str, int], again: str
) -> None:
    summary.v2_runner_on_failed(outcome("lab01", "Build once", action, ends_all=True, msg="no"))
    summary.v2_playbook_on_stats(statistics(["lab01"], [], changed=changed))
    assert said[-1] == f"It ended there for all hosts.{again}"


@pytest.mark.parametrize(
    ("hosts", "names"),
    [
        (["lab02", "lab01"], "lab01, lab02"),
        (["lab8", "lab10", "lab9", "lab12"], "lab[8:10], lab12"),
        ([f"lab{number:02}.example.org" for number in range(98, 101)], "lab[98:100].example.org"),
        (["row2-lab03", "row2-lab04", "row2-lab05", "row3-lab06"], "row2-lab[03:05], row3-lab06"),
        (
            ["lab01", "lab02", "lab3", "localhost", "10.0.0.1", "10.0.0.2"],
            "10.0.0.1, 10.0.0.2, lab01, lab02, lab3, localhost",
        ),
    ],
    ids=str,
)
def test_hosts_are_named_as_in_an_inventory(hosts: list[str], names: str) -> None:
    assert named(hosts) == names


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
