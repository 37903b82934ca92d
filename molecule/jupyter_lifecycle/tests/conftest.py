# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a role again, as an operator does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.playbook import start_playbook, words

PLAYBOOK = Path(__file__).parents[1] / "role.yml"
Play = Callable[..., str]


@pytest.fixture(scope="module")
def play() -> Play:
    """Apply a role to a machine, see it succeed or fail as expected, and return what Ansible said."""

    def play(role: str, machine: str, succeeds: bool = True, entry: str = "main", **variables: Any) -> str:
        given = json.dumps({"role": role, "entry": entry, "machine": machine, **variables})
        said = start_playbook(PLAYBOOK, "-e", given, timeout=600)
        assert (said.code == 0) is succeeds, f"ansible-playbook ended with {said.code}:\n{said.text[-6000:]}"
        # Lines are wrapped for people.
        return words(said.text).strip()

    return play
