# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each fault is told from what was seen: a function per entry of the catalogue, none of which asks the host."""

from __future__ import annotations

import typing as t


class Hit(t.NamedTuple):
    """A fault that was found. What is None is as the catalogue has it."""

    gpus: t.Sequence[str] = ()
    values: dict[str, t.Any] | None = None  # what the texts of the catalogue name in braces
    confidence: str | None = None
    severity: str | None = None
    layer: str | None = None
    cause: str | None = None
    remedy: str | None = None
    commands: t.Sequence[str] | None = None
