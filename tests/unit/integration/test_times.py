# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.integration import times

BUILD = "TASK [gpulab.workstation.keras_image : build | Build the image (one to two minutes)] ***\n"
INCLUDED = "included: /somewhere/roles/keras_image/tasks/run.yml for {}\n"


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(times, "LOGS", tmp_path)
    return tmp_path


def test_builds_are_counted_by_log_and_host(logs: Path) -> None:
    (logs / "readme-demo.log").write_text(BUILD + INCLUDED.format("gpulab-readme"))
    (logs / "molecule-lab.log").write_text((BUILD + INCLUDED.format("one, two")) * 2)
    (logs / "molecule-gpu.log").write_text(BUILD + "skipping: [gpulab-gpu]\n")
    (logs / "old.log").write_text(BUILD + INCLUDED.format("gpulab-old"))
    os.utime(logs / "old.log", (1000, 1000))
    assert times.image_builds(since=2000) == {"molecule-lab": 4, "readme-demo": 1}


def test_a_difference_names_what_came_and_what_went() -> None:
    old = {"wall": 100.0, "lanes": {"lab": {"wall": 60.0}, "gone": {"wall": 5.0}}}
    new = {"wall": 80.0, "lanes": {"lab": {"wall": 40.0}, "new": {"wall": 7.5}}}
    assert times.difference(old, new).splitlines()[1:] == [
        "     100.0       80.0       -20.0   all of it",
        "      60.0       40.0       -20.0   lab",
        "       5.0        0.0        -5.0   gone",
        "       0.0        7.5        +7.5   new",
    ]


def test_a_comparison_without_runs_says_who_makes_them(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert times.main([str(logs / "a.json"), str(logs / "b.json")]) == 1
    assert "`make test` writes it at its end" in capsys.readouterr().err
