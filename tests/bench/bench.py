# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what DESIGN promises, side by side in one run, and writes docs/benchmarks.md.

Cold measurements take the median of ROUNDS fresh testbed machines; the role and the script alternate, so that a noisy
minute of the computer hits both. Packages come from a cache that a first, unmeasured install has filled: what is
compared is the work, not the mirror.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "molecule" / "resources"
STATE = ROOT / ".cache" / "bench"
MACHINE = "gpulab-bench"
ROUNDS = 3
SITE = ["ansible-playbook", "-i", str(STATE / "inventory.yml"), "site.yml"]
# Only what the script does too.
DOCKER_PLAY = [*SITE, "--tags", "docker", "-e", '{"docker_ca_certificates": []}']
SCRIPT = ["ssh", "-F", str(STATE / "ssh_config"), MACHINE, "sudo sh -s"]


def testbed(playbook: str) -> None:
    extra = {
        "testbed_machines": [{"name": MACHINE}],
        "testbed_inventory": str(STATE / "inventory.yml"),
        "testbed_state": str(STATE),
    }
    quiet(["ansible-playbook", str(RESOURCES / playbook), "-e", json.dumps(extra)])


def quiet(command: Sequence[str], script: Path | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=ROOT,
        input=script.read_bytes() if script else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout.decode()[-4000:]}")


def timed(label: str, command: Sequence[str], script: Path | None = None) -> float:
    begin = time.monotonic()
    quiet(command, script)
    seconds = time.monotonic() - begin
    print(f"{seconds:8.1f} s  {label}", flush=True)
    return seconds


def fresh() -> None:
    testbed("destroy.yml")
    testbed("create.yml")


def measure() -> dict[str, float]:
    script = Path(__file__).parent / "docker.sh"
    print("Filling the package cache ...", flush=True)
    fresh()
    quiet(SCRIPT, script)
    samples: dict[str, list[float]] = {}

    def sample(label: str, command: Sequence[str], stdin: Path | None = None) -> None:
        samples.setdefault(label, []).append(timed(label, command, stdin))

    for _round in range(ROUNDS):
        fresh()
        sample("script, cold", SCRIPT, script)
        sample("script, again", SCRIPT, script)
        fresh()
        sample("role docker, cold", DOCKER_PLAY)
        sample("role docker, again", DOCKER_PLAY)
    timed("whole site, the rest of the first run (not compared)", SITE)
    for _round in range(ROUNDS):
        sample("whole site, again", SITE)
    return {label: statistics.median(values) for label, values in samples.items()}


def machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB"


def page(seconds: dict[str, float]) -> str:
    cold, again = seconds["role docker, cold"], seconds["role docker, again"]
    ratio = cold / seconds["script, cold"]
    rows = [
        (
            "docker role, cold, distribution packages",
            "<= 1.3 x the script",
            f"{cold:.1f} s = {ratio:.2f} x",
            ratio <= 1.3,
        ),
        ("the same as a shell script", "", f"{seconds['script, cold']:.1f} s", None),
        ("docker role, nothing to do", "<= 5 s", f"{again:.1f} s", again <= 5),
        ("the same script again", "", f"{seconds['script, again']:.1f} s", None),
        (
            "whole site, nothing to do, one host",
            "<= 12 s",
            f"{seconds['whole site, again']:.1f} s",
            seconds["whole site, again"] <= 12,
        ),
    ]
    verdict = {True: "met", False: "**missed**", None: ""}
    table = "\n".join(f"| {what} | {target} | {found} | {verdict[met]} |" for what, target, found, met in rows)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    return f"""# Benchmarks

Written by `make bench`; do not edit. {datetime.now(UTC):%Y-%m-%d}, commit {commit}, {machine()}.

Medians of {ROUNDS} runs over SSH against a testbed machine on the same computer, which it shares with Ansible; every
cold run on a fresh machine, role and script in turn, packages from a warm cache. These computers are noisy: compare
within this table, not across runs. Role times include the start of `ansible-playbook`.

| what | target | measured | |
|---|---|---|---|
{table}
"""


def main() -> None:
    if shutil.which("ansible-playbook") is None:
        raise SystemExit("Run this as `make bench`: it needs the programs of .venv on PATH.")
    try:
        result = measure()
    finally:
        testbed("destroy.yml")
    text = page(result)
    (ROOT / "docs" / "benchmarks.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
