#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_info
short_description: See whether notebook services answer, are what is configured, and are at work
version_added: "0.2.0"
description:
  - Asks each notebook's own server, with its token, which stays on the host.
  - A notebook that does not answer does not fail the task. RV(instances[].health) says what is wrong.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  names:
    description:
      - The instances to look at.
    type: list
    elements: str
    required: true
seealso:
  - module: gpulab.workstation.jupyter_host_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Ask the notebook
  gpulab.workstation.jupyter_info:
    names: [keras]
  register: jupyter
"""

RETURN = r"""
instances:
  description: Each of O(names), in order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the instance.
      type: str
    url:
      description: Where the host itself reaches it. Without the token.
      type: str
    show_token:
      description: The command that shows its token, on the host.
      type: str
    health:
      description: V(healthy), or what is wrong.
      type: str
    version:
      description: The version of Jupyter Server, by its own answer.
      type: str
    refuses_wrong_token:
      description: Whether it answers 403 to a wrong token.
      type: bool
    differs:
      description: What a restart would bring, V(older settings) and V(an older image) being replaced.
      type: list
      elements: str
    busy:
      description: What a restart would destroy. A reason each.
      type: list
      elements: str
    failed:
      description: >-
        Why what is configured was given up for what ran before, and is not tried again by itself. Empty where it was not.
      type: str
    pending:
      description: RV(instances[].differs) and RV(instances[].busy) in a sentence. Empty where nothing differs.
      type: str
  sample:
    - name: keras
      url: http://127.0.0.1:8888/lab
      show_token: sudo cat /etc/gpulab/jupyter/keras/token
      health: healthy
      version: 2.21.1
      refuses_wrong_token: true
      differs: [an older image]
      failed: ""
      busy: [Untitled.ipynb runs a cell]
      pending: Instance keras runs with an older image, because Untitled.ipynb runs a cell.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.status import status


def main() -> None:
    module = AnsibleModule(
        argument_spec={"names": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, instances=[status(name) for name in module.params["names"]])
    except OperatorError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
