# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import (
    changed_paths,
    check_request,
    dotted,
    merge,
    remove,
    same,
)
from hypothesis import given
from hypothesis import strategies as st

# Few and short keys, so that generated configurations and settings often meet.
KEYS = st.sampled_from(["a", "b", "c", "a.b", "", "é"])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "x"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
CONFIGS = st.dictionaries(KEYS, VALUES, max_size=5)
PATHS = st.lists(st.lists(KEYS, min_size=1, max_size=3).map(tuple), max_size=3)


def lookup(config: t.Any, path: tuple[str, ...]) -> t.Any:
    for key in path:
        if not isinstance(config, dict) or key not in config:
            return "missing"
        config = config[key]
    return config


@given(CONFIGS, CONFIGS)
def test_merge_is_idempotent(base: dict[str, t.Any], settings: dict[str, t.Any]) -> None:
    once = merge(base, settings)
    assert same(merge(once, settings), once)


@given(CONFIGS)
def test_merge_of_nothing_changes_nothing(base: dict[str, t.Any]) -> None:
    assert same(merge(base, {}), base)
    assert same(merge({}, base), base)


@given(CONFIGS, CONFIGS)
def test_merge_keeps_order_and_unknown_keys(base: dict[str, t.Any], settings: dict[str, t.Any]) -> None:
    merged = merge(base, settings)
    assert list(merged)[: len(base)] == list(base)
    assert list(merged)[len(base) :] == [key for key in settings if key not in base]
    for key in base.keys() - settings.keys():
        assert same(merged[key], base[key])


@given(CONFIGS, CONFIGS)
def test_merge_wins_where_it_is_set(base: dict[str, t.Any], settings: dict[str, t.Any]) -> None:
    merged = merge(base, settings)
    for path in changed_paths({}, settings):
        found = lookup(merged, path)
        wanted = lookup(settings, path)
        # An empty object asks for an object, and leaves what is in it.
        assert isinstance(found, dict) if wanted == {} else same(found, wanted)


@given(CONFIGS, CONFIGS)
def test_merge_leaves_its_arguments_alone(base: dict[str, t.Any], settings: dict[str, t.Any]) -> None:
    before = copy.deepcopy((base, settings))
    merged = merge(base, settings)
    for value in merged.values():
        if isinstance(value, list):
            value.append("changed")
    assert same(list(before)[1], settings)
    assert list(base) == list(before[0])


@given(CONFIGS, CONFIGS, PATHS)
def test_absent_wins_over_what_was_there(
    base: dict[str, t.Any], settings: dict[str, t.Any], paths: list[tuple[str, ...]]
) -> None:
    result = remove(merge(base, settings), paths)
    assert all(lookup(result, path) == "missing" for path in paths)
    assert same(remove(result, paths), result)


@given(CONFIGS, PATHS)
def test_remove_touches_nothing_else(base: dict[str, t.Any], paths: list[tuple[str, ...]]) -> None:
    result = remove(base, paths)
    for path in changed_paths(base, result):
        # What changed lies on, above (an object that became empty) or below a removed path.
        assert any(path[: len(gone)] == gone or gone[: len(path)] == path for gone in paths)


@given(CONFIGS, CONFIGS)
def test_changed_paths_are_empty_only_for_the_same(left: dict[str, t.Any], right: dict[str, t.Any]) -> None:
    assert (changed_paths(left, right) == []) == same(left, right)


@given(CONFIGS, CONFIGS)
def test_changed_paths_name_the_same_keys_both_ways(left: dict[str, t.Any], right: dict[str, t.Any]) -> None:
    assert set(changed_paths(left, right)) == set(changed_paths(right, left))


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (True, 1, False),
        (False, 0, False),
        (1, 1.0, False),
        (1000.0, 1e3, True),
        ([True], [1], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
        (None, {}, False),
    ],
)
def test_same(left: object, right: object, equal: bool) -> None:
    assert same(left, right) is equal


def test_lists_are_replaced_and_objects_merged() -> None:
    base = {"dns": ["10.0.0.2", "10.0.0.3"], "log-opts": {"max-size": "10m", "tag": "x"}, "log-driver": "local"}
    settings = {"dns": ["10.0.0.9"], "log-opts": {"max-size": "20m"}}
    assert merge(base, settings) == {
        "dns": ["10.0.0.9"],
        "log-opts": {"max-size": "20m", "tag": "x"},
        "log-driver": "local",
    }


def test_a_key_with_a_dot_is_one_key() -> None:
    base = {"proxies": {"a.b": 1}, "a": {"b": 2}}
    assert remove(base, [("proxies", "a.b")]) == {"proxies": {}, "a": {"b": 2}}


def test_an_emptied_object_stays() -> None:
    assert remove({"runtimes": {"nvidia": {}}}, [("runtimes", "nvidia")]) == {"runtimes": {}}


def test_changed_paths_reach_into_new_and_removed_objects() -> None:
    before = {"a": {"x": 1, "y": {}}, "b": 1}
    after = {"b": {"z": 2}, "c": {"d": {"e": 1}}}
    assert changed_paths(before, after) == [("a", "x"), ("a", "y"), ("b",), ("c", "d", "e")]


@pytest.mark.parametrize(
    ("settings", "absent", "says"),
    [
        ({}, ["runtimes"], "found the entry 'runtimes'"),
        ({}, [["runtimes"], "nvidia"], "found the entry 'nvidia'"),
        ({}, [[]], "found the entry []"),
        ({}, [["a", 1]], "found the entry ['a', 1]"),
        ({}, [[""]], "found the entry ['']"),
        ({"a": 1}, [["a"]], "a is in settings and in absent"),
        ({"log-opts": {"max-size": "1m"}}, [["log-opts"]], "log-opts is in settings and in absent"),
        ({"log-opts": {"x.y": "1m"}}, [["log-opts", "x.y"]], 'log-opts."x.y" is in settings and in absent'),
        ({"proxies": {"http-proxy": None}}, [], "proxies.http-proxy is null"),
    ],
)
def test_requests_that_cannot_be_meant(settings: dict[str, t.Any], absent: list[t.Any], says: str) -> None:
    with pytest.raises(DaemonConfigError) as error:
        check_request(settings, absent)
    assert says in str(error.value)


def test_settings_and_absent_beside_each_other() -> None:
    settings = {"log-opts": {"max-size": "1m"}, "debug": True}
    assert check_request(settings, [["log-opts", "max-file"], ["debug", "x"], ["labels"]]) == [
        ("log-opts", "max-file"),
        ("debug", "x"),
        ("labels",),
    ]


def test_dotted() -> None:
    assert dotted(("log-opts", "a.b")) == 'log-opts."a.b"'
