# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that may not end, or not stop talking."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
import typing as t

# Of each of its outputs. The rest is read and dropped, so that the program goes on.
MOST = 8 * 2**20
AFTER_KILL = 1.0
NOTHING = subprocess.DEVNULL
# Between two looks at a program that has all the time: who waits for weeks does not wake twice a second.
_LONG = 60.0


class Done(t.NamedTuple):
    """Without a code it was killed, because it did not end in time."""

    code: int | None
    stdout: bytes
    stderr: bytes
    is_cut: bool

    @property
    def out(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def err(self) -> str:
        return self.stderr.decode("utf-8", "replace")


def run(
    command: t.Sequence[str],
    seconds: float | None,
    most: int = MOST,
    stdin: int | t.IO[t.Any] = NOTHING,
    **options: t.Any,
) -> Done:
    """OSError or subprocess.SubprocessError where it cannot be started. Without seconds, it has all the time."""
    deadline = None if seconds is None else time.monotonic() + seconds
    process: subprocess.Popen[bytes] = subprocess.Popen(
        command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options
    )
    complete = False
    try:
        output, complete = collect(process, deadline, most)
    finally:
        # Also when a signal ends the wait.
        code = finish(process, complete)
    stdout, stderr = (part[:most] for part in output)
    return Done(code if complete else None, stdout, stderr, any(len(part) > most for part in output))


def collect(process: subprocess.Popen[bytes], deadline: float | None, most: int = MOST) -> tuple[list[bytes], bool]:
    """Both outputs until the program ends, up to a piece more than the most, and whether it did in time."""
    output = [bytearray(), bytearray()]
    with selectors.DefaultSelector() as selector:
        for index, pipe in enumerate((process.stdout, process.stderr)):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, index)
        while selector.get_map():
            left = _LONG if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return [bytes(part) for part in output], False
            # A child that outlives the program may hold its pipes: what is left to read then comes at once.
            ended = process.poll() is not None
            ready = selector.select(0.1 if ended else left if deadline is None else min(left, 0.5))
            if ended and not ready:
                break
            for key, _events in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif len(output[key.data]) <= most:
                    output[key.data] += chunk
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return [bytes(part) for part in output], False
    return [bytes(part) for part in output], True


def finish(process: subprocess.Popen[bytes], complete: bool) -> int | None:
    """Close the pipes; kill the whole group of a program that did not end."""
    if not complete:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    try:
        return process.wait(AFTER_KILL)
    except subprocess.TimeoutExpired:
        # Stuck in the driver, where no signal reaches it. It is left behind, or this would wait with it.
        return None
