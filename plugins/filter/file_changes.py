# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: file_changes
short_description: Compare the files of two machines
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what C(find) printed of two directories, and says what a copy of the one to the other would do, so that what
    somebody has changed there since can be left alone.
  - Through C(base64), because a name may be of any bytes, and what Ansible hands on is text.
    C(b64encode) makes the bytes of a path again.
  - Files are the same where their size and their time (in seconds) are, links where their target is, and
    directories always.
positional: destination
options:
  _input:
    description: >-
      What was printed of the directory to copy from, by C(find . -printf '%y\0%s\0%Ts\0%l\0%p\0' | base64 --wrap=0).
    type: str
    required: true
  destination:
    description: The same of the directory to copy to. Empty where it does not exist.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what a copy would leave alone
  ansible.builtin.debug:
    msg: "{{ (here.stdout | gpulab.workstation.file_changes(there.stdout)).kept }}"
"""

RETURN = r"""
_value:
  description: Paths, relative to the directories. What is no UTF-8 in them is as Python has it (C(surrogateescape)).
  type: dict
  contains:
    new:
      description: What the destination does not have.
      type: list
      elements: str
    older:
      description: What differs there, and is not newer.
      type: list
      elements: str
    kept:
      description: What differs there and is newer.
      type: list
      elements: str
    blocked:
      description: What is of another kind there, such as a directory in the place of a file, and what lies below it.
      type: list
      elements: str
"""

import base64
import typing as t
from pathlib import PurePosixPath

from ansible.errors import AnsibleFilterError

FIELDS = 5


class Entry(t.NamedTuple):
    kind: str
    size: int
    time: int
    target: str

    def is_same(self, other: Entry) -> bool:
        if self.kind == "d" or self.kind != other.kind:
            return self.kind == other.kind
        if self.kind == "l":
            return self.target == other.target
        return (self.size, self.time) == (other.size, other.time)


def entries(listing: str) -> dict[str, Entry]:
    try:
        values = base64.b64decode(listing, validate=True).decode("utf-8", "surrogateescape").split("\0")
        # The last field ends with a separator, too.
        if len(values) % FIELDS != 1 or values[-1]:
            raise ValueError("it ends within an entry")
        rows = zip(*(values[field:-1:FIELDS] for field in range(FIELDS)))
        return {str(PurePosixPath(path)): Entry(kind, int(size), int(time), to) for kind, size, time, to, path in rows}
    except ValueError as error:
        raise AnsibleFilterError(
            f"file_changes wants what find printed with '%y\\0%s\\0%Ts\\0%l\\0%p\\0', through base64: {error}."
        ) from error


def file_changes(source: str, destination: str) -> dict[str, list[str]]:
    there = entries(destination)
    changes: dict[str, list[str]] = {"new": [], "older": [], "kept": [], "blocked": []}
    blocked: set[str] = set()
    for path, entry in sorted(entries(source).items()):
        found = there.get(path)
        if found is not None and found.kind != entry.kind:
            blocked.add(path)
        if path in blocked or not blocked.isdisjoint(map(str, PurePosixPath(path).parents)):
            changes["blocked"].append(path)
        elif found is None:
            changes["new"].append(path)
        elif not entry.is_same(found):
            changes["kept" if found.time > entry.time else "older"].append(path)
    return changes


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"file_changes": file_changes}
