# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of systemd's units, from the answer of `systemctl show`."""

from __future__ import annotations

import typing as t

PROPERTIES = "Id,ActiveState,UnitFileState,NeedDaemonReload,ExecMainStartTimestampMonotonic,Result"


def parse(text: str, booted: float) -> dict[str, dict[str, t.Any]]:
    """Units by name. BOOTED is when the monotonic clock was 0, in seconds since 1970."""
    found = {}
    for block in text.strip().split("\n\n"):
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if not properties.get("Id"):
            continue
        since_boot = int(properties.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
        active = properties.get("ActiveState") in ("active", "activating", "reloading")
        found[properties["Id"]] = {
            "active": active,
            "enabled": properties.get("UnitFileState") in ("enabled", "enabled-runtime"),
            "needs_reload": properties.get("NeedDaemonReload") == "yes",
            "started": booted + since_boot if active and since_boot else 0.0,
            "result": properties.get("Result", ""),
        }
    return found
