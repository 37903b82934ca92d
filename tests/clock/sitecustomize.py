# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For every Python under faketime, which refuses a sleep whose end is past: any short one, on a busy machine."""

from __future__ import annotations

import errno
import time

real_sleep = time.sleep


def sleep(seconds: float) -> None:
    try:
        real_sleep(seconds)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


setattr(time, "sleep", sleep)  # noqa: B010 - its declared type is one that only C has
