# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated machine under tmp_path, and a look at it."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.look import Options, look
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import Node, System

Look = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def nodes_as_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root may make device nodes, so the builder writes `c MAJOR:MINOR` into files."""

    def node(self: System, path: str) -> Node | None:
        file = Path(self.path(path))
        found = re.fullmatch(r"c (\d+):(\d+)( \d+)?\n", file.read_text(errors="replace")) if file.is_file() else None
        if not found:
            return Node(False, 0, 0, 0o644, 0, 0) if file.exists() else None
        return Node(True, int(found[1]), int(found[2]), int(found[3] or "666", 8), 0, 0)

    monkeypatch.setattr(System, "node", node)


@pytest.fixture
def build(tmp_path: Path, nodes_as_files: None) -> t.Callable[[Machine], Path]:
    return lambda machine: files.build(tmp_path / "root", machine)


@pytest.fixture
def look_at(tmp_path: Path) -> Look:
    def look_at(root: Path, timeout: float = 20, **options: t.Any) -> dict[str, t.Any]:
        return look(System(str(root), timeout, total=60), Options(**options))

    return look_at
