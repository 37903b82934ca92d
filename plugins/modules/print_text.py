#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: print_text
short_description: Print text to the operator's terminal as it is
version_added: "0.2.0"
description:
  - Prints each line as it is, where M(ansible.builtin.debug) would quote it, and would drop its colours.
  - Colours are left out where the terminal has none, where C(NO_COLOR) is set, and in Ansible's log.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.controller
  - gpulab.workstation._attributes.info_module
options:
  text:
    description: What to print.
    type: str
    required: true
seealso:
  - module: ansible.builtin.debug
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Print a report
  gpulab.workstation.print_text:
    text: "{{ {inventory_hostname: gpus} | gpulab.workstation.gpu_report('colours') }}"
"""

RETURN = r"""#"""
