# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several people on one machine: whoever leaves it open has a GPU in turn, and whoever joins moves nobody.

That a second run moves nobody, either, is what the scenario's `idempotence` shows.
"""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import testinfra
from ansible_collections.gpulab.workstation.molecule.gpu.tests.conftest import FIRST, SECOND
from ansible_collections.gpulab.workstation.molecule.resources.playbook import Said, run_playbook, words

testinfra_hosts = ["ansible://simulated_gpus"]

# As notebooks.yml has them, and two more.
KERAS, ADA, GRACE, LINUS, EVE = (
    {"name": name, "port": 8888 + number} for number, name in enumerate(("keras", "ada", "grace", "linus", "eve"))
)
# The notebook, its node in /dev, its GPU, and the other one.
OWN = [("ada", "nvidia0", FIRST, SECOND), ("grace", "nvidia1", SECOND, FIRST)]
NOTEBOOKS = "docker ps --quiet --no-trunc --filter label=gpulab.workstation.jupyter"
OPEN = "try: open('/dev/{0}')\nexcept OSError as refused: print(refused.strerror)"


class Seen(t.NamedTuple):
    """A notebook's container, and what the engine was asked for it."""

    container: str
    started: str
    devices: list[str]


class Story(t.NamedTuple):
    """What was seen of each machine's notebooks, between two runs of the role."""

    before: dict[str, dict[str, Seen]]
    joining: Said
    joined: dict[str, dict[str, Seen]]
    refusal: Said
    refused: dict[str, dict[str, Seen]]


def name_of(host: t.Any) -> str:
    return str(host.backend.host)


def look() -> dict[str, dict[str, Seen]]:
    hosts = testinfra.get_hosts(testinfra_hosts, ansible_inventory=os.environ["MOLECULE_INVENTORY_FILE"], sudo=True)
    return {name_of(host): notebooks(host) for host in hosts}


def notebooks(host: t.Any) -> dict[str, Seen]:
    return {
        one["Name"].removeprefix("/jupyter-"): Seen(
            one["Id"],
            one["State"]["StartedAt"],
            [device for request in one["HostConfig"]["DeviceRequests"] or [] for device in request["DeviceIDs"] or []],
        )
        for one in json.loads(host.check_output(f"docker inspect $({NOTEBOOKS})"))
    }


def play(*instances: dict[str, t.Any], ends: int = 0) -> Said:
    given = json.dumps({"jupyter_instances": instances})
    return run_playbook(Path(__file__).parents[1] / "notebooks.yml", "-e", given, ends=ends)


@pytest.fixture(scope="module")
def story() -> Story:
    """On all machines at once."""
    before = look()
    # Whoever is named first is not served first.
    joining = play(LINUS, {**KERAS, "gpus": "all"}, ADA, GRACE)
    joined = look()
    # The same GPU by two of its names, and with somebody new, of whom there is to be nothing afterwards.
    refusal = play({**ADA, "gpus": [0]}, {**GRACE, "gpus": FIRST}, EVE, ends=2)
    return Story(before, joining, joined, refusal, look())


@pytest.fixture
def name(host: t.Any) -> str:
    return name_of(host)


@pytest.mark.parametrize(("notebook", "gpu"), [(one, gpu) for one, _node, gpu, _other in OWN])
def test_engine_was_asked_for_one(story: Story, name: str, notebook: str, gpu: str) -> None:
    asked = gpu if name == "gpulab-gpu-old-engine" else f"nvidia.com/gpu={gpu}"
    assert story.before[name][notebook].devices == [asked]


@pytest.mark.parametrize(("notebook", "node", "gpu", "other"), OWN)
def test_container_has_that_one_and_no_other(host: t.Any, notebook: str, node: str, gpu: str, other: str) -> None:
    assert host.check_output(f"docker exec jupyter-{notebook} /bin/sh -c 'echo /dev/nvidia[0-9]*'") == f"/dev/{node}"
    listed = host.check_output(f"docker exec jupyter-{notebook} nvidia-smi -L")
    assert gpu in listed, listed
    assert other not in listed, listed


@pytest.mark.parametrize(("notebook", "node"), [(one, node) for one, node, _gpu, _other in OWN])
def test_container_may_open_it(host: t.Any, name: str, notebook: str, node: str) -> None:
    """There is no device behind the node: that is what one who may open it is told."""
    if name == "gpulab-gpu-old-engine":
        pytest.skip("the stand-in hook makes nodes and no more")
    said = host.check_output("docker exec %s python3 -c %s", f"jupyter-{notebook}", OPEN.format(node))
    assert said == "No such device or address"


def test_whoever_joins_moves_nobody(story: Story, name: str) -> None:
    before, after = story.before[name], story.joined[name]
    assert set(after) == {"keras", "ada", "grace", "linus"}, story.joining.text
    # Two GPUs for three people: the first is shared.
    assert after["linus"].devices == before["ada"].devices
    assert after == {**before, "linus": after["linus"]}, story.joining.text


def test_who_claims_the_same_is_refused_before_anything_changes(story: Story, host: t.Any, name: str) -> None:
    said = words(story.refusal.text)
    assert f"{name}: Instances ada and grace claim the same GPU ({FIRST}): give them different ones in `gpus`" in said
    assert story.refusal.changed(name) == 0, said
    assert story.refused[name] == story.joined[name]
    assert not host.file("/etc/gpulab/jupyter/eve").exists
