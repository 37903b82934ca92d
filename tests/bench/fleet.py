# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab costs: the controller's time for 1 to 8 machines, an image pulled against one built. `make bench-fleet`.

All machines are containers on the computer that runs Ansible, so they share its processors: on real machines, which
have their own, the wall time grows less.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.gpulab.workstation.tests.bench.bench import (  # noqa: E402
    Row,
    provenance,
    quiet,
    run_testbed,
    seconds_in_role,
    table,
    write,
)

STATE = ROOT / ".cache" / "bench-fleet"
SIZES = (1, 2, 4, 8)
MACHINES = [f"gpulab-bench-{number}" for number in range(1, max(SIZES) + 1)]
BUILDER, PULLER, LATER = MACHINES[:3]
INVENTORY = STATE / "inventory.yml"
PLAYBOOK = ["ansible-playbook", "-i", str(INVENTORY)]
DOCKER_PLAY = [*PLAYBOOK, "site.yml", "--tags", "docker"]
# The same lab with a registry; its machine also builds.
LAB = ["ansible-playbook", "-i", str(INVENTORY), "-i", str(STATE / "lab.yml"), "site.yml"]
IMAGE_TAGS = ["--tags", "docker,lab_registry,keras_image"]


class Cost(NamedTuple):
    wall: float
    cpu: float


def cost(label: str, command: Sequence[str]) -> Cost:
    """Seconds by the clock, and of this computer's processors for Ansible itself and the SSH clients that it waits for.

    What kept connections (ControlPersist) encrypt is not among them: their processes are nobody's children.
    """
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    quiet(command)
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{wall:8.1f} s  {cpu:6.1f} s of the controller's CPU  {label}", flush=True)
    return Cost(wall, cpu)


def falls(values: Sequence[float]) -> bool:
    """Whether each is less than the one before."""
    return all(after < before for before, after in pairwise(values))


def measure_sizes() -> list[Row]:
    cold: dict[int, Cost] = {}
    again: dict[int, Cost] = {}
    # The first install fills the package cache, which all others use.
    run_testbed("destroy.yml", MACHINES, STATE)
    run_testbed("create.yml", MACHINES[:1], STATE)
    quiet(DOCKER_PLAY)
    for size in SIZES:
        run_testbed("destroy.yml", MACHINES, STATE)
        run_testbed("create.yml", MACHINES[:size], STATE)
        cold[size] = cost(f"role docker, cold, {size} machines", DOCKER_PLAY)
        # What connections and caches cost once is not part of it.
        again[size] = min(cost(f"role docker, nothing to do, {size} machines", DOCKER_PLAY) for _round in range(3))
    rows = []
    for what, costs in (("cold", cold), ("nothing to do", again)):
        for size in SIZES:
            one, many = costs[1], costs[size]
            ratio, share = many.wall / one.wall, many.cpu / size
            is_target = (what, size) == ("nothing to do", max(SIZES))
            is_falling = falls([costs[one].cpu / one for one in SIZES])
            rows.append(
                Row(
                    f"role docker, {what}, {size} machine{'s' if size > 1 else ''}",
                    "<= 4 x the time of one, CPU per host falling" if is_target else "",
                    f"{many.wall:.1f} s = {ratio:.2f} x; {share:.1f} s CPU per host",
                    (ratio <= 4 and is_falling) if is_target else None,
                )
            )
    return rows


def received(machine: str) -> int:
    """Bytes that came over its network until now."""
    ssh = ["ssh", "-F", str(STATE / "ssh_config"), machine]
    return int(quiet([*ssh, "cat /sys/class/net/eth0/statistics/rx_bytes"]))


def measure_distribution() -> list[Row]:
    """On the machines of the last measurement, three of which are left."""
    run_testbed("destroy.yml", MACHINES, STATE)
    run_testbed("create.yml", MACHINES[:3], STATE)
    STATE.joinpath("lab.yml").write_text(json.dumps({"registry": {"hosts": {BUILDER: {}}}}))
    quiet([*LAB, "--tags", "docker,lab_registry"])

    def role(label: str, machine: str, *more: str) -> tuple[float, int]:
        before = received(machine)
        seconds = seconds_in_role("keras_image", quiet([*LAB, *IMAGE_TAGS, "--limit", f"{machine},localhost", *more]))
        megabytes = round((received(machine) - before) / 1e6)
        print(f"{seconds:8.1f} s  {megabytes:6d} MB  {label}", flush=True)
        return seconds, megabytes

    built, build_traffic = role("built and pushed", BUILDER)
    pulled, pull_traffic = role("pulled by another machine", PULLER)
    again, _traffic = role("nothing to do there", PULLER)
    role("pulled by a third", LATER)
    package = ("-e", '{"keras_image_extra_packages": ["humanize"]}')
    role("one package more, built and pushed", BUILDER, *package)
    changed, change_traffic = role("the same pulled", LATER, *package)
    return [
        Row("image built from nothing, and pushed", "", f"{built:.0f} s, {build_traffic} MB received"),
        Row("the same image pulled by another host", "", f"{pulled:.0f} s, {pull_traffic} MB received"),
        Row("a host that has the digest", "", f"{again:.1f} s for the role"),
        Row("one package more, pulled", "", f"{changed:.1f} s, {change_traffic} MB received"),
    ]


def main() -> None:
    if shutil.which("ansible-playbook") is None:
        raise SystemExit("Run this as `make bench-fleet`: it needs the programs of .venv on PATH.")
    STATE.mkdir(parents=True, exist_ok=True)
    try:
        rows = measure_sizes() + measure_distribution()
    finally:
        run_testbed("destroy.yml", MACHINES, STATE)
    text = f"""## A lab

{provenance("make bench-fleet")}

All machines are containers on the computer that runs Ansible, and share its processors with it: machines of their own
take less. Its CPU is without what kept SSH connections encrypt. A cold run is one sample, with packages from a full
cache. The role `keras_image`'s own tasks are timed for the image; bytes are what came over the host's network. The row
of the build is with the push to the registry. The way by archive (`keras_image_distribution: archive`) is not measured.

{table(rows)}
"""
    write("fleet", re.sub(r"[ \t]+$", "", text, flags=re.M))
    print(text)


if __name__ == "__main__":
    main()
