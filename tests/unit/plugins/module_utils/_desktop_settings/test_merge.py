# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.merge import Merge, same
from hypothesis import given
from hypothesis import strategies as st

# Few names in several spellings, so that files and settings often meet; one spelling of each in an object.
NAMES = ["cpus", "memorymib", "proxyhttpmode", "unknownthing", "é"]
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "x"])


def spelled(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name.upper(), name.capitalize()])


def objects(values: st.SearchStrategy[t.Any]) -> st.SearchStrategy[dict[str, t.Any]]:
    pairs = st.lists(
        st.sampled_from(NAMES).flatmap(lambda name: st.tuples(spelled(name), values)),
        max_size=4,
        unique_by=lambda pair: pair[0].casefold(),
    )
    return pairs.map(dict)


# The nested objects keep to names of their own, so that no object meets a value that is none.
LEAVES = SCALARS | st.lists(SCALARS, max_size=2)
SETTINGS = st.builds(
    lambda flat, nested: {**flat, **nested},
    objects(LEAVES),
    st.fixed_dictionaries({}, optional={"Proxy": objects(LEAVES)}),
)


def merged(current: dict[str, t.Any], wanted: dict[str, t.Any], generation: str = "store") -> dict[str, t.Any]:
    return Merge("settings-store.json", generation).settings(current, wanted)


def folded(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {key.casefold(): folded(item) for key, item in value.items()}
    return value


@given(SETTINGS, SETTINGS)
def test_idempotent(current: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    once = merged(current, wanted)
    again = Merge("settings-store.json", "store")
    assert same(again.settings(once, wanted), once)
    assert again.changed_keys == []


@given(SETTINGS)
def test_nothing_wanted_nothing_changed(current: dict[str, t.Any]) -> None:
    assert same(merged(current, {}), current)
    assert same(merged(current, current), current)


@given(SETTINGS, SETTINGS)
def test_order_spelling_and_unknown_keys_stay(current: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    result = merged(current, wanted)
    assert list(result)[: len(current)] == list(current)
    asked = {key.casefold() for key in wanted}
    for key in current:
        if key.casefold() not in asked:
            assert same(result[key], current[key])


@given(SETTINGS, SETTINGS)
def test_what_is_wanted_is_there(current: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    result = folded(merged(current, wanted))
    for key, value in folded(wanted).items():
        if isinstance(value, dict):
            assert all(same(result[key][inner], item) for inner, item in value.items())
        else:
            assert same(result[key], value)


@given(SETTINGS, SETTINGS)
def test_no_key_in_two_spellings(current: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    result = merged(current, wanted)
    assert len({key.casefold() for key in result}) == len(result)


@given(SETTINGS, SETTINGS)
def test_changed_keys_say_whether_it_changed(current: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    merge = Merge("settings-store.json", "store")
    assert same(merge.settings(current, wanted), current) is not bool(merge.changed_keys)


@pytest.mark.parametrize("generation", ["store", "legacy"])
@pytest.mark.parametrize("asked", ["MemoryMiB", "memoryMiB", "MEMORYMIB"])
def test_new_keys_are_spelled_as_the_file_spells(generation: str, asked: str) -> None:
    name = {"store": "MemoryMiB", "legacy": "memoryMiB"}[generation]
    assert merged({}, {asked: 1}, generation) == {name: 1}


def test_odd_spellings_of_both_generations() -> None:
    assert merged({}, {"proxyhttpmode": "manual", "overrideProxyHTTP": "x"}, "legacy") == {
        "proxyHttpMode": "manual",
        "overrideProxyHttp": "x",
    }
    assert list(merged({}, {"exposeDockerAPIOnTCP2375": False})) == ["ExposeDockerAPIOnTCP2375"]


def test_the_spelling_of_the_file_wins() -> None:
    merge = Merge("settings-store.json", "store")
    assert merge.settings({"memorymib": 1, "New": {"inner": 1}}, {"MemoryMiB": 2, "new": {"INNER": 2, "More": 3}}) == {
        "memorymib": 2,
        "New": {"inner": 2, "More": 3},
    }
    assert merge.changed_keys == [["memorymib"], ["New", "inner"], ["New", "More"]]


def test_true_is_not_one() -> None:
    assert merged({"AutoStart": 1}, {"AutoStart": True})["AutoStart"] is True
    assert not same([1], [True])
    assert same({"Cpus": 2}, {"Cpus": 2.0})


@pytest.mark.parametrize(
    ("current", "wanted", "words"),
    [
        ({"Proxy": {"Mode": 1}}, {"Proxy": "system"}, ["Proxy is an object there", "'system'"]),
        ({"Cpus": 2}, {"Cpus": {"a": 1}}, ["Cpus is the value 2 there"]),
        ({}, {"Cpus": 2, "cpus": 4}, ["the settings to merge", '"Cpus" and "cpus"']),
        ({"Proxy": {}}, {"Proxy": {"a": 1, "A": 2}}, ['"a" and "A"']),
    ],
)
def test_refuses_what_would_lose_something(current: t.Any, wanted: t.Any, words: list[str]) -> None:
    with pytest.raises(DesktopSettingsError) as error:
        merged(current, wanted)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("current", "items", "expected"),
    [
        (None, ["C:\\Users"], ["C:\\Users"]),
        ([], [], []),
        (["C:\\Users"], ["c:/users", "C:\\work"], ["C:\\Users", "C:\\work"]),
        (["D:\\data\\"], ["d:/data"], ["D:\\data\\"]),
        (["C:\\"], ["c:/"], ["C:\\"]),
        ([], ["C:\\a", "c:/A"], ["c:/A"]),
    ],
)
def test_lists_are_added_to(current: t.Any, items: list[str], expected: list[str]) -> None:
    merge = Merge("settings.json", "legacy")
    before = {} if current is None else {"filesharingDirectories": current}
    result = merge.include(before, {"FilesharingDirectories": items})
    assert result == {"filesharingDirectories": expected}
    assert merge.include(result, {"FilesharingDirectories": items}) == result
    assert bool(merge.changed_keys) is (result != before)


def test_only_lists_are_added_to() -> None:
    with pytest.raises(DesktopSettingsError, match="FilesharingDirectories is no list"):
        Merge("settings-store.json", "store").include(
            {"FilesharingDirectories": "C:\\"}, {"FilesharingDirectories": []}
        )
