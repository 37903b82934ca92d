# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that evaluates variables of roles evaluates what the tasks of playbooks say, too."""

from __future__ import annotations

from ansible_collections.gpulab.workstation.tests.unit.roles.conftest import evaluator

__all__ = ["evaluator"]
