# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every molecule scenario, on real testbed machines."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.integration.lanes import Run

MOLECULE = Path(__file__).parents[2] / "molecule"
SCENARIOS = sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml"))
# A controller's mirror has its own distribution only.
NEEDS_DEBIAN = {
    "docker_upstream": "its archive is repacked from Debian 13's engine",
    "gpu": "it has machines of Debian 12 and 13",
    "hostile": "its machine has the engine of Debian 12",
    "lab": "its workstations are of Debian 12 and 13, and the base of its image is bootstrapped from the mirror",
    "nvidia_driver": "it installs NVIDIA's driver from Debian 13's non-free",
}
# They load the Keras image that the first demo has built; the others have none, or one of 20 MB.
NEEDS_IMAGE = {"default", "jupyter_lifecycle", "keras_image", "lab"}
# The longest begin first.
MINUTES = {"lab": 45, "jupyter_lifecycle": 35, "gpu": 32}
IS_DEBIAN = platform.freedesktop_os_release()["ID"] == "debian"


def scenarios(names: set[str]) -> list[object]:
    """As parameters; those that this controller cannot run are skipped, with the reason."""
    return [
        pytest.param(
            name,
            marks=[
                pytest.mark.lane(minutes=MINUTES.get(name, 25)),
                pytest.mark.skipif(
                    name in NEEDS_DEBIAN and not IS_DEBIAN,
                    reason=f"needs a Debian mirror, and this controller uses another: {NEEDS_DEBIAN.get(name)}",
                ),
            ],
        )
        for name in sorted(names)
    ]


def test_who_names_a_release_of_debian_says_why() -> None:
    naming = {scenario for scenario in SCENARIOS if "suite:" in (MOLECULE / scenario / "molecule.yml").read_text()}
    assert naming == NEEDS_DEBIAN.keys(), "without `suite`, a machine is of the controller's own distribution"


def play(run: Run, scenario: str) -> None:
    output = run(f"molecule-{scenario}", ["molecule", "test", "-s", scenario], phase=r"➜ (\w+): Executing")
    assert "verify: Executed: Successful" in output, "molecule ended without running the scenario's tests"


@pytest.mark.lane
def test_testbed(run: Run) -> None:
    """The engine, and the root file system of each release, are made once, before several tests need them."""
    extra = {"testbed_machines": [], "testbed_suites": ["trixie", "bookworm"] if IS_DEBIAN else []}
    command = ["ansible-playbook", "molecule/resources/create.yml", "-e", json.dumps(extra)]
    run("testbed", command)


@pytest.mark.lane(after=["test_testbed"])
@pytest.mark.parametrize("scenario", scenarios(set(SCENARIOS) - NEEDS_IMAGE))
def test_scenario(run: Run, scenario: str) -> None:
    play(run, scenario)


@pytest.mark.lane(after=["test_demo"])
@pytest.mark.parametrize("scenario", scenarios(NEEDS_IMAGE))
def test_scenario_with_the_image(run: Run, scenario: str) -> None:
    play(run, scenario)
