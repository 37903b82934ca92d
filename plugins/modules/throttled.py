#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: throttled
short_description: Run a task on a few hosts at once, without holding back the others
version_added: "0.2.0"
description:
  - Waits for one of O(limit) slots, then runs O(task), and returns what that returns.
  - Only the host that waits waits. With Ansible's own C(throttle) and a strategy where hosts do not wait for each other
    (P(ansible.builtin.free#strategy), P(ansible.builtin.host_pinned#strategy)), no host gets any task as long as one
    waits for its turn, not even those that have nothing to do in the throttled one.
  - A slot is a lock on a file of the controller. It is free again when the task has ended, or its process was killed.
    Runs that use the same O(directory) at the same time share its slots.
  - A host that waits occupies one of Ansible's C(forks). With fewer of these than hosts, the rest waits for a fork.
notes:
  - C(module_defaults) of the task's module are not applied.
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
    details:
      - As the task does. It takes no slot then.
  diff_mode:
    support: full
    details:
      - As the task does.
  idempotent:
    support: full
    details:
      - As the task is.
  platform:
    support: full
    platforms: all
    details:
      - Any that the task works on. The controller is POSIX.
options:
  limit:
    description: How many run at once. V(0) is no limit.
    type: int
    required: true
  directory:
    description: A directory on the controller for the locks. It is made, for the user who runs Ansible alone.
    type: path
    required: true
  timeout:
    description:
      - Seconds in which none of the slots changes hands, and after which the task fails with RV(no_slot). It should be
        longer than one task takes. How many hosts are before this one does not matter.
    type: int
    default: 1800
  task:
    description: The full name of a module as the only key, with the module's arguments.
    type: dict
    required: true
seealso:
  - name: throttle
    description: Ansible's own.
    link: https://docs.ansible.com/ansible/latest/playbook_guide/playbooks_strategies.html#restricting-execution-with-throttle
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Pull an image, five hosts at a time
  gpulab.workstation.throttled:
    limit: 5
    directory: "{{ inventory_dir }}/.gpulab/slots"
    task:
      ansible.builtin.command:
        argv: [docker, pull, registry.example.org/keras]
  register: pulled
  changed_when: "'Downloaded newer image' in pulled.stdout"
"""

RETURN = r"""
no_slot:
  description: That the task did not run. C(msg) says why.
  returned: where no slot was to be had
  type: bool
  sample: true
"""
