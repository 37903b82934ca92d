# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.gpulab.workstation.tests.unit.roles.evaluator import ROLES, Evaluator

ROLE = ROLES / "keras_image"


class Role:
    """The role's variables, evaluated by Ansible."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.path = ROLE

    def evaluate(self, name: str, **given: Any) -> Any:
        return self.evaluator.evaluate(self.path, name, **given)

    def says(self, file: str, task: str, **given: Any) -> str | None:
        """What a task of the role that fails says; None where it does not."""
        path = self.path / f"tasks/{file}.yml"
        return self.evaluator.say(path, f"{file} | {task}", role=self.path, **given)

    def reference(self, **given: Any) -> str:
        return str(self.evaluate("__keras_image_reference", **given))

    def expired(self, images: list[str], **given: Any) -> list[str]:
        """What would be removed of these images, newest first; ``REFERENCE`` and ``PLAIN`` are the wanted ones."""
        wanted = {"REFERENCE": self.reference(**given), "PLAIN": self.evaluate("__keras_image_plain", **given)}
        lines = [f"{wanted.get(image, image)} sha256:{number:064}" for number, image in enumerate(images)]
        return list(self.evaluate("__keras_image_expired", __keras_image_list={"stdout_lines": lines}, **given))
