# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading /proc, where anything may be gone by the time it is read, and then counts as empty."""

from __future__ import annotations

import os

# /proc/PID/stat: what follows the command's closing parenthesis begins with the third field; start time is the 22nd.
START_TIME = 22 - 3


def read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
