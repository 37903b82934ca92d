# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that can be seen of instances: their servers, their backups and, when asked, a kernel."""

from __future__ import annotations

import typing as t

from . import layout
from .backup_status import backup_status
from .errors import OperatorError
from .probe import probe_kernel
from .status import blank, status


def configured() -> list[str]:
    return sorted(path.parent.name for path in layout.CONFIG.glob("*/settings.json"))


def observe(names: list[str] | None, probe: str, devices: str, timeout: float) -> list[dict[str, t.Any]]:
    found = []
    for name in configured() if names is None else names:
        try:
            seen = status(name, timeout)
        except OperatorError as error:
            # One that is not there was named by mistake; one whose settings are broken is to be reported.
            if name not in configured():
                raise
            seen = {**blank(name), "health": str(error), "busy": [f"it cannot be asked what runs in it ({error})"]}
        seen["backup"] = backup_status(name)
        if probe == "kernel":
            seen["kernel"] = probe_kernel(f"jupyter-{name}", devices, timeout)
        found.append(seen)
    return found
