# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""PCI bus ids, of which everybody has a form of their own.

nvidia-smi writes the domain with eight digits and in capitals, /sys with four; the kernel log leaves out the function.
"""

from __future__ import annotations

import re

_BUS_ID = re.compile(r"(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([0-9a-f]{2})(?:\.([0-7]))?", re.ASCII | re.IGNORECASE)


def normalise(text: str | None) -> str | None:
    """As /sys writes it: 0000:3b:00.0. None for anything else."""
    found = _BUS_ID.fullmatch((text or "").strip())
    if not found:
        return None
    domain, bus, device, function = found.groups()
    return f"{int(domain or '0', 16):04x}:{bus.lower()}:{device.lower()}.{function or 0}"
