# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of the tests: what tells most per second first."""

from __future__ import annotations

from pathlib import Path

import pytest

INTEGRATION = Path(__file__).parent / "integration"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests, then slow ones on this machine, then those with testbed machines; otherwise as they come.

    Of the fast ones, ansible-lint comes first: it takes longest, and with `-n 2` the others run beside it.
    """

    def cost(item: pytest.Item) -> int:
        if item.path.is_relative_to(INTEGRATION):
            return 3
        if item.get_closest_marker("slow"):
            return 2
        return 0 if item.path.name == "test_lint.py" else 1

    items.sort(key=cost)
