# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: docker_plan
short_description: Decide what the role docker does on a host
version_added: 0.3.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Compares a host with the variables of the role C(docker), and returns what to do, what is refused and why, and what
    must wait for a better moment.
  - For that role only, which makes a plan after each look at the host.
positional: wanted, refuse
options:
  _input:
    description:
      - The results of the role's looks, by their name in C(__docker_seen) of its C(vars/main.yml).
      - Empty before the first look. The plan then says what to look for.
    type: dict
    required: true
  wanted:
    description: The role's variables and tables, C(__docker_wanted) of its C(vars/main.yml).
    type: dict
    required: true
  refuse:
    description: Whether a plan that refuses something wants nothing else.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: preflight | Decide what to do
  ansible.builtin.set_fact:
    __docker_plan: "{{ __docker_seen | gpulab.workstation.docker_plan(__docker_wanted) }}"

- name: preflight | Refuse what would break the host
  ansible.builtin.fail:
    msg: "{{ __docker_plan.refused | join(' ') }}"
  when: __docker_plan.refused | length > 0
"""

RETURN = r"""
_value:
  description: The plan; its fields are those of the class Plan in C(plugins/plugin_utils/_docker/plan.py).
  type: dict
"""

import typing as t

from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.plan import first_plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import Seen
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.wanted import read
from ansible_collections.gpulab.workstation.plugins.plugin_utils._plan.variables import plain, result


def docker_plan(seen: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any], refuse: bool = True) -> dict[str, t.Any]:
    asked, problems = read(plain(wanted))
    found = Seen.of(plain(seen))
    decided = plan(asked, found, refuse) if seen.get("before") else first_plan(asked, problems, found)
    return result(decided)


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"docker_plan": docker_plan}
