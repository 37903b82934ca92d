# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/status.yml takes for a failure."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
*_before, PLAY = yaml.safe_load((ROOT / "playbooks/status.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("health", "fails"),
    [("healthy", False), ("off", False), ("no answer: timed out", True), ("its container is exited", True)],
)
def test_only_what_should_answer_is_missed(health: str, fails: bool) -> None:
    expression = PLAY["tasks"][-1]["vars"]["status_silent"].strip("{} ")
    find = jinja2.Environment(autoescape=True).compile_expression(expression)
    silent = find(status_seen={"instances": [{"health": health}]})
    assert bool(list(silent or [])) is fails
