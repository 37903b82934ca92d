# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the tests, what tells most per second first; their time limits; how many examples hypothesis tries."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

INTEGRATION = Path(__file__).parent / "integration"

# The same tree gives the same result, unless new examples are asked for, and then many: the weekly workflow does.
EXPLORE = "GPULAB_TEST_NEW_EXAMPLES" in os.environ

hypothesis.settings.register_profile(
    "gpulab",
    # The time of an example says how busy the machine is, and nothing of the code.
    deadline=None,
    max_examples=500 if EXPLORE else 40,
    derandomize=not EXPLORE,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("gpulab")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests, then slow ones on this machine, then those with testbed machines; otherwise at random.

    pytest-randomly has shuffled them before; `-p no:randomly` leaves them as they are written. Of the fast ones,
    ansible-lint comes first: it takes longest, and with `-n 2` the others run beside it.
    """

    def cost(item: pytest.Item) -> int:
        if item.path.is_relative_to(INTEGRATION):
            return 3
        if item.get_closest_marker("slow"):
            return 2
        return 0 if item.name == "test_lint[ansible-lint]" else 1

    items.sort(key=cost)
