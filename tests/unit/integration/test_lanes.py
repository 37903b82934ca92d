# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.integration import lanes as module
from ansible_collections.gpulab.workstation.tests.integration.lanes import CommandError, Lane, Lanes, Remote, Run


class Session:
    """Tests that note when they begin and end, in lanes."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.said: list[str] = []
        self.tests: list[Lane] = []

    def add(self, name: str, body: Callable[[Run], object] = lambda run: None, **marks: Any) -> Lane:
        def test(run: Run) -> None:
            self.noted.append(f"+{name}")
            body(run)
            self.noted.append(f"-{name}")

        lane = Lane(name, test, **{"after": [], "minutes": 1, **marks})
        self.tests.append(lane)
        return lane

    def play(self, width: int = 2, until: float = float("inf")) -> Lanes:
        lanes = Lanes(self.tests, width, until, self.said.append)
        lanes.start()
        for lane in self.tests:
            lane.ended.exception(timeout=30)
        lanes.stop("the session has ended")
        return lanes


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setattr(module, "LOGS", tmp_path)
    return Session()


def test_as_many_run_as_there_are_lanes(session: Session) -> None:
    both = threading.Barrier(2, timeout=20)
    for name in ("one", "two"):
        session.add(name, lambda run: both.wait())
    session.add("three")
    session.play(width=2)
    assert session.noted.index("+three") > min(session.noted.index(f"-{name}") for name in ("one", "two"))
    assert len(session.noted) == 6


def test_what_others_need_begins_first_and_they_wait_for_it(session: Session) -> None:
    session.add("test_other")
    session.add("test_long", minutes=2)
    session.add("test_use[1]", after=["test_make"])
    session.add("test_use[2]", after=["test_make"])
    session.add("test_make")
    session.play(width=1)
    assert [note for note in session.noted if note[0] == "+"] == [
        "+test_make",
        "+test_long",
        "+test_other",
        "+test_use[1]",
        "+test_use[2]",
    ]


def test_what_is_needed_and_failed_is_named(session: Session) -> None:
    def fail(run: Run) -> None:
        raise AssertionError("no image")

    session.add("test_make[a]", fail)
    use = session.add("test_use", after=["test_make"])
    clean = session.add("test_clean", after=["test_make", "test_use"], always=True)
    session.play()
    assert str(use.ended.exception()) == "Not run: it needs what test_make[a] makes, which failed."
    assert clean.ended.exception() is None
    assert "+test_use" not in session.noted


def test_a_name_that_is_no_part_of_the_session_is_not_waited_for(session: Session) -> None:
    session.add("test_use", after=["test_deselected"])
    session.play()
    assert session.noted == ["+test_use", "-test_use"]


def test_a_command_has_its_log_and_its_phases(session: Session, tmp_path: Path) -> None:
    script = "echo '==> build'; i=0; while [ $i -lt 40000 ]; do i=$((i + 1)); done; printf '\\033[1m==> run\\033[0m\\n'"
    printed = []
    lane = session.add("test", lambda run: printed.append(run("work", ["sh", "-c", script])))
    session.play()
    assert printed == ["==> build\n==> run\n"]
    assert (tmp_path / "work.log").read_text() == printed[0]
    assert set(lane.phases) == {"work: start", "work: build", "work: run"}
    assert lane.cpu_seconds > 0


def test_a_command_that_fails_is_shown_with_its_phase_and_its_end(session: Session) -> None:
    lane = session.add(
        "test", lambda run: run("work", ["sh", "-c", "echo '==> build'; echo no space; exit 3"]) and None
    )
    session.play()
    problem = lane.ended.exception()
    assert isinstance(problem, CommandError)
    assert "exited with 3\nPhase: work: build. The end of" in str(problem)
    assert str(problem).endswith("no space\n")


def test_a_test_that_hangs_ends_with_its_minutes(session: Session) -> None:
    hangs = session.add("hangs", lambda run: run("work", ["sh", "-c", "sleep 300 & wait"]), minutes=0.02)
    session.add("next")
    begin = time.monotonic()
    session.play(width=1)
    assert "did not end within 0.02 minutes" in str(hangs.ended.exception())
    assert "-next" in session.noted
    assert time.monotonic() - begin < 30


def test_all_of_them_end_with_the_session(session: Session) -> None:
    hangs = session.add("hangs", lambda run: run("work", ["sh", "-c", "echo '==> wait'; sleep 300"]))
    waits = session.add("waits")
    lanes = session.play(width=1, until=time.time() + 2)
    assert lanes.expired == "The time for the whole run is over. At that moment: hangs (work: wait)."
    assert lanes.expired in str(hangs.ended.exception())
    assert str(waits.ended.exception()) == f"Not run: {lanes.expired}"
    assert "+waits" not in session.noted


def test_a_process_of_its_own_tells_how_each_test_ends(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: Run) -> None:
        assert run("work", ["sh", "-c", "echo '==> look'; echo 1"]).endswith("2")

    lanes = [session.add("passes", lambda run: run("other", ["true"])), session.add("fails", fail)]
    remote = Remote(Lanes(session.tests, 1, time.time() + 60, session.said.append))
    # A unit test that plays another time.
    monkeypatch.setattr(time, "time", lambda: 1e12)
    problem = lanes[1].ended.exception(timeout=30)
    remote.stop("the session has ended")
    assert lanes[0].ended.exception() is None
    assert "AssertionError" in str(problem)
    assert set(lanes[1].phases) == {"work: start", "work: look"}
    assert remote.expired == ""


def test_a_process_of_its_own_stops_what_runs(session: Session) -> None:
    hangs = session.add("hangs", lambda run: run("work", ["sleep", "300"]))
    waits = session.add("waits")
    remote = Remote(Lanes(session.tests, 1, float("inf"), session.said.append))
    time.sleep(1)
    remote.stop("enough")
    assert "enough" in str(hangs.ended.exception(timeout=5))
    assert str(waits.ended.exception(timeout=5)) == "Not run: enough"


def test_a_process_of_its_own_keeps_the_limits(session: Session) -> None:
    hangs = session.add("hangs", lambda run: run("work", ["sleep", "300"]), minutes=0.02)
    waits = session.add("waits", lambda run: run("work", ["sh", "-c", "echo '==> wait'; sleep 300"]))
    remote = Remote(Lanes(session.tests, 2, time.time() + 6, session.said.append))
    assert "did not end within 0.02 minutes" in str(hangs.ended.exception(timeout=30))
    assert "The time for the whole run is over." in str(waits.ended.exception(timeout=30))
    remote.stop("the session has ended")
    assert remote.expired == "The time for the whole run is over. At that moment: waits (work: wait)."
