# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every molecule scenario, on real testbed machines."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

SCENARIOS = sorted(path.parent.name for path in (Path(__file__).parents[2] / "molecule").glob("*/molecule.yml"))
# A controller's mirror has its own distribution only.
NEEDS_DEBIAN = {
    "docker_upstream": "its archive is repacked from Debian 13's engine",
    "gpu": "it has machines of Debian 12 and 13, and NVIDIA's own packages of Debian non-free",
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, run: Callable[..., str]) -> None:
    if scenario in NEEDS_DEBIAN and platform.freedesktop_os_release()["ID"] != "debian":
        pytest.skip(f"needs a Debian mirror, and this controller uses another: {NEEDS_DEBIAN[scenario]}")
    output = run(f"molecule-{scenario}", ["molecule", "test", "-s", scenario], phase=r"➜ (\w+): Executing")
    assert "verify: Executed: Successful" in output, "molecule ended without running the scenario's tests"
