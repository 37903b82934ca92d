# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which drivers a GPU can use, by its generation, which its PCI device id tells.

NVIDIA numbers the ids chip by chip, so a generation is a few ranges of them. Sources: the PCI ID Repository (chips),
the lists of supported ids in Debian's nvidia-detect (branches 390, 470, 535, 550), the README of NVIDIA's open kernel
modules (Turing and later only), NVIDIA's list of legacy GPUs (470 is the last branch for Kepler, 580 that for Maxwell,
Pascal and Volta).
"""

from __future__ import annotations

import bisect
import typing as t

PROPRIETARY, OPEN = "proprietary", "open"
# From this branch on, NVIDIA recommends the open modules wherever they work.
OPEN_IS_DEFAULT = 560


class Generation(t.NamedTuple):
    name: str
    first_branch: int  # the oldest branch that has all of the generation
    last_branch: int | None  # None: no branch has dropped it yet
    flavours: tuple[str, ...]


_ANCIENT = Generation("Tesla or older", 0, 340, (PROPRIETARY,))
FERMI = Generation("Fermi", 0, 390, (PROPRIETARY,))
KEPLER = Generation("Kepler", 304, 470, (PROPRIETARY,))
MAXWELL = Generation("Maxwell", 346, 580, (PROPRIETARY,))
PASCAL = Generation("Pascal", 384, 580, (PROPRIETARY,))
VOLTA = Generation("Volta", 390, 580, (PROPRIETARY,))
TURING = Generation("Turing", 440, None, (PROPRIETARY, OPEN))
AMPERE = Generation("Ampere", 470, None, (PROPRIETARY, OPEN))
ADA = Generation("Ada Lovelace", 525, None, (PROPRIETARY, OPEN))
HOPPER = Generation("Hopper", 525, None, (PROPRIETARY, OPEN))
GRACE_HOPPER = Generation("Grace Hopper", 535, None, (OPEN,))
# Also whatever comes after it: nothing later has a proprietary module.
BLACKWELL = Generation("Blackwell or later", 570, None, (OPEN,))

# Where a range begins; it ends where the next one does.
_RANGES = (
    (0x0000, _ANCIENT),
    (0x06C0, FERMI),  # GF100
    (0x06E0, _ANCIENT),
    (0x0DC0, FERMI),  # GF106, GF108, GF104
    (0x0FA0, KEPLER),  # GK107, GK110
    (0x1040, FERMI),  # GF119, GF110
    (0x10A0, _ANCIENT),  # GT218
    (0x1140, FERMI),  # GF117
    (0x1180, KEPLER),  # GK104, GK106
    (0x1200, FERMI),  # GF114, GF116
    (0x1280, KEPLER),  # GK208
    (0x1340, MAXWELL),  # GM10x, GM204, GM206
    (0x15C0, PASCAL),  # GP100
    (0x1600, MAXWELL),  # GM204, GM206 of notebooks
    (0x1720, PASCAL),  # GP100
    (0x1740, MAXWELL),  # GM108, GM107, GM200
    (0x1AF0, AMPERE),  # GA100
    (0x1B00, PASCAL),  # GP102 to GP108
    (0x1D80, VOLTA),  # GV100
    (0x1E00, TURING),  # TU102, TU104, TU106, TU117
    (0x2080, AMPERE),  # GA100
    (0x2180, TURING),  # TU116
    (0x2200, AMPERE),  # GA102
    (0x2300, HOPPER),  # GH100
    (0x2340, GRACE_HOPPER),  # GH200
    (0x2350, HOPPER),
    (0x2400, AMPERE),  # GA103, GA104, GA106, GA107
    (0x2680, ADA),  # AD102 to AD107
    (0x2900, BLACKWELL),  # GB100, GB102, GB202 to GB207, GB20B, GB110
)
_STARTS = [start for start, _generation in _RANGES]


def of(device: int) -> Generation:
    """The generation of a GPU by the second half of its PCI id: 0x1eb8 of 10de:1eb8."""
    return _RANGES[bisect.bisect_right(_STARTS, device) - 1][1]


def misfit(generation: Generation, branch: int, flavour: str) -> str | None:
    """Why a driver cannot drive a GPU of this generation. The words after `it`."""
    if branch < generation.first_branch:
        return f"needs branch {generation.first_branch} or later"
    if generation.last_branch is not None and branch > generation.last_branch:
        return f"needs branch {generation.last_branch} or older, which is the last that has {generation.name}"
    if flavour not in generation.flavours:
        if flavour == OPEN:
            return "needs the proprietary module, because the open one begins with Turing"
        return "needs the open module, because it has no proprietary one"
    return None


def by_preference(branch: int) -> list[str]:
    """The flavours of a branch, the better one first."""
    return [OPEN, PROPRIETARY] if branch >= OPEN_IS_DEFAULT else [PROPRIETARY, OPEN]
