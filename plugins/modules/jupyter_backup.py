#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_backup
short_description: Prepare the backups of notebooks
version_added: "0.2.0"
description:
  - Makes what the first backup of each instance needs, a password that stays on the host, a restic repository, and
    notes for the unit that makes the backups (see the role P(gpulab.workstation.jupyter#role)).
  - Repositories are made and opened with the rights of the instance's user, because root has none on NFS with
    C(root_squash).
  - A password or repository that is there is never replaced. A repository that was there before and is not now fails
    the task, because its file system may not be mounted.
requirements:
  - restic 0.12 or later, on the host
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  instances:
    description:
      - The instances to back up, as in the variable C(jupyter_instances) with defaults filled in.
      - Of each, C(name), C(user), C(workdir), C(backup_repository), C(backup_schedule), C(backup_random_delay),
        C(backup_keep), C(backup_exclude), C(backup_exclude_larger_than) and C(backup_environment) are used.
    type: list
    elements: dict
    required: true
seealso:
  - module: gpulab.workstation.jupyter_restore
  - module: gpulab.workstation.jupyter_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Prepare the backups
  gpulab.workstation.jupyter_backup:
    instances:
      - name: keras
        user: ada
        workdir: ~/notebooks
        backup_repository: /mnt/backups/{name}
        backup_schedule: "*-*-* 02:00:00"
        backup_random_delay: 2h
        backup_keep: {daily: 7, weekly: 4}
        backup_exclude: [.ipynb_checkpoints]
        backup_exclude_larger_than: 1g
        backup_environment: {}
"""

RETURN = r"""
backups:
  description: >-
    What a unit must know of each instance. C(directory) is empty where the repository is not a directory of the host.
  returned: success
  type: list
  elements: dict
  sample:
    - name: keras
      user: ada
      workdir: /home/ada/notebooks
      directory: /var/backups/gpulab/jupyter/keras
      state: /var/lib/gpulab/jupyter/keras/backup
      schedule: "*-*-* 02:00:00"
      random_delay: 2h
new_passwords:
  description: The files of passwords that were made. They are worth a copy elsewhere.
  returned: success
  type: list
  elements: str
  sample: [/etc/gpulab/jupyter/keras/backup-password]
shared:
  description: Who can delete the backups of others by credentials that their instances share. Empty for nobody.
  returned: success
  type: str
  sample: ""
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_setup import prepare_all
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError


def main() -> None:
    module = AnsibleModule(
        argument_spec={"instances": {"type": "list", "elements": "dict", "required": True}},
        supports_check_mode=True,
    )
    try:
        result = prepare_all(module.params["instances"], module.check_mode)
        if result["shared"]:
            module.warn(result["shared"])
        module.exit_json(**result)
    except OperatorError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
