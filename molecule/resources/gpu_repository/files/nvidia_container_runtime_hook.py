# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for NVIDIA's prestart hook: asks nvidia-container-cli for what the container's environment wants."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

CLI = "/usr/bin/nvidia-container-cli"
NOTHING = ("", "void", "none")


def main() -> None:
    state = json.load(sys.stdin)
    bundle = Path(state["bundle"])
    config = json.loads((bundle / "config.json").read_text())
    environment = dict(entry.split("=", 1) for entry in config["process"].get("env", []) if "=" in entry)
    devices = environment.get("NVIDIA_VISIBLE_DEVICES", "")
    if devices in NOTHING:
        return
    root = str(bundle / config["root"]["path"])
    os.execv(CLI, [CLI, "configure", f"--device={devices}", f"--pid={state['pid']}", root])  # noqa: S606


if __name__ == "__main__":
    main()
