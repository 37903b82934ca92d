# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible.utils import color
from ansible.utils.display import Display
from ansible_collections.gpulab.workstation.plugins.action.print_text import ActionModule

# Of a notebook's user, in a report: a title for the window, and a cleared screen.
HOSTILE = "\x1b]0;owned\x07\x1b[2Jat work"
TEXT = "\x1b[31mbroken\x1b[0m: it's\n\x1b[1;32mok\x1b[0m"


class Action(ActionModule):
    """Without a connection and a task, which it does not use."""

    def __init__(self, arguments: dict[str, t.Any]) -> None:
        self.arguments = arguments

    def validate_argument_spec(self, argument_spec: t.Any) -> tuple[None, dict[str, t.Any]]:
        assert set(argument_spec) == set(self.arguments)
        return None, self.arguments


@pytest.mark.parametrize("colours", [True, False])
def test_colours(colours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, str] = {}

    def display(_self: Display, text: str, screen_only: bool = False, log_only: bool = False) -> None:
        said["screen" if screen_only else "log"] = text

    monkeypatch.setattr(Display, "display", display)
    monkeypatch.setattr(color, "ANSIBLE_COLOR", colours)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_arguments: {})
    assert Action({"text": TEXT}).run() == {"changed": False}
    assert said == {"screen": TEXT if colours else "broken: it's\nok", "log": "broken: it's\nok"}
    Action({"text": HOSTILE}).run()
    assert said == dict.fromkeys(("screen", "log"), "\ufffd]0;owned\ufffd\ufffd[2Jat work")
