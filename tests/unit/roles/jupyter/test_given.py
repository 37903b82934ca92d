# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What instances are given: keys without a value are left out, and text is read as what it says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator

ROLE = ROLES / "jupyter"


def test_a_key_without_a_value_is_not_given(evaluator: Evaluator) -> None:
    (instance,) = evaluator.evaluate(ROLE, "__jupyter_instances", jupyter_instances=[{"name": "ada", "port": None}])
    assert instance["port"] == 8888


@pytest.mark.parametrize(
    ("given", "names"),
    [({"backup": "no"}, []), ({"backup": "yes"}, ["ada"]), ({"enabled": "false", "backup": True}, [])],
)
def test_text_says_whether_it_is_backed_up(given: dict[str, Any], names: list[str], evaluator: Evaluator) -> None:
    backups = evaluator.evaluate(ROLE, "__jupyter_backups", jupyter_instances=[{"name": "ada", **given}])
    assert [instance["name"] for instance in backups] == names
