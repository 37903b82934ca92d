# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, for whom."""

from __future__ import annotations

import re


class OperatorError(Exception):
    """What was found and what to do about it, for the operator."""


class UnhealthyError(OperatorError):
    """The server in a new container ended, or did not answer."""


class EngineError(OperatorError):
    """The engine refused, or did not answer."""

    @property
    def missing(self) -> bool:
        # Not any "no such": an engine that is down answers with "no such file or directory", its socket.
        return re.search(r"no such (container|image|network|object)|not found", str(self), re.IGNORECASE) is not None
