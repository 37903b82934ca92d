# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

from ansible.plugins.action import ActionBase
from ansible.utils import color
from ansible.utils.display import Display
from ansible_collections.gpulab.workstation.plugins.module_utils._untrusted.shape import text

_COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec({"text": {"type": "str", "required": True}})
        # Hosts and the users of their notebooks have a part in it. Of what drives a terminal, only colours stay.
        pieces = _COLOURS.split(arguments["text"])
        shown = "".join(piece if _COLOURS.fullmatch(piece) else text(piece, len(piece)) for piece in pieces)
        plain = _COLOURS.sub("", shown)
        display = Display()
        # Ansible knows whether this terminal has colours, and whether somebody said NO_COLOR. A log never has them.
        display.display(shown if color.ANSIBLE_COLOR else plain, screen_only=True)
        display.display(plain, log_only=True)
        return {**result, "changed": False}
