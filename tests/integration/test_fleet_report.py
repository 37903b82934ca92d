# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of playbooks/fleet_report.yml in a real browser, with 60 machines of mixed state."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.tests.e2e import fleet, notebook

pytestmark = pytest.mark.slow


@pytest.mark.skipif(bool(notebook.why_not()), reason=notebook.why_not())
def test_page_in_a_browser() -> None:
    fleet.try_out()
