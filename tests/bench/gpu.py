# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long gpu_visibility_info takes on a healthy simulated machine with eight GPUs, beside nvidia-smi itself.

`measure()` is for bench.py; by itself: `.venv/bin/python tests/bench/gpu.py`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs  # noqa: E402
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4  # noqa: E402

ROUNDS = 7
SMI_SECONDS = 1  # for each call, as on a machine without persistence mode
MODULE = """
import json, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.modules import gpu_visibility_info
with patch_module_args({"root": sys.argv[1]}):
    gpu_visibility_info.main()
"""


def measure() -> dict[str, float]:
    """Seconds: `total` for the module's own process from start to end, `smi` of nvidia-smi in it, and what is left."""
    machine = Machine(gpus=t4(8))
    with tempfile.TemporaryDirectory() as name:
        root = files.build(Path(name), machine, nodes=os.geteuid() == 0)
        slow = [dataclasses.replace(reply, hang=SMI_SECONDS) for reply in programs.smi_replies(machine)]
        programs.replayer(root / "usr/bin/nvidia-smi", slow)
        files.docker(root, programs.docker_replies())
        smi = time_of([str(root / "usr/bin/nvidia-smi"), "-L"]) + time_of(
            [str(root / "usr/bin/nvidia-smi"), "-q", "-x"]
        )
        total = time_of([sys.executable, "-c", MODULE, str(root)])
    return {"total": total, "smi": smi, "beyond": total - smi}


def time_of(command: list[str]) -> float:
    """The median of some runs."""
    seconds = []
    for _round in range(ROUNDS):
        begin = time.monotonic()
        done = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": str(ROOT / "collections")}, capture_output=True, check=True
        )
        seconds.append(time.monotonic() - begin)
        if command[0] == sys.executable:
            counts = json.loads(done.stdout)["counts"]
            assert counts["nvml"] == counts["cdi"] == 8, counts
    return statistics.median(seconds)


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
