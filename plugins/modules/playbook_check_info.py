#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: playbook_check_info
short_description: See what a playbook would change, by running it in check mode
version_added: "0.2.0"
description:
  - Runs C(ansible-playbook --check) on the controller, and returns for each host the tasks that would change something.
  - It runs with this run's Ansible, environment and, where O(config) names it, configuration; also with what this run
    was given as passwords, C(--extra-vars), and options of the connection. It asks for nothing, because nobody may be
    there.
  - A playbook that fails, takes too long, or cannot be started does not fail the task. RV(status) and RV(problem) say
    so, and RV(hosts) has what was seen until then.
  - Of what the tasks return, only the names of tasks, and what M(ansible.builtin.debug) and failed tasks say, are
    kept.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
    details:
      - It works on the controller, and does not connect to the host of the task.
options:
  playbook:
    description: The playbook.
    type: path
    required: true
  inventory:
    description: The sources of the inventory, such as C(ansible_inventory_sources).
    type: list
    elements: str
    required: true
  hosts:
    description: The hosts to limit the run to.
    type: list
    elements: str
    required: true
  arguments:
    description:
      - More arguments for C(ansible-playbook), such as V(--become-password-file=FILE) or V(--extra-vars=@FILE). They
        win over those of this run.
    type: list
    elements: str
    default: []
  config:
    description: The configuration file, such as C(ansible_config_file).
    type: path
  timeout:
    description: Seconds that the run may take. Then it is ended, with all that it started.
    type: int
    default: 600
requirements:
  - the collection ansible.posix, on the controller
seealso:
  - plugin: gpulab.workstation.fleet_report_data
    plugin_type: filter
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: See what a run of site.yml would change
  gpulab.workstation.playbook_check_info:
    playbook: site.yml
    inventory: "{{ ansible_inventory_sources }}"
    hosts: "{{ ansible_play_hosts }}"
  register: drift
  run_once: true
"""

RETURN = r"""
status:
  description: V(completed), whatever the hosts did; V(timed_out); V(failed) where it did not get to its end.
  returned: success
  type: str
  sample: completed
problem:
  description: Why it did not complete. Empty where it did.
  returned: success
  type: str
  sample: ""
seconds:
  description: How long it took.
  returned: success
  type: float
  sample: 10.5
hosts:
  description: What was seen of each host.
  returned: success
  type: dict
  contains:
    changes:
      description: The C(task) of each change, and a C(note) where the task says what it would do.
      type: list
      elements: dict
    failed:
      description: The C(task) of each failure that was not rescued, and its message as C(note).
      type: list
      elements: dict
    unreachable:
      description: Whether the host was not reached.
      type: bool
  sample:
    lab01.example.org:
      changes:
        - task: "gpulab.workstation.keras_image : preflight | Say what would become current"
          note: keras:cpu-391f194084ab would be built, and would become keras:cpu after its smoke test.
      failed: []
      unreachable: false
"""
