# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what DESIGN promises, side by side in one run, and writes it to docs/benchmarks.md.

With the argument `gpu-image` it measures the GPU image, whose packages are gigabytes, and nothing else. Each of the two
writes its own part of the page and leaves the other as it is.

Cold measurements of the engine take the median of ROUNDS fresh testbed machines; the role and the script alternate, so
that a noisy minute of the computer hits both. Packages come from a cache that a first, unmeasured install has filled:
what is compared is the work, not the mirror.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "molecule" / "resources"
STATE = ROOT / ".cache" / "bench"
MACHINE = "gpulab-bench"
ROUNDS = 3
PLAYBOOK = ["ansible-playbook", "-i", str(STATE / "inventory.yml")]
SITE = [*PLAYBOOK, "site.yml"]
# Only what the script does too.
DOCKER_PLAY = [*SITE, "--tags", "docker", "-e", '{"docker_ca_certificates": []}']
IMAGE_PLAY = [*PLAYBOOK, "playbooks/build_image.yml"]
GPU_IMAGE_PLAY = [*IMAGE_PLAY, "-e", "keras_image_variant=gpu"]
# Pure Python and small: what is measured is the layer, not the download.
ONE_PACKAGE = [*IMAGE_PLAY, "-e", '{"keras_image_extra_packages": ["humanize"]}']
SSH = ["ssh", "-F", str(STATE / "ssh_config"), MACHINE]
SCRIPT = [*SSH, "sudo sh -s"]
START = [*SSH, "sudo systemctl start jupyter-keras"]
LIBRARIES = "sudo docker run --rm -i --network none --entrypoint /opt/keras/bin/python keras:gpu -"
PAGE = ROOT / "docs" / "benchmarks.md"


class Row(NamedTuple):
    what: str
    target: str
    measured: str
    met: bool | None = None


def run_testbed(playbook: str, names: Sequence[str] = (MACHINE,), state: Path = STATE) -> None:
    extra = {
        "testbed_machines": [{"name": name} for name in names],
        "testbed_inventory": str(state / "inventory.yml"),
        "testbed_state": str(state),
    }
    quiet(["ansible-playbook", str(RESOURCES / playbook), "-e", json.dumps(extra)])


def quiet(command: Sequence[str], script: Path | None = None) -> str:
    """Run it, and return what it printed."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_roles", "ANSIBLE_NOCOLOR": "1"},
        input=script.read_bytes() if script else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout.decode()[-4000:]}")
    return done.stdout.decode()


def timed(label: str, command: Sequence[str], script: Path | None = None) -> float:
    begin = time.monotonic()
    quiet(command, script)
    seconds = time.monotonic() - begin
    print(f"{seconds:8.1f} s  {label}", flush=True)
    return seconds


def fresh() -> None:
    run_testbed("destroy.yml")
    run_testbed("create.yml")


def seconds_in_role(role: str, output: str) -> float:
    """Without the start of ansible-playbook and its first connection: the role's own tasks."""
    match = re.search(rf"^{role} -+ ([\d.]+)s$", output, re.MULTILINE)
    if match is None:
        raise SystemExit(f"profile_roles says nothing of {role}:\n{output[-2000:]}")
    return float(match.group(1))


def measure_engine() -> list[Row]:
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
    median = {label: statistics.median(values) for label, values in samples.items()}
    cold, again = median["role docker, cold"], median["role docker, again"]
    ratio = cold / median["script, cold"]
    return [
        Row(
            "docker role, cold, distribution packages",
            "<= 1.3 x the script",
            f"{cold:.1f} s = {ratio:.2f} x",
            ratio <= 1.3,
        ),
        Row("the same as a shell script", "", f"{median['script, cold']:.1f} s"),
        Row("docker role, nothing to do", "<= 5 s", f"{again:.1f} s", again <= 5),
        Row("the same script again", "", f"{median['script, again']:.1f} s"),
    ]


def measure_image() -> list[Row]:
    """On the machine that the engine was measured on, once: the first build is minutes."""
    # The host's certificate authority is part of the way to the packages.
    quiet([*SITE, "--tags", "docker"])
    cold = timed("image from nothing", IMAGE_PLAY)
    again = statistics.median(seconds_in_role("keras_image", quiet(IMAGE_PLAY)) for _round in range(ROUNDS))
    added = timed("one package added", ONE_PACKAGE)
    other = timed("another package instead", [part.replace("humanize", "tabulate") for part in ONE_PACKAGE])
    quiet(IMAGE_PLAY)
    plain = int(quiet([*SSH, "sudo docker image inspect --format '{{.Size}}' keras:cpu"]))
    packed = int(quiet([*SSH, "set -o pipefail; sudo docker save keras:cpu | gzip | wc -c"]))
    return [
        Row("CPU image from nothing, bootstrapped base included", "<= 150 s", f"{cold:.0f} s", cold <= 150),
        Row("the image, nothing changed (the role's own tasks)", "<= 2 s", f"{again:.1f} s", again <= 2),
        Row("one package added to the image", "<= 20 s", f"{added:.1f} s", added <= 20),
        Row("another one instead", "<= 20 s", f"{other:.1f} s", other <= 20),
        Row("CPU image, without extras", "<= 2.0 GB", f"{plain / 1e9:.2f} GB", plain <= 2.0e9),
        Row("the same, compressed (docker save, gzip)", "<= 500 MB", f"{packed / 1e6:.0f} MB", packed <= 500e6),
    ]


def measure_gpu_image() -> list[Row]:
    """On a machine without a GPU. The role calls an image `keras:gpu` after its smoke test only: that is included."""
    fresh()
    quiet([*SITE, "--tags", "docker"])
    cold = timed("GPU image from nothing, with its smoke test", GPU_IMAGE_PLAY)
    size = int(quiet([*SSH, "sudo docker image inspect --format '{{.Size}}' keras:gpu"]))
    quiet([*SSH, "sudo apt-get install -qq -y zstd"])
    packed = int(quiet([*SSH, "set -o pipefail; sudo docker save keras:gpu | zstd -q -3 -T0 | wc -c"]))
    checker = Path(__file__).parent / "cuda_libraries.py"
    # TensorFlow writes its remarks anywhere around.
    found = next(json.loads(line) for line in quiet([*SSH, LIBRARIES], checker).splitlines() if line.startswith("{"))
    opened = f"{len(found['opened'])} of CUDA {found['cuda']}: {', '.join(found['opened'])}"
    return [
        Row("GPU image from nothing, bootstrapped base and smoke test included", "", f"{cold:.0f} s"),
        Row("its size", "", f"{size / 1e9:.2f} GB"),
        Row("the same as an archive (docker save, zstd -3)", "", f"{packed / 1e9:.2f} GB"),
        Row(f"libraries that TensorFlow {found['tensorflow']} opens for a GPU", "all", opened, True),
        Row("libraries whose own needs `ldd` finds", "all", f"{found['resolved']} of {found['resolved']}", True),
        Row("what it would open, too, and the image has not", "", ", ".join(found["not_in_the_image"])),
    ]


def measure_gpus() -> list[Row]:
    """On this computer, whose GPUs are files and a stand-in for nvidia-smi."""
    beyond = json.loads(quiet([sys.executable, str(Path(__file__).parent / "gpu.py")]))["beyond"]
    what = "gpu_visibility_info, 8 simulated GPUs, beyond nvidia-smi's own time"
    return [Row(what, "<= 1.5 s", f"{beyond:.2f} s", beyond <= 1.5)]


def measure_site() -> list[Row]:
    timed("whole site, the rest of the first run (not compared)", SITE)
    again = statistics.median(timed("whole site, again", SITE) for _round in range(ROUNDS))
    starts = []
    for _round in range(ROUNDS):
        quiet([*SSH, "sudo systemctl stop jupyter-keras"])
        # Returns when the server has answered.
        starts.append(timed("systemctl start jupyter-keras", START))
    start = statistics.median(starts)
    return [
        Row("Jupyter from `systemctl start` to its first answer", "<= 5 s", f"{start:.1f} s", start <= 5),
        Row("whole site, nothing to do, one host", "<= 12 s", f"{again:.1f} s", again <= 12),
    ]


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


def table(rows: list[Row]) -> str:
    verdict = {True: "met", False: "**missed**", None: ""}
    lines = [f"| {row.what} | {row.target} | {row.measured} | {verdict[row.met]} |" for row in rows]
    return "\n".join(["| what | target | measured | |", "|---|---|---|---|", *lines])


def provenance(command: str) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    return f"Written by `{command}`; do not edit. {datetime.now(UTC):%Y-%m-%d}, commit {commit}, {machine()}."


def everything() -> str:
    rows = measure_engine() + measure_image() + measure_site() + measure_gpus()
    return f"""{provenance("make bench")}

Over SSH against a testbed machine on the same computer, which it shares with Ansible. Medians of {ROUNDS} runs, but for
the image, which is built once. Cold runs of the engine on a fresh machine each, role and script in turn, packages from
a warm cache. These computers are noisy: compare within this table, not across runs. Times include the start of
`ansible-playbook` where nothing else is said.

{table(rows)}
"""


def gpu_image() -> str:
    rows = measure_gpu_image()
    return f"""## The GPU image

{provenance("make bench-gpu-image")}

Built once, with the download of its packages, on a testbed machine without a GPU. TensorFlow's own loaders were called
in the image: they know what to look for, and where. Of what is not there, NVIDIA's driver brings libcuda and
libnvidia-ml, this TensorFlow was built for neither ROCm (AMD) nor TensorRT (libnvinfer), and libnvshmem is for models
that are spread over several machines.

{table(rows)}
"""


PARTS = {"all": everything, "gpu-image": gpu_image}


def write(part: str, text: str) -> None:
    """Replace one part of the page, between its two comments."""
    begin, end = (f"<!-- {part}: {which} -->\n" for which in ("begin", "end"))
    before, _begin, rest = PAGE.read_text().partition(begin)
    _old, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"{PAGE} has no part {part}: it wants the two lines {begin.strip()} and {end.strip()}.")
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def main() -> None:
    part = sys.argv[1] if len(sys.argv) > 1 else "all"
    if part not in PARTS:
        raise SystemExit(f"There is nothing called {part} to measure: {', '.join(PARTS)}.")
    if shutil.which("ansible-playbook") is None:
        raise SystemExit("Run this as `make bench` or `make bench-gpu-image`: it needs the programs of .venv on PATH.")
    try:
        text = PARTS[part]()
    finally:
        run_testbed("destroy.yml")
    write(part, text)
    print(text)


if __name__ == "__main__":
    main()
