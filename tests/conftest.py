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

# The time of an example says how busy the machine is, and nothing of the code.
# The same tree gives the same result, unless new examples are asked for: the weekly workflow does.
hypothesis.settings.register_profile(
    "everything",
    deadline=None,
    max_examples=200,
    derandomize="GPULAB_TEST_NEW_EXAMPLES" not in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
# `make test` tries the rest.
hypothesis.settings.register_profile("fast", hypothesis.settings.get_profile("everything"), max_examples=30)


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("fast" if config.getoption("markexpr") == "not slow" else "everything")


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
