#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_restore
short_description: Bring files back from the backup of a notebook
version_added: "0.2.0"
description:
  - Restores a snapshot of an instance's work directory, or some files of it, with the rights of the instance's user.
  - The instance need not run, nor be configured any more.
  - Without O(overwrite), nothing that is there is touched.
requirements:
  - restic 0.12 or later, on the host
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
    details:
      - The snapshot is looked at, and nothing is written.
  diff_mode:
    support: none
  idempotent:
    support: none
    details:
      - By default, every run restores to a new directory.
  platform:
    support: full
    platforms: posix
options:
  name:
    description:
      - The instance. Needed where the host has the backups of several.
    type: str
  snapshot:
    description:
      - The ID of a snapshot or the first digits of it, or V(latest).
    type: str
    default: latest
  paths:
    description:
      - Files and directories to restore, relative to the work directory. By default, all.
    type: list
    elements: str
    default: []
  dest:
    description:
      - The directory to restore to. A relative path starts at the work directory.
      - By default C(restored-<time>) in the work directory, or the work directory itself with O(overwrite).
    type: str
    default: ""
  overwrite:
    description:
      - Whether files that are there are replaced by those of the snapshot. Files that the snapshot does not have stay.
    type: bool
    default: false
seealso:
  - module: gpulab.workstation.jupyter_backup
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Restore one notebook of last night beside the present ones
  gpulab.workstation.jupyter_restore:
    name: keras
    paths: [lessons/digits.ipynb]
"""

RETURN = r"""
name:
  description: The instance.
  returned: success
  type: str
  sample: keras
snapshot:
  description: The ID of the snapshot.
  returned: success
  type: str
  sample: 7152636b
time:
  description: When it was made.
  returned: success
  type: str
  sample: "2026-11-21T02:41:07.651392908Z"
dest:
  description: The directory that the files were restored to.
  returned: success
  type: str
  sample: /home/ada/notebooks/restored-20261121T101502
files:
  description: How many.
  returned: success
  type: int
  sample: 1
bytes:
  description: Their size.
  returned: success
  type: int
  sample: 20311
user:
  description: To whom they belong.
  returned: success
  type: str
  sample: ada
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.restore import restore


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str"},
            "snapshot": {"type": "str", "default": "latest"},
            "paths": {"type": "list", "elements": "str", "default": []},
            "dest": {"type": "str", "default": ""},
            "overwrite": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=True, **restore(**module.params, check=module.check_mode))
    except OperatorError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
