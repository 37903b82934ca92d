# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: wsl_config
short_description: Merge settings into .wslconfig of Windows
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what C(%USERPROFILE%\.wslconfig) holds, and returns what to write. With the WSL 2 backend, that is where
    Docker Desktop's memory and CPUs are set.
  - Sections and keys are matched without regard to case. Every other line stays as it is.
positional: settings, path
options:
  _input:
    description: >-
      The bytes of the file in Base64, as M(ansible.windows.slurp) returns them. Empty where there is no file.
    type: str
    required: true
  settings:
    description:
      - What to set, keys by section.
      - Values are written as they are. In a path, WSL wants each backslash twice.
    type: dict
    required: true
  path:
    description: The name of the file in error messages.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show what .wslconfig would become
  ansible.builtin.debug:
    msg: "{{ (file.content | gpulab.workstation.wsl_config({'wsl2': {'memory': '16GB'}}, '.wslconfig')).content }}"
"""

RETURN = r"""
_value:
  description: What to write.
  type: dict
  contains:
    content:
      description: The text of the file, without a byte order mark.
      type: str
    changed:
      description: Whether it differs from what the file holds.
      type: bool
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.arguments import content_of, plain
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.wslconfig import merge


def wsl_config(content: str, settings: t.Mapping[str, t.Mapping[str, t.Any]], path: str) -> dict[str, t.Any]:
    if not isinstance(settings, t.Mapping) or not all(isinstance(keys, t.Mapping) for keys in settings.values()):
        raise AnsibleFilterError(f"The settings for {path} must be keys by section: {{wsl2: {{memory: 16GB}}}}.")
    try:
        text, changed = merge(content_of(content, path), plain(settings, "settings"), path)
    except DesktopSettingsError as error:
        raise AnsibleFilterError(str(error)) from error
    return {"content": text, "changed": changed}


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"wsl_config": wsl_config}
