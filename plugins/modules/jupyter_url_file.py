#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_url_file
short_description: Hand people the URLs of their notebooks, in files that only they can read
version_added: "0.2.0"
description:
  - Writes C(notebook-<name>.txt) into the home of an instance's user, with mode 0400 and the user's own rights. It
    has the URL with the token and, for a notebook on loopback, the tunnel that leads there.
  - The token is read and written on the host; neither the controller nor the result has it.
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: A diff would show tokens.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  names:
    description:
      - The instances. All that the host has, without it.
    type: list
    elements: str
  public_name:
    description:
      - The name or address under which people reach the host.
    type: str
    required: true
  ssh_port:
    description:
      - The port on which people reach SSH there.
    type: int
    default: 22
seealso:
  - module: gpulab.workstation.jupyter_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Hand over the notebooks
  gpulab.workstation.jupyter_url_file:
    public_name: lab01.example.org
"""

RETURN = r"""
files:
  description: What was written, or was there with this content.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The instance.
      type: str
    user:
      description: Who can read it.
      type: str
    path:
      description: The file.
      type: str
    changed:
      description: Whether it was written now.
      type: bool
  sample:
    - {name: ada, user: ada, path: /home/ada/notebook-ada.txt, changed: true}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import configured
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.url_file import hand_over


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str"},
            "public_name": {"type": "str", "required": True},
            "ssh_port": {"type": "int", "default": 22},
        },
        supports_check_mode=True,
    )
    names = configured() if module.params["names"] is None else module.params["names"]
    files = []
    problems = []
    for name in names:
        try:
            files.append(hand_over(name, module.params["public_name"], module.check_mode, module.params["ssh_port"]))
        except OperatorError as error:
            problems.append(str(error))
    changed = any(file["changed"] for file in files)
    if problems:
        # What could be handed over is; one person's full disk keeps nobody else from their notebook.
        module.fail_json(msg=" ".join(problems), files=files, changed=changed)
    module.exit_json(files=files, changed=changed)


if __name__ == "__main__":
    main()
