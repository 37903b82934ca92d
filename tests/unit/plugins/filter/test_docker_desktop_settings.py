# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.filter.docker_desktop_settings import FilterModule
from hypothesis import given
from hypothesis import strategies as st

merge = FilterModule().filters()["docker_desktop_settings"]
NAMES = st.sampled_from(["Cpus", "MemoryMiB", "AutoStart", "unknown", "Ünbekannt"])
FILES = st.dictionaries(NAMES, st.integers() | st.booleans() | st.text() | st.lists(st.text(), max_size=2))


def slurped(text: str, encoding: str = "utf-8") -> str:
    return base64.b64encode(text.encode(encoding)).decode()


def test_a_new_file() -> None:
    assert merge("", {"memoryMiB": 4096}, "settings-store.json") == {
        "content": '{\n  "MemoryMiB": 4096\n}',
        "changed": True,
        "changed_keys": [["MemoryMiB"]],
        "had_mark": False,
    }


def test_an_old_file() -> None:
    result = merge(slurped('{"unknown": [1], "cpus": 2}'), {"Cpus": 4, "AutoStart": True}, "settings.json", "legacy")
    assert list(json.loads(result["content"]).items()) == [("unknown", [1]), ("cpus", 4), ("autoStart", True)]


def test_what_is_right_is_left_to_the_byte() -> None:
    text = '{ "Cpus":2 ,\r\n"x": 1.10}'
    result = merge(slurped(text), {"cpus": 2}, "settings-store.json")
    assert (result["content"], result["changed"], result["changed_keys"]) == (text, False, [])


def test_a_mark_alone_is_a_change() -> None:
    result = merge(slurped('{"Cpus": 2}', "utf-8-sig"), {"Cpus": 2}, "settings-store.json")
    assert (result["content"], result["changed"], result["changed_keys"]) == ('{"Cpus": 2}', True, [])


def test_shares_are_added() -> None:
    result = merge(
        slurped('{"FilesharingDirectories": ["D:\\\\"]}'), {}, "x", include={"filesharingDirectories": ["C:/work"]}
    )
    assert json.loads(result["content"]) == {"FilesharingDirectories": ["D:\\", "C:/work"]}
    assert result["changed_keys"] == [["FilesharingDirectories"]]


@given(FILES, FILES)
def test_the_second_time_changes_nothing(current: dict[str, t.Any], wanted: dict[str, t.Any]) -> None:
    once = merge(slurped(json.dumps(current)), wanted, "settings-store.json")
    twice = merge(slurped(once["content"]), wanted, "settings-store.json")
    assert twice["content"] == once["content"]
    assert twice["changed"] is False


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        (slurped("{"), {}, "settings-store.json, line 1"),
        ("no base64!", {}, "takes the file's bytes in Base64"),
        (None, "Cpus=2", "must be a dictionary"),
        ("", {"Since": object()}, "settings.Since is of the type object"),
    ],
)
def test_errors_are_the_operators(content: t.Any, settings: t.Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        merge(content, settings, "settings-store.json")


def test_a_wrong_generation() -> None:
    with pytest.raises(AnsibleFilterError, match="store, legacy"):
        merge("", {}, "settings-store.json", "newest")
