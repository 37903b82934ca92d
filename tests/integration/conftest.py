# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests with testbed machines: they run in lanes (lanes.py), end in time, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.integration import times
from ansible_collections.gpulab.workstation.tests.integration.lanes import CommandError, Lane, Lanes, Remote, Run

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESOURCES = ROOT / "molecule" / "resources"
# What files/engine.sh and create.yml leave while an engine that they started runs.
ENGINE_NOTES = [Path("/run/gpulab-testbed-engine.pid"), Path("/run/gpulab-testbed-engine.unit")]
SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]
# Two lanes beside pytest's own thread keep two cores busy: most of a scenario is waiting.
WIDTH = int(os.environ.get("GPULAB_TEST_LANES", "2"))
# Where .ci/run wants the whole run to end, in seconds since 1970.
UNTIL = float(os.environ.get("GPULAB_TEST_UNTIL", "inf"))

LANES = pytest.StashKey[Remote]()

# The programs of the environment that runs pytest, also where nobody has activated it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs testbed machines, and minutes."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("lane"):
            # The lane has a limit of its own.
            item.add_marker(pytest.mark.timeout(0))


def lane_of(item: pytest.Function) -> Lane:
    parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}

    def test(run: Run) -> None:
        item.obj(run=run, **parameters)

    marks: dict[str, Any] = {"after": [], "minutes": 25}
    # The closest mark comes first, and counts most: a parameter's own says more than that of its function.
    for mark in reversed(list(item.iter_markers("lane"))):
        marks |= mark.kwargs
    return Lane(item.name, test, **marks)


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Begin the tests of minutes, in the order of the session, before the first of the others."""
    items = [
        item
        for item in session.items
        if isinstance(item, pytest.Function)
        and item.get_closest_marker("lane")
        and not any(marker.args[0] for marker in item.iter_markers("skipif"))
    ]
    if session.config.option.collectonly or not items:
        return (yield)
    if hasattr(session.config, "workerinput"):
        raise pytest.UsageError("The tests of tests/integration run side by side by themselves: leave out -n.")
    if subprocess.run([*SUDO, "true"], check=False, capture_output=True).returncode:
        raise pytest.UsageError(
            "The tests with testbed machines need root. Run `sudo -v` first, or `make test` as root."
        )
    ran_before = [note.exists() for note in ENGINE_NOTES]
    machines_before = testbed_machines()
    capture = session.config.pluginmanager.getplugin("capturemanager")
    # pytest catches what is written to the terminal, from every thread.
    terminal = os.dup(1) if capture is None else _real_terminal(capture)
    begin = time.monotonic()

    def say(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - begin), 60)
        for line in text.splitlines():
            os.write(terminal, f"{minutes:3d}:{seconds:02d} {line}\n".encode())

    times.begin()
    lanes = Remote(Lanes([lane_of(item) for item in items], WIDTH, UNTIL, say))
    session.config.stash[LANES] = lanes
    try:
        return (yield)
    finally:
        lanes.stop("the session has ended")
        remove(testbed_machines() - machines_before)
        if [note.exists() for note in ENGINE_NOTES] != ran_before:
            subprocess.run([*SUDO, str(RESOURCES / "files" / "engine.sh"), "stop"], check=True)
        os.close(terminal)


def _real_terminal(capture: Any) -> int:
    with capture.global_and_fixture_disabled():
        return os.dup(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    lanes = item.config.stash.get(LANES, None)
    if lanes is not None and lanes.expired:
        item.session.shouldfail = lanes.expired
    return (yield)


@pytest.fixture
def run() -> None:
    """A test in a lane gets its own, before pytest sets up any fixture."""


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Wait for the end of a test that has its lane."""
    lanes = pyfuncitem.config.stash.get(LANES, None)
    if lanes is None or not pyfuncitem.get_closest_marker("lane"):
        return None
    (lane,) = (lane for lane in lanes.tests if lane.name == pyfuncitem.name)
    try:
        lane.ended.result()
    except CommandError as failure:
        pytest.fail(str(failure), pytrace=False)
    return True


def testbed_machines() -> set[str]:
    """Names of the tests' machines that are there, and of nobody else's. Without an engine there are none."""
    scenarios = (yaml.safe_load(path.read_text()) for path in (ROOT / "molecule").glob("*/molecule.yml"))
    ours = {platform["name"] for scenario in scenarios for platform in scenario["platforms"]}
    command = ["docker", "ps", "--all", "--filter", "label=org.gpulab.testbed", "--format", "{{.Names}}"]
    done = subprocess.run([*SUDO, *command], check=False, capture_output=True, text=True)
    there = set(done.stdout.split()) if done.returncode == 0 else set()
    return there & (ours | {"gpulab-readme", "gpulab-newcomer"})


def remove(machines: set[str]) -> None:
    """What a test that was broken off has left."""
    for machine in sorted(machines):
        subprocess.run([*SUDO, "docker", "rm", "--force", "--volumes", machine], check=True, capture_output=True)
        volumes = [f"{machine}-docker", f"{machine}-containerd"]
        subprocess.run([*SUDO, "docker", "volume", "rm", "--force", *volumes], check=True, capture_output=True)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    lanes = config.stash.get(LANES, None)
    if lanes is not None:
        reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
        terminalreporter.section("times", sep="-")
        terminalreporter.write(times.table(times.record(lanes.tests, reports)))
