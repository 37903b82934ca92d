# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import Evaluator
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE, Role


@pytest.fixture
def role(evaluator: Evaluator) -> Role:
    return Role(evaluator)


@pytest.fixture
def copied_role(role: Role, tmp_path: Path) -> Role:
    role.path = Path(shutil.copytree(ROLE, tmp_path / "keras_image"))
    return role
