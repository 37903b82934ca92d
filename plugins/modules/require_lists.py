#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: require_lists
short_description: Refuse text where a variable should be a list
version_added: "0.2.0"
description:
  - Fails, with a sentence for each, where a variable that should be a list is something else, such as the text that
    C(-e users=ada) makes of it. A loop would take that letter by letter.
  - The check of a role's arguments lets such text pass, because it makes a list of it, of which the role does not hear.
  - A variable that does not exist, or is made from one that does not, is left to whoever uses it.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.controller
  - gpulab.workstation._attributes.info_module
options:
  role:
    description:
      - The directory of a role. All variables are looked at that are lists by its C(meta/argument_specs.yml), and the
        lists inside of lists.
    type: path
  variables:
    description:
      - Names of more variables.
    type: list
    elements: str
    default: []
seealso:
  - module: ansible.builtin.validate_argument_spec
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Refuse text where this role wants a list
  gpulab.workstation.require_lists:
    role: "{{ role_path }}"

- name: Refuse text where this playbook wants a list
  gpulab.workstation.require_lists:
    variables: [fleet_report_disks]
"""

RETURN = r"""#"""
