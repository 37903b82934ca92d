# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which processes build or move an image. Any user may call theirs so, and only some can be at it."""

from __future__ import annotations

import contextlib
import os
import typing as t

PROGRAMS = {b"docker", b"docker-buildx", b"docker-compose"}
GROUPS = {b"image", b"builder", b"buildx", b"compose"}
VERBS = {b"build", b"bake", b"pull", b"push", b"save", b"load", b"import"}
# The user of keras_image's smoke test and of its list of packages, between the build and the push.
BUILDER = b"--user=12345:12345"
# Octets of a command line that are looked at. One of ours has a tenth.
LONGEST = 2**17
# What a word can be: a command, a command or an option's value, or an argument of `run`.
COMMAND, AFTER_OPTION, RUN = range(3)


def is_at_image(words: t.Iterable[bytes]) -> bool:
    """Of a process's arguments. Also behind others: of `timeout 1800 docker save`, or of a build that waits for one.

    One pass with all that a word may mean, because nobody else knows which options take a value. Whoever chooses the
    words chooses no more time than that.
    """
    states: set[int] = set()
    for word in words:
        following = {COMMAND} if word.rpartition(b"/")[2] in PROGRAMS else set()
        for state in states:
            if state == RUN:
                if word == BUILDER:
                    return True
                following.add(RUN)
            elif word.startswith(b"-"):
                following.add(AFTER_OPTION)
            elif word in VERBS:
                return True
            elif word == b"run":
                following |= {RUN, COMMAND} if state == AFTER_OPTION else {RUN}
            elif word in GROUPS or state == AFTER_OPTION:
                following.add(COMMAND)
        states = following
    return False


def may_use_engine(status: str, socket_group: int | None) -> bool:
    """By proc_pid_status(5): the user who started it, not the one whose program it is, and all of their groups."""
    fields = dict(line.partition(":")[::2] for line in status.splitlines())
    user = fields.get("Uid", "").split()[:1]
    groups = fields.get("Gid", "").split()[:1] + fields.get("Groups", "").split()
    return user == ["0"] or str(socket_group) in groups


def find(root: str) -> list[int]:
    """Their process IDs, in order."""
    socket_group = None
    with contextlib.suppress(OSError):
        socket_group = os.stat(os.path.join(root, "run/docker.sock")).st_gid
    found = []
    for name in os.listdir(os.path.join(root, "proc")):
        # One has ended meanwhile.
        with contextlib.suppress(OSError):
            if (
                name.isdigit()
                and is_at_image(_read(root, name, "cmdline").split(b"\0")[:-1])
                and may_use_engine(_read(root, name, "status").decode("utf-8", "replace"), socket_group)
            ):
                found.append(int(name))
    return sorted(found)


def _read(root: str, pid: str, name: str) -> bytes:
    with open(os.path.join(root, "proc", pid, name), "rb") as file:
        return file.read(LONGEST)
