# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package for everybody: built once, in every notebook, and taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.gpulab.workstation.molecule.lab.tests.conftest import (
    CURRENT,
    MACHINES,
    REGISTRY,
    image_id,
    machine,
)
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import run_playbook, words
from testinfra.host import Host

LOOK = "import importlib.util; print(importlib.util.find_spec('humanize') is not None)"
every_machine = pytest.mark.parametrize("name", MACHINES)


def notebook_of(name: str) -> Notebook:
    return Notebook(machine(name), MACHINES[name])


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    """The image of each notebook."""
    return {name: notebook_of(name).inspect("{{json .Image}}") for name in MACHINES}


@pytest.fixture(scope="module")
def installed(before: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What pip_install.yml says. Afterwards everything is as the inventory wishes."""
    requirements = tmp_path_factory.mktemp("course") / "requirements.txt"
    requirements.write_text("humanize>=4\n")
    yield words(run_playbook("pip_install", "-e", f"requirements={requirements}", timeout=600).text)
    # site.yml would do this on the builder after the long test of an image, which it has had.
    (image,) = set(before.values())
    machine(REGISTRY).check_output("docker tag %s %s", image, CURRENT)
    run_playbook("workstation", "--tags", "keras_image,jupyter", timeout=600)
    assert {name: notebook_of(name).inspect("{{json .Image}}") for name in MACHINES} == before


@pytest.fixture(scope="module")
def rolled_back(installed: str) -> str:
    return words(run_playbook("rollback", timeout=600).text)


@every_machine
def test_a_new_kernel_has_it(name: str, installed: str) -> None:
    assert notebook_of(name).run_cell("import humanize; print(humanize.naturalsize(20_000_000))") == "20.0 MB"
    assert "So that site.yml keeps these packages" in installed


@every_machine
def test_it_was_built_once(name: str, registry: Host, installed: str, before: dict[str, str]) -> None:
    assert image_id(machine(name), CURRENT) == image_id(registry, CURRENT) != before[name]
    log = "/var/lib/gpulab/keras_image/build.log"
    assert registry.file(log).exists
    assert not machine(name).file(log).exists


@every_machine
def test_rollback_takes_it_back(name: str, rolled_back: str, before: dict[str, str]) -> None:
    notebook = notebook_of(name)
    assert f"Instance {MACHINES[name]} was rolled back to keras:cpu-" in rolled_back
    assert notebook.inspect("{{json .Image}}") == before[name]
    assert notebook.run_cell(LOOK) == "False"
