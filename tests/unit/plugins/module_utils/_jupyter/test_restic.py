# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What restic says, as 0.14 (Debian 12) and 0.18 (Debian 13) said it."""

from __future__ import annotations

import fnmatch

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.restic import (
    ResticError,
    complaints,
    literally,
    nodes,
    snapshots,
    summary,
)

SUMMARY_0_14 = """
{"message_type":"status","percent_done":0,"total_files":1,"total_bytes":3}
{"message_type":"summary","files_new":2,"files_changed":0,"files_unmodified":0,"dirs_new":1,"data_added":1060,"total_files_processed":2,"total_bytes_processed":6,"total_duration":0.231284484,"snapshot_id":"2984813b"}
"""
SUMMARY_0_18 = """
{"message_type":"summary","files_new":2,"files_changed":0,"files_unmodified":0,"data_added":1050,"data_added_packed":839,"total_files_processed":2,"total_bytes_processed":5,"backup_start":"2026-11-21T05:36:19.65Z","snapshot_id":"7152636b02b73ad5d8c53df1cef1df7bd571756e571d2ed9719384de5d7f94fa"}
"""
LS_0_14 = """
{"time":"2026-11-21T05:32:02.08Z","paths":["/home/ada/notebooks"],"id":"248289e2","struct_type":"snapshot"}
{"name":"a [1].ipynb","type":"file","path":"/a [1].ipynb","uid":0,"size":3,"mode":420,"struct_type":"node"}
{"name":"sub","type":"dir","path":"/sub","uid":0,"mode":2147484141,"struct_type":"node"}
"""
LS_0_18 = LS_0_14.replace('"struct_type":"node"', '"message_type":"node","struct_type":"node"')


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        (SUMMARY_0_14, {"id": "2984813b", "files": 2, "bytes": 6, "added": 1060}),
        (SUMMARY_0_18, {"id": "7152636b", "files": 2, "bytes": 5, "added": 1050}),
        ("", {}),
        ('{"message_type":"status"}\nnot JSON\n', {}),
    ],
)
def test_summary(stdout: str, expected: dict[str, object]) -> None:
    assert summary(stdout) == expected


@pytest.mark.parametrize("stdout", [LS_0_14, LS_0_18])
def test_nodes(stdout: str) -> None:
    assert nodes(stdout) == {"/a [1].ipynb": {"type": "file", "size": 3}, "/sub": {"type": "dir", "size": 0}}


def test_snapshots_are_sorted_by_time() -> None:
    listed = '[{"time":"2026-11-21T05:32:02.083877422Z","id":"b"},{"time":"2026-11-20T05:32:00.284511037Z","id":"a"}]'
    assert snapshots(listed) == [
        {"id": "a", "time": "2026-11-20T05:32:00Z"},
        {"id": "b", "time": "2026-11-21T05:32:02Z"},
    ]
    assert snapshots("null") == snapshots("") == []


MISSING = (
    "Fatal: unable to open config file: stat /mnt/k/config: no such file or directory\n"
    "Is there a repository at the following location?\n/mnt/k\n"
)
FULL = (
    "Save(<data/18>) failed: write /mnt/k/data/18-tmp: no space left on device\n"
    '{"message_type":"exit_error","code":1,"message":"Fatal: unable to save snapshot: no space left on device"}\n'
)
UNREADABLE_0_18 = (
    '{"message_type":"error","error":{"message":"/src/c: open c: permission denied"},"item":"/src/c"}\n'
    '{"message_type":"exit_error","code":3,"message":"Warning: at least one source file could not be read"}\n'
)
UNREADABLE_0_14 = (
    '{"message_type":"error","error":{"Op":"open","Path":"c","Err":13},"during":"archival","item":"/src/c"}\n'
    "Warning: at least one source file could not be read\n"
)


@pytest.mark.parametrize(
    ("stderr", "partly", "expected"),
    [
        (MISSING, False, ["unable to open config file: stat /mnt/k/config: no such file or directory"]),
        (FULL, False, ["unable to save snapshot: no space left on device"]),
        (UNREADABLE_0_18, True, ["/src/c: open c: permission denied"]),
        (UNREADABLE_0_14, True, ["/src/c: Permission denied"]),
        ("create repository at /x failed: Fatal: no right\n", False, ["create repository at /x failed: no right"]),
        ("Save(<lock/1>) returned error, retrying\nunable to create lock\n", False, ["unable to create lock"]),
        ("", False, []),
    ],
)
def test_complaints(stderr: str, partly: bool, expected: list[str]) -> None:
    assert complaints(stderr, partly) == expected


@pytest.mark.parametrize(
    ("message", "code", "missing"),
    [
        ("unable to open config file: stat /mnt/k/config: no such file or directory", 1, True),
        ("repository does not exist", 10, True),
        ("wrong password or no key found", 12, False),
        ("unable to create lock in backend: read-only file system", 1, False),
    ],
)
def test_missing_repository_by_text_or_code(message: str, code: int, missing: bool) -> None:
    assert ResticError(message, code).repository_missing is missing


@pytest.mark.parametrize("path", ["/a [1].ipynb", "/what?.txt", "/*", "/a\\b"])
def test_pattern_of_a_name_has_no_wildcards(path: str) -> None:
    assert literally(path).replace("\\", "") == path.replace("\\", "")
    assert all(not fnmatch.fnmatch(other, literally(path)) for other in ("/a 1.ipynb", "/whatx.txt", "/x"))
