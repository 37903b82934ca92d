# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_registry_plan
short_description: Decide what the role lab_registry does on a host
version_added: 0.3.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Compares controller and host with the variables of the role C(lab_registry), and returns what to do, what is refused
    and why, and what must wait for a better moment.
  - For that role only, which makes a plan after each look at the host.
positional: wanted
options:
  _input:
    description:
      - The results of the role's looks, by their name in C(__lab_registry_seen) of its C(vars/main.yml).
      - Before the first look at the host, with C(controller) alone. The plan then says what to look for.
    type: dict
    required: true
  wanted:
    description: The role's variables and tables, C(__lab_registry_wanted) of its C(vars/main.yml).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: preflight | Decide what to do
  ansible.builtin.set_fact:
    __lab_registry_plan: "{{ __lab_registry_seen | gpulab.workstation.lab_registry_plan(__lab_registry_wanted) }}"

- name: preflight | Refuse settings that cannot work
  ansible.builtin.fail:
    msg: "{{ __lab_registry_plan.refused | join(' ') }}"
  when: __lab_registry_plan.refused | length > 0
"""

RETURN = r"""
_value:
  description: The plan; its fields are those of the class Plan in C(plugins/plugin_utils/_lab_registry/plan.py).
  type: dict
"""

import typing as t

from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.plan import plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.seen import Seen
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.wanted import read
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import plain, result


def lab_registry_plan(seen: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    asked, problems = read(plain(wanted))
    return result(plan(asked, problems, Seen.of(plain(seen))))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"lab_registry_plan": lab_registry_plan}
