# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests with testbed machines share: running a long command visibly, and leaving nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "molecule" / "resources"
# What files/engine.sh and create.yml leave while an engine that they started runs.
ENGINE_NOTES = [Path("/run/gpulab-testbed-engine.pid"), Path("/run/gpulab-testbed-engine.unit")]
SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]
LOGS = ROOT / ".cache" / "logs"

# The programs of the environment that runs pytest, also where nobody has activated it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

_ANSI = re.compile(r"\x1b(\[[0-9;]*m|\]8;;.*?\x1b\\)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs testbed machines, and minutes."""
    for item in items:
        if Path(item.path).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def engine_is_left_as_it_was() -> Iterator[None]:
    """Stop the engine that these tests started; one that ran before (a demo's, the user's) goes on running."""
    if subprocess.run([*SUDO, "true"], check=False, capture_output=True).returncode:
        pytest.exit(
            "The tests with testbed machines need root. Run `sudo -v` first, or `make test` as root.", returncode=2
        )
    ran_before = [note.exists() for note in ENGINE_NOTES]
    yield
    if [note.exists() for note in ENGINE_NOTES] != ran_before:
        subprocess.run([*SUDO, str(RESOURCES / "files" / "engine.sh"), "stop"], check=True)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command for minutes: its phases and their durations on the terminal, all of it in a log.

    On failure, or when ``timeout`` seconds have passed, the test fails with the end of that log. ``phase`` is a regular
    expression with one group; a line it matches begins the phase that the group names.
    """

    def _run(name: str, command: list[str], phase: str = r"^==> (.*)", timeout: int = 1500, **env: str) -> str:
        LOGS.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{name}.log"
        since = time.monotonic()
        current = "start"

        def say(text: str) -> None:
            with capfd.disabled():
                print(text, flush=True)

        say(f"\n{name}: {' '.join(command)}   (log: {log.relative_to(ROOT)})")
        lines: list[str] = []
        expired = threading.Event()
        with (
            log.open("w") as sink,
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            ) as process,
        ):
            assert process.stdout is not None

            def expire(group: int = process.pid) -> None:
                expired.set()
                os.killpg(group, signal.SIGKILL)

            limit = threading.Timer(timeout, expire)
            limit.start()
            for raw in process.stdout:
                line = _ANSI.sub("", raw)
                sink.write(line)
                sink.flush()
                lines.append(line)
                found = re.search(phase, line)
                if found and found.group(1) != current:
                    now = time.monotonic()
                    say(f"  {now - since:7.1f} s  {current}")
                    current, since = found.group(1), now
            limit.cancel()
        say(f"  {time.monotonic() - since:7.1f} s  {current}")
        if process.returncode:
            how = f"did not end within {timeout} s" if expired.is_set() else f"exited with {process.returncode}"
            end = "".join(lines[-80:])
            pytest.fail(f"{' '.join(command)} {how} in phase {current!r}. The end of {log}:\n{end}", pytrace=False)
        return "".join(lines)

    return _run
