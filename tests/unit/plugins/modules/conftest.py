# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine on which notebook services are tested, for the modules that look at it."""

from __future__ import annotations

from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    docker,
    instance,
    machine,
    make_settings,
    restic,
    server,
)

__all__ = ["docker", "instance", "machine", "make_settings", "restic", "server"]
