# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for NVIDIA's runtime: puts its hook into the container's configuration, then becomes runc."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

HOOK = "/usr/bin/nvidia-container-runtime-hook"


def add_hook(bundle: Path) -> None:
    path = bundle / "config.json"
    config = json.loads(path.read_text())
    hooks = config.setdefault("hooks", {}).setdefault("prestart", [])
    if all(hook["path"] != HOOK for hook in hooks):
        hooks.append({"path": HOOK, "args": [HOOK, "prestart"]})
        path.write_text(json.dumps(config))


if __name__ == "__main__":
    if "create" in sys.argv:
        add_hook(Path(sys.argv[sys.argv.index("--bundle") + 1]))
    os.execvp("runc", ["runc", *sys.argv[1:]])  # noqa: S606
