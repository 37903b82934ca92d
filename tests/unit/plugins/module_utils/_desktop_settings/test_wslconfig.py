# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import codecs
import configparser

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.wslconfig import merge
from hypothesis import given
from hypothesis import strategies as st

PATH = r"C:\Users\ada\.wslconfig"
LINES = st.lists(
    st.sampled_from(
        ["", "# a comment", "[wsl2]", "[experimental]", "memory = 8GB", "Processors=4", "swap=0", "odd line"]
    ),
    max_size=8,
)
WANTED = st.dictionaries(
    st.sampled_from(["wsl2", "WSL2", "experimental"]),
    st.dictionaries(st.sampled_from(["memory", "processors", "swap"]), st.sampled_from(["1GB", 2, True]), max_size=3),
    max_size=1,
)


def read(text: str) -> configparser.RawConfigParser:
    """By another reader, which knows the format in general."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    parser.read_string(text)
    return parser


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[wsl2]\r\nmemory=16GB\r\n"),
        ("[wsl2]\r\nmemory=16GB\r\n", "[wsl2]\r\nmemory=16GB\r\n"),
        ("[WSL2]\n Memory = 8GB \n# end", "[WSL2]\nMemory=16GB\n# end\n"),
        ("[wsl2]\nswap=0\n\n[experimental]\nmemory=1\n", "[wsl2]\nswap=0\nmemory=16GB\n\n[experimental]\nmemory=1\n"),
        ("[experimental]\nsparseVhd=true", "[experimental]\nsparseVhd=true\n\n[wsl2]\nmemory=16GB\n"),
        ("[wsl2]\n#memory=8GB\n", "[wsl2]\n#memory=8GB\nmemory=16GB\n"),
    ],
)
def test_one_key(before: str, after: str) -> None:
    assert merge(before.encode(), {"wsl2": {"memory": "16GB"}}, PATH) == (after, before != after)


@given(LINES, WANTED)
def test_idempotent_and_no_line_lost(lines: list[str], wanted: dict[str, dict[str, object]]) -> None:
    before = "".join(f"{line}\n" for line in lines)
    try:
        once, _changed = merge(before.encode(), wanted, PATH)
    except DesktopSettingsError:
        return
    assert merge(once.encode(), wanted, PATH) == (once, False)
    kept = once.split("\n")
    for line in lines:
        key = line.partition("=")[0].strip().casefold()
        if key not in {name for entries in wanted.values() for name in entries}:
            assert line in kept


@given(WANTED)
def test_another_reader_finds_it(wanted: dict[str, dict[str, object]]) -> None:
    text, _changed = merge(b"[wsl2]\nswap=0\n", wanted, PATH)
    for section, entries in wanted.items():
        for key, value in entries.items():
            assert read(text.casefold()).get(section.casefold(), key) == str(value).casefold()


def test_a_mark_is_removed() -> None:
    assert merge(codecs.BOM_UTF8 + b"[wsl2]\nmemory=1GB\n", {}, PATH) == ("[wsl2]\nmemory=1GB\n", True)


def test_booleans_as_wsl_reads_them() -> None:
    assert merge(b"", {"wsl2": {"nestedVirtualization": False}}, PATH)[0] == "[wsl2]\r\nnestedVirtualization=false\r\n"


def test_a_key_twice_is_refused() -> None:
    with pytest.raises(DesktopSettingsError, match=r"memory stands in \[wsl2\] at the lines 2, 4"):
        merge(b"[wsl2]\nmemory=1\nswap=0\nMemory=2\n", {"wsl2": {"memory": 3}}, PATH)
