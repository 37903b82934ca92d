# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.filter.wsl_config import FilterModule

merge = FilterModule().filters()["wsl_config"]


def test_a_new_file() -> None:
    assert merge("", {"wsl2": {"processors": 4}}, ".wslconfig") == {
        "content": "[wsl2]\r\nprocessors=4\r\n",
        "changed": True,
    }


def test_what_is_right_is_left() -> None:
    text = "[wsl2]\nprocessors = 4"
    there = base64.b64encode(text.encode()).decode()
    assert merge(there, {"wsl2": {"processors": 4}}, ".wslconfig") == {"content": text, "changed": False}


@pytest.mark.parametrize("settings", [["memory=1GB"], {"memory": "16GB"}])
def test_settings_are_by_section(settings: object) -> None:
    with pytest.raises(AnsibleFilterError, match="keys by section"):
        merge("", settings, ".wslconfig")


def test_a_broken_file_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match=r"\.wslconfig: the byte at offset 0 is not UTF-8"):
        merge(base64.b64encode(b"\xff[wsl2]").decode(), {}, ".wslconfig")
