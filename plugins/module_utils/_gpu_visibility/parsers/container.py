# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the look inside a container prints: nvidia-smi's own output, then lines that begin with `gpulab:`."""

from __future__ import annotations

import re
import typing as t

from . import smi_list, smi_text

# For /bin/sh alone: an image may have neither ls nor grep. $0 is the time limit: what `docker exec` starts runs on in
# the container when its client is killed, so it has to end by itself.
SCRIPT = """
if command -v timeout >/dev/null; then timeout -s KILL "$0" nvidia-smi -L 2>&1; else nvidia-smi -L 2>&1; fi
echo "gpulab:rc=$?"
for node in /dev/nvidia* /dev/dxg /dev/nvhost-gpu /dev/nvhost-ctrl-gpu /dev/nvgpu/*/*; do
  if [ -c "$node" ]; then echo "gpulab:node=$node"; fi
done
echo "gpulab:visible=${NVIDIA_VISIBLE_DEVICES-unset}"
echo "gpulab:capabilities=${NVIDIA_DRIVER_CAPABILITIES-unset}"
"""
GPU_NODE = re.compile(r"/dev/(?:nvidia\d+|dxg|nvhost-gpu|nvhost-ctrl-gpu|nvgpu/.+)", re.ASCII)


class Inside(t.NamedTuple):
    smi_rc: int | None  # None: the script did not run to its end
    smi_text: str
    listing: smi_list.Listing
    nodes: list[str]
    visible: str | None  # NVIDIA_VISIBLE_DEVICES; `unset` where it is not there
    capabilities: str | None

    @property
    def gpu_nodes(self) -> list[str]:
        """/dev/nvidia0 and so on, without those that every GPU shares; what WSL and Jetson have instead."""
        return [node for node in self.nodes if GPU_NODE.fullmatch(node)]

    def lacks(self, capability: str) -> bool:
        """Whether the variable that the hook goes by leaves a capability out. Unset or empty means its default."""
        if self.capabilities in (None, "", "unset"):
            return False
        given = {one.strip() for one in str(self.capabilities).lower().split(",")}
        return capability not in given and "all" not in given


def parse(stdout: str) -> Inside:
    said: list[str] = []
    values: dict[str, str] = {}
    nodes: list[str] = []
    for line in stdout.splitlines():
        if line.startswith("gpulab:node="):
            nodes.append(line.partition("=")[2])
        elif line.startswith("gpulab:"):
            name, _equals, value = line[len("gpulab:") :].partition("=")
            values[name] = value
        else:
            said.append(line)
    text = "\n".join(said)
    return Inside(
        smi_text.number(values.get("rc")),
        text,
        smi_list.parse(text),
        nodes,
        values.get("visible"),
        values.get("capabilities"),
    )
