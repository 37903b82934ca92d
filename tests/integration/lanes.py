# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of minutes run beside each other and beside the rest: each in a thread, pytest only waits for its end.

The threads are those of a process of their own, because unit tests replace the clock, the environment, and functions
of modules in pytest's.

A test in this folder with the mark ``lane`` is such a test. Its function gets ``run`` and its parameters, and no
fixture, because it starts before pytest reaches it: as soon as a lane is free and the tests that it names are over.

    @pytest.mark.lane(after=["test_demo"], minutes=10)
    def test_newcomer(run: Run) -> None: ...

``after``    names of test functions that must have passed; with ``always=True`` they only must be over. Those that are
             not part of the session do not count
``minutes``  how long it may take; then its processes are killed, and it fails with the phase it was in
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOGS = ROOT / ".cache" / "logs"

_ANSI = re.compile(r"\x1b(\[[0-9;]*m|\]8;;.*?\x1b\\)")


class CommandError(Exception):
    """A command of a test failed; the text says which, in which phase, and how its log ends."""


@dataclass
class Lane:
    """One test in its thread, and the times of its commands."""

    name: str
    test: Callable[..., None]
    after: list[str]
    minutes: float
    always: bool = False
    ended: Future[None] = field(default_factory=Future)
    phases: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    phase: str = "not started"
    process: subprocess.Popen[str] | None = None
    deadline: float = float("inf")
    killed: str = ""

    def kill(self, reason: str) -> None:
        """End the command that runs, with all that it started."""
        self.killed = self.killed or reason
        if (process := self.process) is not None:
            # It may have ended this moment; and what sudo started ends with sudo.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


class Run:
    """Runs commands of one test: their phases and durations on the terminal, all that they print in a log."""

    def __init__(self, lane: Lane, say: Callable[[str], None]) -> None:
        self.lane = lane
        self.say = say

    def __call__(
        self, name: str, command: list[str], phase: str = r"^==> (.*)", env: dict[str, str] | None = None
    ) -> str:
        """Return what it printed. ``phase`` is a regular expression; its group names the phase that a line begins."""
        lane = self.lane
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{name}.log"
        self.say(f"{name}: {' '.join(command)[:300]}   (log: {os.path.relpath(log, ROOT)})")
        lines: list[str] = []
        since = time.monotonic()
        lane.phase = f"{name}: start"
        if lane.killed:
            raise CommandError(lane.killed)

        def next_phase(follows: str) -> None:
            nonlocal since
            now = time.monotonic()
            lane.phases[lane.phase] = lane.phases.get(lane.phase, 0) + now - since
            if now - since >= 1:
                self.say(f"  {now - since:6.1f} s  {lane.phase}")
            since, lane.phase = now, follows

        with (
            log.open("w") as sink,
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            ) as process,
        ):
            lane.process = process
            assert process.stdout is not None
            for raw in process.stdout:
                line = _ANSI.sub("", raw)
                sink.write(line)
                sink.flush()
                lines.append(line)
                found = re.search(phase, line)
                if found and f"{name}: {found.group(1)}" != lane.phase:
                    next_phase(f"{name}: {found.group(1)}")
            # Not Popen.wait(): only this call says how much of the processors the command took.
            _pid, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        lane.process = None
        lane.cpu_seconds += usage.ru_utime + usage.ru_stime
        last = lane.phase
        next_phase(lane.phase)
        if lane.killed or process.returncode:
            how = lane.killed or f"exited with {process.returncode}"
            end = "".join(lines[-80:])
            raise CommandError(f"{' '.join(command)}\n{how}\nPhase: {last}. The end of {log}:\n{end}")
        return "".join(lines)


class Lanes:
    """The tests that run beside each other, at most ``width`` at a time, in the given order where they may."""

    def __init__(self, tests: list[Lane], width: int, until: float, say: Callable[[str], None]) -> None:
        needed = [name for lane in tests for name in lane.after if not lane.always]
        # Those that many others wait for begin first, then those that may take longest.
        self.tests = sorted(tests, key=lambda lane: (-needed.count(lane.name.partition("[")[0]), -lane.minutes))
        self.until = until
        self.expired = ""
        self._say = say
        self._changed = threading.Condition()
        self._busy: list[Lane] = []
        self._waiting = list(self.tests)
        self._stopped = False
        self._width = width
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        # Made here, because Python counts those that were made before a fork as ended: nobody would keep the limits.
        self._threads = [
            threading.Thread(target=self._work, name=f"lane-{number}", daemon=True) for number in range(self._width)
        ]
        for thread in self._threads:
            thread.start()
        threading.Thread(target=self._watch, name="lanes-clock", daemon=True).start()

    def stop(self, reason: str) -> None:
        """End what runs, begin nothing more, and wait until every thread has ended."""
        with self._changed:
            self._stopped = True
            for lane in self._waiting:
                lane.ended.set_exception(CommandError(f"Not run: {reason}"))
            self._waiting.clear()
            for lane in self._busy:
                lane.kill(reason)
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=60)

    def _ready(self) -> Lane | None:
        """The next test that may begin now."""
        names = {lane.name.partition("[")[0] for lane in [*self._waiting, *self._busy]}
        return next((lane for lane in self._waiting if names.isdisjoint(lane.after)), None)

    def _work(self) -> None:
        while True:
            with self._changed:
                while (lane := self._ready()) is None:
                    if self._stopped or not self._waiting:
                        return
                    self._changed.wait()
                self._waiting.remove(lane)
                self._busy.append(lane)
            self._run(lane)
            with self._changed:
                self._busy.remove(lane)
                self._changed.notify_all()

    def _run(self, lane: Lane) -> None:
        def say(text: str) -> None:
            self._say(f"[{lane.name.removeprefix('test_')}] {text}")

        begin = time.monotonic()
        lane.deadline = begin + lane.minutes * 60
        try:
            failed = [
                other.name
                for other in self.tests
                if other.name.partition("[")[0] in lane.after and other.ended.exception() is not None
            ]
            if failed and not lane.always:
                raise CommandError(f"Not run: it needs what {', '.join(failed)} makes, which failed.")
            lane.test(run=Run(lane, say))
        except BaseException as problem:
            say(f"FAILED after {time.monotonic() - begin:.0f} s")
            lane.seconds = time.monotonic() - begin
            lane.ended.set_exception(problem)
        else:
            lane.seconds = time.monotonic() - begin
            say(f"passed after {lane.seconds:.0f} s")
            lane.ended.set_result(None)

    def _watch(self) -> None:
        """Keep every test within its minutes, and all of them within those of the whole run."""
        while any(thread.is_alive() for thread in self._threads):
            now = time.monotonic()
            for lane in list(self._busy):
                if now > lane.deadline:
                    lane.kill(f"did not end within {lane.minutes:g} minutes")
            if time.time() > self.until and not self.expired:
                busy = ", ".join(f"{lane.name} ({lane.phase})" for lane in self._busy)
                self.expired = f"The time for the whole run is over. At that moment: {busy or 'no long test'}."
                self._say(self.expired)
                self.stop(self.expired)
            time.sleep(1)


class Remote:
    """Lanes in a process of their own, as pytest's process sees them. ``tests`` are its own copies."""

    def __init__(self, lanes: Lanes) -> None:
        self.tests = lanes.tests
        self.expired = ""
        self._lanes = lanes
        context = multiprocessing.get_context("fork")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(lanes, there, self._here), name="lanes")
        self._process.start()
        there.close()
        self._receiver = threading.Thread(target=self._receive, name="lanes-receiver", daemon=True)
        self._receiver.start()

    def stop(self, reason: str) -> None:
        """End what runs, and wait until nothing does."""
        with suppress(OSError):
            self._here.send(reason)
        self._process.join(timeout=120)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._receiver.join(timeout=10)

    def _receive(self) -> None:
        by_name = {lane.name: lane for lane in self.tests}
        with suppress(EOFError, OSError):
            while True:
                name, problem, times, self.expired = self._here.recv()
                lane = by_name.pop(name)
                lane.seconds, lane.cpu_seconds, lane.phases = times
                if problem is None:
                    lane.ended.set_result(None)
                else:
                    lane.ended.set_exception(CommandError(problem))
        for lane in by_name.values():
            lane.ended.set_exception(CommandError("The process that runs the lanes has ended before this test did."))


def _serve(lanes: Lanes, parent: Connection, unused: Connection) -> None:
    """Run the lanes, say how each test ends, and stop when pytest says so or is gone."""
    unused.close()
    # The terminal's Ctrl-C is for pytest, which then says when to stop. Programs get the signal's default again.
    signal.signal(signal.SIGINT, lambda *_: None)
    sending = threading.Lock()

    def send(lane: Lane, ended: Future[None]) -> None:
        problem = ended.exception()
        told = problem is None or isinstance(problem, CommandError)
        text = None if problem is None else str(problem) if told else "".join(traceback.format_exception(problem))
        with sending, suppress(OSError):
            parent.send((lane.name, text, (lane.seconds, lane.cpu_seconds, lane.phases), lanes.expired))

    for lane in lanes.tests:
        lane.ended.add_done_callback(partial(send, lane))
    lanes.start()
    reason = "pytest has ended"
    with suppress(EOFError):
        reason = parent.recv()
    lanes.stop(reason)
    # Nothing of pytest, which this process is a copy of, has its end here.
    os._exit(0)
