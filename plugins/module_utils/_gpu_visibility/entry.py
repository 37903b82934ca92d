# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A row of the catalogue."""

from __future__ import annotations

import typing as t

from .detect import Hit
from .seen import Seen


class Remedy(t.NamedTuple):
    text: str
    commands: tuple[str, ...] = ()
    requires_reboot: bool = False
    docs_url: str | None = None


class Entry(t.NamedTuple):
    id: str
    rows: tuple[int, ...]
    layer: str
    severity: str  # error, warning, info
    detect: t.Callable[[Seen], t.Iterable[Hit]]
    signal: str  # what the detection goes by, for the page
    message: str
    cause: str
    remedy: Remedy
    source: str
    needs: tuple[str, ...]  # the facts that must be seen for it to be certain
    excludes: tuple[str, ...] = ()  # ... and those of which one makes it a possibility at most
    confidence: str = "certain"
    unless: tuple[str, ...] = ()  # of no interest beside one of these, which say more
    first_guess: str = ""  # of those who reported it, and why it was wrong
