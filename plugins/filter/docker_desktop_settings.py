# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: docker_desktop_settings
short_description: Merge settings into the settings file of Docker Desktop
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what C(settings-store.json) holds, or C(settings.json) of Docker Desktop before 4.35, and returns what to
    write.
  - Keys are matched without regard to case, as Docker Desktop does. A key that is there keeps its place and its
    spelling; unknown keys stay; objects are merged key by key; lists and single values are replaced.
  - Nothing is read or written, so that it works on the controller for a Windows machine, in check mode too.
positional: settings, path
options:
  _input:
    description:
      - The bytes of the file in Base64, as M(ansible.windows.slurp) returns them. Empty where there is no file.
      - A byte order mark, with which Docker Desktop does not start, is removed.
    type: str
    required: true
  settings:
    description: What to set. Keys in either spelling.
    type: dict
    required: true
  path:
    description: The name of the file in error messages.
    type: str
    required: true
  generation:
    description:
      - How keys that the file does not have yet are spelled.
      - V(store) for C(settings-store.json), C(MemoryMiB). V(legacy) for C(settings.json), C(memoryMiB).
    type: str
    choices: [store, legacy]
    default: store
  include:
    description:
      - Lists of paths by their keys. What such a list does not have yet is added; what it has stays.
      - Paths are compared as Windows does, so that C(c:/users) is C(C:\Users).
    type: dict
    default: {}
notes:
  - It fails, and so nothing is written, when the file is no JSON, when one object has a key in two spellings, and when
    a setting would replace an object.
seealso:
  - plugin: gpulab.workstation.docker_desktop
    plugin_type: role
    description: Stops Docker Desktop while it writes the file, because a running one overwrites it.
"""

EXAMPLES = r"""
- name: Read the settings
  ansible.windows.slurp:
    src: C:\Users\ada\AppData\Roaming\Docker\settings-store.json
  register: settings

- name: Write them, if anything differs
  ansible.windows.win_copy:
    content: "{{ merged.content }}"
    dest: C:\Users\ada\AppData\Roaming\Docker\settings-store.json
    backup: true
  when: merged.changed
  vars:
    merged: "{{ settings.content | gpulab.workstation.docker_desktop_settings({'AutoStart': true},
      'settings-store.json', include={'FilesharingDirectories': ['C:/work']}) }}"
"""

RETURN = r"""
_value:
  description: What to write, and why.
  type: dict
  contains:
    content:
      description: The text of the file, without a byte order mark. It is to be written as UTF-8.
      type: str
    changed:
      description: Whether it differs from what the file holds.
      type: bool
    changed_keys:
      description: The settings that differ, each as the list of keys that leads to it, in the spelling of the file.
      type: list
      elements: list
      sample: [["AutoStart"], ["Proxy", "Mode"]]
    had_mark:
      description: Whether the file began with a byte order mark.
      type: bool
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.arguments import content_of, plain
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.document import dump, load
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError
from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.merge import GENERATIONS, Merge


def docker_desktop_settings(
    content: str,
    settings: t.Mapping[str, t.Any],
    path: str,
    generation: str = "store",
    include: t.Mapping[str, t.Sequence[str]] | None = None,
) -> dict[str, t.Any]:
    if generation not in GENERATIONS:
        raise AnsibleFilterError(f"generation is {generation!r}, and must be one of {', '.join(GENERATIONS)}.")
    if not isinstance(settings, t.Mapping):
        raise AnsibleFilterError(f"The settings for {path} must be a dictionary, and are {settings!r}.")
    try:
        document = load(content_of(content, path), path)
        merge = Merge(path, generation)
        merged = merge.settings(document.value, plain(settings, "settings"))
        merged = merge.include(merged, plain(include or {}, "include"))
    except DesktopSettingsError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        "content": dump(merged) if merge.changed_keys else document.text,
        "changed": document.had_mark or bool(merge.changed_keys),
        "changed_keys": merge.changed_keys,
        "had_mark": document.had_mark,
    }


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"docker_desktop_settings": docker_desktop_settings}
