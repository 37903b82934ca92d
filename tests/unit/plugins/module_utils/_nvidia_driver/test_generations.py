# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver import generations
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver.generations import OPEN, PROPRIETARY

# The first and the last id of each chip in the PCI ID Repository, where a generation begins or ends with it.
CHIPS = [
    ("Fermi", (0x06C0, 0x06DF, 0x0DC0, 0x0F06, 0x1040, 0x109B, 0x1140, 0x1200, 0x1251)),
    ("Tesla or older", (0x05E0, 0x0A20, 0x0CBC, 0x10D8)),
    ("Kepler", (0x0FA0, 0x0FFF, 0x1001, 0x102D, 0x1180, 0x11FF, 0x1280, 0x130B)),
    ("Maxwell", (0x1340, 0x1436, 0x1617, 0x1667, 0x174E, 0x179C, 0x17FD)),
    ("Pascal", (0x15C2, 0x15FA, 0x172F, 0x1B00, 0x1B78, 0x1D56)),
    ("Volta", (0x1D81, 0x1DB7, 0x1DF6)),
    ("Turing", (0x1E02, 0x1EB8, 0x1FF9, 0x2182, 0x21D1)),
    ("Ampere", (0x1AF1, 0x2080, 0x20FF, 0x2200, 0x223F, 0x2414, 0x25FB)),
    ("Hopper", (0x2302, 0x2330, 0x233A, 0x23F0)),
    ("Grace Hopper", (0x2342, 0x2348)),
    ("Ada Lovelace", (0x2681, 0x26F5, 0x2822, 0x28F8)),
    ("Blackwell or later", (0x2900, 0x297E, 0x2B85, 0x2DD8, 0x2E2A, 0x31C0, 0x3340, 0xFFFF)),
]


@pytest.mark.parametrize(("name", "device"), [(name, device) for name, devices in CHIPS for device in devices])
def test_generation(name: str, device: int) -> None:
    assert generations.of(device).name == name


@pytest.mark.parametrize(
    ("device", "branch", "flavour", "words"),
    [
        (0x1EB8, 550, PROPRIETARY, None),
        (0x1EB8, 550, OPEN, None),
        (0x1EB8, 590, OPEN, None),
        (0x1B06, 580, PROPRIETARY, None),
        (0x1B06, 590, PROPRIETARY, "580 or older, which is the last that has Pascal"),
        (0x1DB4, 550, OPEN, "the proprietary module"),
        (0x102D, 470, PROPRIETARY, None),
        (0x102D, 535, PROPRIETARY, "470 or older, which is the last that has Kepler"),
        (0x2B85, 550, OPEN, "570 or later"),
        (0x2B85, 580, PROPRIETARY, "the open module"),
        (0x2B85, 580, OPEN, None),
        (0x2342, 550, PROPRIETARY, "the open module"),
        (0x2684, 470, PROPRIETARY, "525 or later"),
    ],
)
def test_misfit(device: int, branch: int, flavour: str, words: str | None) -> None:
    said = generations.misfit(generations.of(device), branch, flavour)
    assert said is None if words is None else words in str(said)


def test_open_is_preferred_since_560() -> None:
    assert generations.by_preference(550)[0] == PROPRIETARY
    assert generations.by_preference(560)[0] == OPEN
