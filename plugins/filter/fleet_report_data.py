# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report_data
short_description: Judge what was seen of a whole lab
version_added: 0.2.0
author:
  - gpulab.workstation authors (@gpulab)
description:
  - Takes what the modules that playbooks/fleet_report.yml runs returned for each host, and returns the one structure
    that P(gpulab.workstation.fleet_report#filter) renders.
  - It says of each host how much it needs somebody, and why. What needs somebody first comes first.
options:
  _input:
    description:
      - What was seen by host; empty or V(null) for one of which nothing is known.
      - Each has results of M(ansible.builtin.ping) as C(reach), M(gpulab.workstation.gpu_visibility_info) as C(gpus),
        M(gpulab.workstation.docker_engine_info) as C(engine), M(gpulab.workstation.docker_daemon_config) as
        C(configuration), M(gpulab.workstation.jupyter_info) as C(notebooks), of C(df --output=size,avail,target) as
        C(disks), of M(ansible.builtin.uri) as C(registry), and the answer of C(docker image inspect) as
        C(image.images), with C(image_name) and C(image_wanted). All but C(reach) may be missing.
    type: dict
    required: true
  asked:
    description: The hosts that this run was to ask. The others are entries that say so.
    type: list
    elements: str
    required: true
  groups:
    description: The hosts of each group that the report names.
    type: dict
    default: {}
  drift:
    description: The result of M(gpulab.workstation.playbook_check_info), or V(null).
    type: dict
  made_at:
    description: When the first host was looked at, in seconds since 1970.
    type: int
    required: true
  command:
    description: What it is made by, for people who read it.
    type: str
    default: ""
  low_disk_gib:
    description: A file system with less than this many GiB free needs attention.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: Judge what was seen
  ansible.builtin.set_fact:
    report: "{{ seen | gpulab.workstation.fleet_report_data(asked=ansible_play_hosts_all, made_at=now().timestamp()) }}"
"""

RETURN = r"""
_value:
  description: The report. plugins/plugin_utils/_fleet_report/structure.py has all of it.
  type: dict
  contains:
    schema_version:
      description: It changes when a key is removed or gets another meaning.
      type: int
    made_at:
      description: When, in UTC.
      type: str
    counts:
      description: >-
        How many hosts are V(unreachable), need V(attention), have something V(pending) or drifted, are V(fine), or were
        V(not_asked).
      type: dict
    check:
      description: Whether the run in check mode completed, as C(status), C(problem) and C(seconds).
      type: dict
    hosts:
      description: The hosts, the first of which needs somebody first.
      type: list
      elements: dict
"""

import datetime
import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.build import build
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.structure import Report


def fleet_report_data(
    answers: t.Mapping[str, t.Mapping[str, t.Any] | None],
    *,
    asked: t.Collection[str],
    made_at: float,
    groups: t.Mapping[str, t.Sequence[str]] | None = None,
    drift: t.Mapping[str, t.Any] | None = None,
    command: str = "",
    low_disk_gib: float = 10,
) -> Report:
    if not isinstance(answers, t.Mapping):
        raise AnsibleFilterError(f"fleet_report_data takes what was seen, by host, and not {str(answers)[:100]}")
    moment = datetime.datetime.fromtimestamp(int(made_at), datetime.timezone.utc)
    return build(
        answers,
        asked=set(asked),
        groups=groups or {},
        drift=drift,
        made_at=int(made_at),
        made_at_text=moment.isoformat().replace("+00:00", "Z"),
        command=command,
        low_disk_gib=float(low_disk_gib),
    )


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report_data": fleet_report_data}
