# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every molecule scenario, on real testbed machines."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

MOLECULE = Path(__file__).parents[2] / "molecule"
SCENARIOS = sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml"))
# A controller's mirror has its own distribution only.
NEEDS_DEBIAN = {
    "docker_upstream": "its archive is repacked from Debian 13's engine",
    "gpu": "it has machines of Debian 12 and 13",
    "lab": "its workstations are of Debian 12 and 13, and the base of its image is bootstrapped from the mirror",
    "nvidia_driver": "it installs NVIDIA's driver from Debian 13's non-free",
}


def test_who_names_a_release_of_debian_says_why() -> None:
    naming = {scenario for scenario in SCENARIOS if "suite:" in (MOLECULE / scenario / "molecule.yml").read_text()}
    assert naming == NEEDS_DEBIAN.keys(), "without `suite`, a machine is of the controller's own distribution"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, run: Callable[..., str]) -> None:
    if scenario in NEEDS_DEBIAN and platform.freedesktop_os_release()["ID"] != "debian":
        pytest.skip(f"needs a Debian mirror, and this controller uses another: {NEEDS_DEBIAN[scenario]}")
    output = run(f"molecule-{scenario}", ["molecule", "test", "-s", scenario], phase=r"➜ (\w+): Executing")
    assert "verify: Executed: Successful" in output, "molecule ended without running the scenario's tests"
