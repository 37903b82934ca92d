# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nvidia-smi writes where a value should be, and what it says instead of an answer. All of it comes on stdout."""

from __future__ import annotations

import re

# Cells and XML text which say that there is no value. In CSV they stand in brackets.
_ABSENT = frozenset(
    (
        "",
        "N/A",
        "Not Available",
        "Not Supported",
        "Not Found",
        "Insufficient Size",
        "Function Not Found",
        "Requested functionality has been deprecated",
    )
)
# ... and those which say that something is wrong, by the name that the catalogue uses.
FAULTS = {
    "GPU is lost": "lost",
    "GPU requires reset": "reset",
    "GPU access blocked by the operating system": "blocked",
    "Insufficient Permissions": "permissions",
    "Insufficient External Power": "power",
    "Unknown Error": "unknown",
    "ERR!": "unknown",
}
# In the sentences of failed calls the same faults have longer names.
_SENTENCES = (
    (re.compile(r"GPU is lost", re.I), "lost"),
    (re.compile(r"GPU reset must occur|GPU requires reset", re.I), "reset"),
    (re.compile(r"access blocked by the operating system", re.I), "blocked"),
    (re.compile(r"Insufficient Permissions|files are readable by current user", re.I), "permissions"),
    (re.compile(r"Insufficient External Power|power cable|external power", re.I), "power"),
    (re.compile(r"Unknown Error", re.I), "unknown"),
)
_MIB = re.compile(r"(\d{1,12})\s*MiB", re.ASCII)
_MIB_BYTES = 1024 * 1024


def clean(text: str | None) -> str | None:
    """The value, or None where there is none."""
    bare = _bare(text)
    return None if bare in _ABSENT or bare in FAULTS else bare


def fault(text: str | None) -> str | None:
    """The fault that stands in place of a value."""
    return FAULTS.get(_bare(text))


def fault_in(sentence: str) -> str | None:
    """The fault that a sentence of nvidia-smi names."""
    return next((name for pattern, name in _SENTENCES if pattern.search(sentence)), None)


def mebibytes(text: str | None) -> int | None:
    """15360 MiB, in bytes."""
    found = _MIB.fullmatch(clean(text) or "")
    return int(found[1]) * _MIB_BYTES if found else None


def number(text: str | None) -> int | None:
    bare = clean(text) or ""
    return int(bare) if re.fullmatch(r"\d{1,9}", bare, re.ASCII) else None


def _bare(text: str | None) -> str:
    bare = (text or "").strip()
    return bare[1:-1].strip() if bare.startswith("[") and bare.endswith("]") else bare
