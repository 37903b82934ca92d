# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import difflib
import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import load
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import merge, remove, same
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.rewrite import rewrite
from hypothesis import given
from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", "c", 'q"\n', "é"]) | st.text(max_size=4)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=5)
SPACE = st.text(alphabet=" \n\t\r", max_size=3)


@st.composite
def laid_out(draw: st.DrawFn) -> str:
    """A configuration with any white space that JSON allows."""

    def write(value: t.Any) -> str:
        if isinstance(value, dict):
            members = [
                draw(SPACE) + json.dumps(key) + draw(SPACE) + ":" + draw(SPACE) + write(inner) + draw(SPACE)
                for key, inner in value.items()
            ]
            return "{" + (",".join(members) or draw(SPACE)) + "}"
        if isinstance(value, list):
            return "[" + ",".join(draw(SPACE) + write(inner) + draw(SPACE) for inner in value) + "]"
        return json.dumps(value)

    return draw(SPACE) + write(draw(CONFIGS)) + draw(SPACE)


def parse(text: str) -> dict[str, t.Any]:
    return load(text.encode(), "daemon.json").value


@given(laid_out(), CONFIGS)
def test_the_result_parses_to_what_was_wanted(text: str, settings: dict[str, t.Any]) -> None:
    document = load(text.encode(), "daemon.json")
    wanted = merge(document.value, settings)
    result = rewrite(document, wanted)
    assert same(parse(result), wanted)
    assert list(parse(result)) == list(wanted)
    assert same(json.loads(result), wanted)


@given(laid_out(), st.lists(st.lists(KEYS, min_size=1, max_size=2).map(tuple), max_size=4))
def test_the_result_parses_after_removals(text: str, paths: list[tuple[str, ...]]) -> None:
    document = load(text.encode(), "daemon.json")
    paths = [*paths, *((key,) for key in list(document.value)[::2])]
    wanted = remove(document.value, paths)
    assert same(parse(rewrite(document, wanted)), wanted)


@given(laid_out())
def test_unchanged_text_stays_but_for_the_last_line_break(text: str) -> None:
    document = load(text.encode(), "daemon.json")
    result = rewrite(document, document.value)
    assert result in (text, text + "\n")
    assert result.endswith("\n")


def changed_lines(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


@pytest.mark.parametrize(
    ("settings", "absent", "diff"),
    [
        ({"debug": False}, [], ['-     "debug": true,', '+     "debug": false,']),
        (
            {"log-opts": {"max-file": "3"}},
            [],
            [
                '-     "log-opts": { "max-size": "10m" },',
                '+     "log-opts": { "max-size": "10m", "max-file": "3" },',
            ],
        ),
        ({}, [("dns",)], ['-     "dns": ["10.0.0.2", "10.0.0.3"],']),
        ({}, [("debug",)], ['-     "debug": true,']),
        (
            {"runtimes": {"kata": {"path": "kata"}}},
            [],
            ["+         },", '+         "kata": {', '+             "path": "kata"'],
        ),
        (
            {"live-restore": True},
            [("shutdown-timeout",)],
            ['-     "shutdown-timeout": 12345678901234567890', '+     "live-restore": true'],
        ),
        (
            {"max-concurrent-downloads": 10},
            [],
            ['-     "max-concurrent-downloads" : 1e1,', '+     "max-concurrent-downloads" : 10,'],
        ),
        ({"max-concurrent-downloads": 10.0, "x-note": "café / bar"}, [], []),
    ],
    ids=["value", "one-line object", "removal", "removal of the first", "nested", "last", "integer", "same value"],
)
def test_only_what_changes_is_written(
    fixtures: Path, settings: dict[str, t.Any], absent: list[tuple[str, ...]], diff: list[str]
) -> None:
    before = (fixtures / "operator.json").read_text()
    document = load(before.encode(), "daemon.json")
    after = rewrite(document, remove(merge(document.value, settings), absent))
    assert changed_lines(before, after) == diff


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        ("", {"debug": True}, '{\n  "debug": true\n}\n'),
        (" \n", {}, "{}\n"),
        ("{}", {"debug": True}, '{\n  "debug": true\n}\n'),
        ("{\n}\n", {"a": [1, 2]}, '{\n  "a": [\n    1,\n    2\n  ]\n}\n'),
        ('{"debug": true}', {"debug": False}, '{"debug": false}\n'),
        ('{"debug": true, "x": {"y": 1}}', {"z": 1}, '{\n  "debug": true,\n  "x": {"y": 1},\n  "z": 1\n}\n'),
        ('{\n\t"a": {}\n}\n', {"a": {"b": 1}}, '{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n'),
        ('{\r\n   "a": 1\r\n}\r\n', {"b": {"c": 2}}, '{\r\n   "a": 1,\r\n   "b": {\r\n      "c": 2\r\n   }\r\n}\r\n'),
        ('{ "a": 1\n, "b": 2\n}\n', {"c": 3}, '{ "a": 1\n, "b": 2\n, "c": 3\n}\n'),
        ('{"a": "\\ud800"}', {"b": "ü"}, '{\n  "a": "\\ud800",\n  "b": "ü"\n}\n'),
        ('{"a": ["\\ud800"]}', {"a": ["\ud800", "x"]}, '{"a": [\n    "\\ud800",\n    "x"\n  ]}\n'),
    ],
)
def test_layout(before: str, settings: dict[str, t.Any], after: str) -> None:
    document = load(before.encode(), "daemon.json")
    assert rewrite(document, merge(document.value, settings)) == after
