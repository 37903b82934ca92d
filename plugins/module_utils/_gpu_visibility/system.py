# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The host as the probes see it: files under a root, programs with a time limit."""

from __future__ import annotations

import itertools
import os
import stat
import subprocess
import time
import typing as t

from .._untrusted import child

_MOST_BYTES = 8 * 1024 * 1024
_PIECE = 64 * 1024
_EVIDENCE = 2048
_CUT = " [...] "
_BINARIES = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin", "snap/bin", "usr/lib/wsl/lib")


class Node(t.NamedTuple):
    """A file in /dev."""

    is_device: bool
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


class Run(t.NamedTuple):
    """What came of running a program. Where it could not be run, rc is None and problem says why."""

    ref: str
    rc: int | None
    stdout: str
    stderr: str
    problem: str | None
    seconds: float

    @property
    def text(self) -> str:
        return "\n".join(filter(None, (self.stdout.strip(), self.stderr.strip(), self.problem)))

    def evidence(self) -> dict[str, t.Any]:
        return evidence("command", self.ref, self.text, self.rc)


def evidence(source: str, ref: str, text: str, rc: int | None = None) -> dict[str, t.Any]:
    return {"source": source, "ref": ref, "rc": rc, "text": shortened(text, _EVIDENCE)}


def shortened(text: str, most: int) -> str:
    """At most so many bytes. The reason of a failure is said last, so the end is kept, and a part of the beginning."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= most:
        return raw.decode("utf-8")
    end = most * 2 // 3
    begin = most - end - len(_CUT)
    return raw[:begin].decode("utf-8", "ignore") + _CUT + raw[-end:].decode("utf-8", "ignore")


class System:
    """timeout: seconds for each program; total: seconds for all that is done with this system."""

    def __init__(self, root: str = "/", timeout: float = 30.0, total: float = 180.0) -> None:
        self.root = root
        self.timeout = timeout
        self.deadline = time.monotonic() + total
        self.environment: dict[str, str] = {}  # variables for the programs that are run

    def path(self, path: str) -> str:
        return os.path.join(self.root, path.lstrip("/"))

    @property
    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def variable(self, name: str) -> str | None:
        """One of the environment, such as DOCKER_HOST."""
        return os.environ.get(name)

    def uid(self) -> int:
        return os.geteuid()

    # Files. What cannot be read is None, or empty.

    def read(self, path: str) -> str | None:
        raw = self.read_bytes(path)
        return None if raw is None else raw.decode("utf-8", "replace")

    def read_bytes(self, path: str) -> bytes | None:
        try:
            # A named pipe without a writer would keep its reader for ever.
            with open(os.open(self.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                # In small pieces: /proc/sys answers a large request with nothing.
                pieces = iter(lambda: file.read1(_PIECE), b"")
                return b"".join(itertools.islice(pieces, _MOST_BYTES // _PIECE))
        except (OSError, ValueError):
            return None

    def names(self, path: str) -> list[str] | None:
        """What is in a directory."""
        try:
            return sorted(os.listdir(self.path(path)))
        except (OSError, ValueError):
            return None

    def link(self, path: str) -> str | None:
        try:
            return os.readlink(self.path(path))
        except (OSError, ValueError):
            return None

    def real(self, path: str) -> str:
        """Where a path leads, to tell two names of one file."""
        return os.path.realpath(self.path(path))

    def exists(self, path: str) -> bool:
        try:
            return os.path.lexists(self.path(path))
        except ValueError:
            return False

    def node(self, path: str) -> Node | None:
        try:
            seen = os.stat(self.path(path))
        except (OSError, ValueError):
            return None
        numbers = (os.major(seen.st_rdev), os.minor(seen.st_rdev))
        return Node(stat.S_ISCHR(seen.st_mode), *numbers, stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid)

    def program(self, name: str) -> str | None:
        """Where a program is. Only under the root: with another root, nothing of the real host is run."""
        for folder in _BINARIES:
            path = self.path(os.path.join(folder, name))
            if os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
        return None

    # Programs

    def limit(self, timeout: float | None = None) -> float:
        """Seconds that a program may take now."""
        return min(self.timeout if timeout is None else timeout, self.left)

    def run(self, name: str, *arguments: str, timeout: float | None = None, tidying: bool = False) -> Run:
        """Run a program of this host, never longer than its time limit.

        Tidying up has its time even after the deadline.
        """
        path = self.program(name)
        if path is None:
            return Run(" ".join((name, *arguments)), None, "", "", f"{name} is not installed", 0.0)
        return self.run_path(path, *arguments, ref=name, timeout=timeout, tidying=tidying)

    def run_path(
        self, path: str, *arguments: str, ref: str = "", timeout: float | None = None, tidying: bool = False
    ) -> Run:
        shown = " ".join((ref or path, *arguments))
        limit = timeout if tidying and timeout is not None else self.limit(timeout)
        if limit <= 0:
            return Run(shown, None, "", "", "not run: the time for the whole look is over", 0.0)
        folders = [self.path(folder) for folder in _BINARIES]
        # Programs write in English, and find one another under the root first.
        environment = {
            **os.environ,
            **self.environment,
            "LC_ALL": "C",
            "PATH": os.pathsep.join([*folders, os.environ.get("PATH", "/usr/bin:/bin")]),
        }
        begin = time.monotonic()
        try:
            process = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Run(shown, None, "", "", f"could not be started: {error}", 0.0)
        output, complete = child.collect(process, begin + limit, _MOST_BYTES)
        rc = child.finish(process, complete)
        problem = None if complete else f"did not answer within {limit:.0f} s and was killed"
        stdout, stderr = (part.decode("utf-8", "replace") for part in output)
        return Run(shown, rc if complete else None, stdout, stderr, problem, time.monotonic() - begin)
