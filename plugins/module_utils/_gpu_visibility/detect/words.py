# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What others said, for messages: whole, and without what stands before it in every failure."""

from __future__ import annotations

import re

from ..seen import InContainer
from ..system import shortened

DENIED = re.compile(r"Failed to initialize NVML: Insufficient Permissions", re.I)
_MOST = 700
_NOT_OF_IT = ("gpulab:", "Run 'docker", "See 'docker")
_DAEMON = re.compile(r"^(?:docker: )?Error response from daemon: ")
# Old versions of runc put quoted text into quoted text.
_QUOTED_NEWLINE = re.compile(r"\\+n")
_END = re.compile(r"(?:[\\\"\s]*: unknown)?\.?[\\\"\s]*$")


def arguments(method: str) -> list[str]:
    """How docker run is asked for all GPUs."""
    return {
        "cdi": ["--device", "nvidia.com/gpu=all"],
        "gpus": ["--gpus", "all"],
        "runtime": ["--runtime", "nvidia", "--env", "NVIDIA_VISIBLE_DEVICES=all"],
    }[method]


def where(look: InContainer) -> str:
    if look.container:
        return f"the running container {look.container}"
    return f"a container of {look.image} (method {look.method})"


def reason(text: str) -> str:
    """Why a container failed: all lines, and of a hook its own words without the engine's before them."""
    lines = [line.strip() for line in _QUOTED_NEWLINE.sub("\n", text).splitlines()]
    whole = "\n".join(line for line in lines if line.strip('\\" ') and not line.startswith(_NOT_OF_IT))
    before, hook, after = whole.rpartition("stderr: ")
    whole = after if hook and after.strip() and "hook" in before else _DAEMON.sub("", whole)
    return shortened("; ".join(_END.sub("", whole).splitlines()), _MOST) or "nothing"
