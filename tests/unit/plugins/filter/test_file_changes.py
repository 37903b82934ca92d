# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.filter.file_changes import FilterModule

file_changes = FilterModule().filters()["file_changes"]
# As a zip file from Windows leaves them.
LATIN_1 = os.fsdecode(b"caf\xe9")
NOTHING: dict[str, list[str]] = {"new": [], "older": [], "kept": [], "blocked": []}


def listing(*entries: tuple[str, str, int, int, str]) -> str:
    """Of (path, kind, size, time, target)."""
    return encoded("".join(f"{kind}\0{size}\0{time}\0{to}\0./{path}\0" for path, kind, size, time, to in entries))


def encoded(text: str) -> str:
    return base64.b64encode(os.fsencode(text)).decode()


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        (("a", "f", 1, 10, ""), None, "new"),
        (("a", "f", 1, 10, ""), ("a", "f", 1, 10, ""), ""),
        (("a", "f", 1, 10, ""), ("a", "f", 2, 11, ""), "kept"),
        (("a", "f", 1, 10, ""), ("a", "f", 1, 11, ""), "kept"),
        (("a", "f", 1, 10, ""), ("a", "f", 1, 9, ""), "older"),
        (("a", "f", 1, 10, ""), ("a", "f", 2, 10, ""), "older"),
        (("a", "d", 1, 10, ""), ("a", "d", 2, 99, ""), ""),
        (("a", "l", 1, 10, "b"), ("a", "l", 1, 99, "b"), ""),
        (("a", "l", 1, 10, "b"), ("a", "l", 1, 99, "c"), "kept"),
        # Whose time it is says nothing where one would take away the other.
        (("a", "f", 1, 10, ""), ("a", "d", 1, 9, ""), "blocked"),
        (("a", "d", 1, 10, ""), ("a", "l", 1, 9, "b"), "blocked"),
        (("a", "f", 1, 10, ""), ("a", "l", 1, 99, "b"), "blocked"),
    ],
)
def test_one_file(
    mine: tuple[str, str, int, int, str], theirs: tuple[str, str, int, int, str] | None, expected: str
) -> None:
    seen = file_changes(listing(mine), listing(theirs) if theirs else "")
    assert seen == {**NOTHING, **({expected: ["a"]} if expected else {})}


def test_nothing_is_put_below_what_is_no_directory_there() -> None:
    mine = listing(("week", "d", 1, 10, ""), ("week/a", "f", 1, 10, ""), ("week/b/c", "f", 1, 10, ""))
    theirs = listing(("week", "f", 1, 10, ""))
    assert file_changes(mine, theirs) == {**NOTHING, "blocked": ["week", "week/a", "week/b/c"]}


def test_what_only_the_destination_has_is_not_mentioned() -> None:
    assert file_changes("", listing(("theirs", "f", 1, 10, ""))) == NOTHING


def test_what_find_prints(tmp_path: Path) -> None:
    for name in ("größe 1", "two\nlines", "-T", LATIN_1):
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (1000.9, 1000.9))
    (tmp_path / "link").symlink_to("größe 1")
    found = subprocess.run(
        ["find", ".", "-mindepth", "1", "-printf", r"%y\0%s\0%Ts\0%l\0%p\0"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    printed = base64.b64encode(found).decode()
    assert file_changes(printed, "") == {**NOTHING, "new": ["-T", LATIN_1, "größe 1", "link", "two\nlines"]}
    assert file_changes(printed, printed) == NOTHING


@pytest.mark.parametrize(
    "text",
    ["a", "Zg=", encoded("f\x001\x002\x00\x00"), encoded("f\x001\x002\x00\x00./a"), encoded("f\0a\x002\0\0./a\0")],
)
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(AnsibleFilterError, match="find printed"):
        file_changes(text, "")
