# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image notebooks start from, and what a machine is told that has not got it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROLE = Path(__file__).resolve().parents[4] / "roles" / "jupyter"
EVALUATOR = Path(__file__).parents[1] / "keras_image" / "evaluate.py"


def says(name: str, *given: dict[str, Any]) -> list[Any]:
    """What the variable is with each of these."""
    questions = [json.dumps({"role": str(ROLE), "name": name, "given": one}) for one in given]
    done = subprocess.run(
        [sys.executable, EVALUATOR], input="\n".join(questions), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


GPU = {"keras_image_variant": "gpu"}


def test_notebooks_start_from_the_image_that_the_machine_gets() -> None:
    own = GPU | {"jupyter_image": "keras:mine"}
    assert says("jupyter_image", {}, GPU, own) == ["keras:cpu", "keras:gpu", "keras:mine"]


def test_a_machine_without_the_image_is_told_which_it_gets() -> None:
    missing = {"__jupyter_host": {"missing_images": ["keras:cpu"]}, "jupyter_image": "keras:cpu"}
    assert says("__jupyter_no_image", missing | GPU) == [
        "it has no image keras:cpu. The role keras_image builds keras:gpu (keras_image_variant), and jupyter_image is"
        " keras:cpu"
    ]
