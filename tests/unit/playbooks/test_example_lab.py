# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory that people copy: who shares a machine there has enough of it, and no upgrade comes unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).resolve().parents[3]


def defaults(role: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def machines() -> dict[str, dict[str, Any]]:
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventory/examples/lab.yml")])
    variables = VariableManager(loader=loader, inventory=inventory)
    return {host.name: variables.get_vars(host=host) for host in inventory.get_hosts("workstations")}


def test_people_of_one_machine_share_its_memory_and_have_a_gpu_each(machines: dict[str, dict[str, Any]]) -> None:
    shared = {name: seen for name, seen in machines.items() if len(seen.get("jupyter_instances", [])) > 1}
    assert shared
    for name, seen in shared.items():
        each = seen.get("jupyter_memory", defaults("jupyter")["jupyter_memory"])
        taken = [int(one.get("memory", each).rstrip("%")) for one in seen["jupyter_instances"]]
        assert sum(taken) <= 90, f"{name}: {taken} percent"
        if seen.get("keras_image_variant") == "gpu":
            assert seen["expected_gpus"] >= len(taken), name


@pytest.mark.parametrize("role", ["docker", "nvidia_container_toolkit", "nvidia_driver"])
def test_engine_toolkit_and_driver_are_held(machines: dict[str, dict[str, Any]], role: str) -> None:
    hold = f"{role}_hold"
    assert {name for name, seen in machines.items() if not seen.get(hold, defaults(role)[hold])} == set()
