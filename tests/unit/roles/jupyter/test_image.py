# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image notebooks start from, and what a machine is told that has not got it."""

from __future__ import annotations

from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator

ROLE = ROLES / "jupyter"
GPU = {"keras_image_variant": "gpu"}


def test_notebooks_start_from_the_image_that_the_machine_gets(evaluator: Evaluator) -> None:
    own = GPU | {"jupyter_image": "keras:mine"}
    images = [evaluator.evaluate(ROLE, "jupyter_image", **given) for given in ({}, GPU, own)]
    assert images == ["keras:cpu", "keras:gpu", "keras:mine"]


def test_a_machine_without_the_image_is_told_which_it_gets(evaluator: Evaluator) -> None:
    missing = {"__jupyter_host": {"missing_images": ["keras:cpu"]}, "jupyter_image": "keras:cpu"}
    assert evaluator.evaluate(ROLE, "__jupyter_no_image", **missing, **GPU) == (
        "it has no image keras:cpu. The role keras_image builds keras:gpu (keras_image_variant), and jupyter_image is"
        " keras:cpu"
    )
