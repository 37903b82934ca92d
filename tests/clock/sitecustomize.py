# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python under faketime sleeps by a system call that faketime understands.

Python's own sleeps until a moment of the monotonic clock. faketime takes that for a moment of its own clock, and ends
the sleep with EINVAL.
"""

from __future__ import annotations

import select
import time


def sleep(seconds: float) -> None:
    select.select([], [], [], seconds)


setattr(time, "sleep", sleep)  # noqa: B010 - its declared type is one that only C has
