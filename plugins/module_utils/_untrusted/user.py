# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work in a process of its own, with a user's own rights where that is wanted: killed when its time is over.

A user can stop or end a process that has their rights, and file systems of theirs need not answer. They cannot look
into it: the kernel keeps what has changed its user from being traced.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import signal
import socket
import time
import typing as t

from .shape import decoded

SECONDS = 30.0
MOST = 2**20
T = t.TypeVar("T")


class FailedError(Exception):
    """The work raised something, or did not come to its end. A sentence without its end."""


class Rights(t.NamedTuple):
    uid: int
    gid: int

    @property
    def are_ours(self) -> bool:
        return os.geteuid() == self.uid

    def take(self) -> None:
        os.setgroups([])
        os.setgid(self.gid)
        os.setuid(self.uid)


def as_user(rights: Rights, action: t.Callable[[], T], seconds: float = SECONDS, most: int = MOST) -> T:
    """What it returns, which JSON can hold. Root has no rights on NFS with root_squash, and must not follow links."""
    if rights.are_ours:
        return action()
    (result,) = together([action], seconds, most, rights)
    if isinstance(result, FailedError):
        raise result
    return result


def together(
    actions: t.Sequence[t.Callable[[], T]],
    seconds: float,
    most: int = MOST,
    rights: Rights | None = None,
    at_once: int = 4,
) -> list[T | FailedError]:
    """What each returns, which JSON can hold, or why it did not. One has no influence on another."""
    results: dict[int, T | FailedError] = {}
    waiting = list(enumerate(actions))
    running: dict[socket.socket, tuple[int, _Work[T]]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                index, action = waiting.pop(0)
                work = _Work(action, seconds, most, rights)
                running[work.channel] = (index, work)
            first = min(work.deadline for _index, work in running.values())
            ready, _, _ = select.select(list(running), [], [], max(0.0, first - time.monotonic()))
            for channel, (index, work) in list(running.items()):
                if (channel in ready and work.has_ended()) or time.monotonic() >= work.deadline:
                    del running[channel]
                    results[index] = work.result()
    finally:
        for _index, work in running.values():
            work.end()
    return [results[index] for index in range(len(actions))]


def open_directory(rights: Rights, path: str, seconds: float = SECONDS) -> int:
    """A descriptor of a directory that they may write to: wherever its path leads from then on."""

    def action() -> int:
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        os.fchdir(descriptor)
        if not os.access(".", os.W_OK | os.X_OK):
            raise PermissionError(f"user {rights.uid} may not write there")
        return descriptor

    work = _Work(action, seconds, MOST, rights, sends_descriptor=True)
    try:
        while not work.has_ended():
            if not select.select([work.channel], [], [], max(0.0, work.deadline - time.monotonic()))[0]:
                break
        result = work.result()
    finally:
        work.end()
    descriptors, work.descriptors = work.descriptors, []
    if isinstance(result, FailedError) or len(descriptors) != 1:
        for descriptor in descriptors:
            os.close(descriptor)
        raise result if isinstance(result, FailedError) else FailedError("it was ended before it had opened that")
    return descriptors[0]


class _Work(t.Generic[T]):
    """One child, and what it has said so far: a line of JSON, and after it nothing."""

    def __init__(
        self,
        action: t.Callable[[], T],
        seconds: float,
        most: int,
        rights: Rights | None,
        sends_descriptor: bool = False,
    ) -> None:
        self.seconds, self.most = seconds, most
        self.deadline = time.monotonic() + seconds
        self.said = b""
        self.descriptors: list[int] = []
        self.is_over = False
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.child = os.fork()
        if self.child == 0:
            self.channel.close()
            _act(action, theirs, rights, sends_descriptor)
        theirs.close()

    def has_ended(self) -> bool:
        """Takes what is there to read."""
        size = socket.CMSG_SPACE(array.array("i").itemsize)
        try:
            said, extra, _flags, _address = self.channel.recvmsg(65536, size)
        except OSError:
            return True
        for level, kind, raw in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found = array.array("i", raw[: len(raw) - len(raw) % array.array("i").itemsize])
                self.descriptors += found
                for descriptor in found:
                    os.set_inheritable(descriptor, False)
        self.said += said
        return not said or len(self.said) > self.most

    def result(self) -> T | FailedError:
        """After its end, or its time."""
        is_late = time.monotonic() >= self.deadline
        self.end()
        if len(self.said) > self.most:
            return FailedError(f"it returned more than {self.most} bytes")
        if not self.said.endswith(b"\n"):
            if is_late:
                return FailedError(f"it did not end within {self.seconds:g} seconds, and was killed")
            # Its user may do that, and it says nothing.
            return FailedError("it was killed by somebody")
        outcome, value = decoded(self.said)
        return FailedError(str(value)) if outcome == "failed" else t.cast("T", value)

    def end(self) -> None:
        """Also one that its user has stopped."""
        if self.is_over:
            return
        self.is_over = True
        self.channel.close()
        # It leads a group, with the programs that it has started.
        for kill in (os.killpg, os.kill):
            with contextlib.suppress(OSError):
                kill(self.child, signal.SIGKILL)
        # One that is stuck in a file system is left behind, or this would wait with it.
        patience = time.monotonic() + 1
        while os.waitpid(self.child, os.WNOHANG) == (0, 0) and time.monotonic() < patience:
            time.sleep(0.005)


def _act(
    action: t.Callable[[], t.Any], channel: socket.socket, rights: Rights | None, sends_descriptor: bool
) -> t.NoReturn:
    """In the child, which never returns into what it was forked from."""
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)
        if rights is not None:
            rights.take()
        value = action()
        if sends_descriptor:
            packed = array.array("i", [value])
            channel.sendmsg([b" "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)])
            value = None
        said = json.dumps(["returned", value])
    except BaseException as error:
        said = json.dumps(["failed", (str(error) or repr(error))[:10000]])
    try:
        channel.sendall(said.encode() + b"\n")
    finally:
        os._exit(0)
