#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_supervisor
short_description: Install the program that keeps notebook services running
version_added: "0.2.0"
description:
  - Writes the main process of the units of the role P(gpulab.workstation.jupyter#role), one executable file.
  - The program is the one that this version of the collection brings. It needs nothing but Python 3.8.
  - Supervisors that run already go on with the version that they were started with, until their unit is reloaded.
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: The file is an archive.
  idempotent:
    support: full
  platform:
    support: full
    platforms: posix
options:
  dest:
    description:
      - Where to write it. Directories that are missing are made.
    type: path
    default: /usr/local/libexec/gpulab/jupyter-supervisor
seealso:
  - module: gpulab.workstation.jupyter_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Install the supervisor
  gpulab.workstation.jupyter_supervisor:
"""

RETURN = r"""
dest:
  description: Where the program is.
  returned: success
  type: str
  sample: /usr/local/libexec/gpulab/jupyter-supervisor
"""

import os
import tempfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import program

MODE = 0o755


def is_installed(dest: str, content: bytes) -> bool:
    try:
        with open(dest, "rb") as file:
            return file.read() == content and os.stat(dest).st_mode & 0o7777 == MODE
    except FileNotFoundError:
        return False


def install(module: AnsibleModule, dest: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(dest), mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.chmod(temporary, MODE)
    module.atomic_move(temporary, dest)
    # atomic_move keeps the mode of the file that it replaces.
    os.chmod(dest, MODE)


def main() -> None:
    module = AnsibleModule(
        argument_spec={"dest": {"type": "path", "default": "/usr/local/libexec/gpulab/jupyter-supervisor"}},
        supports_check_mode=True,
    )
    dest: str = module.params["dest"]
    content = program.build()
    try:
        changed = not is_installed(dest, content)
        if changed and not module.check_mode:
            install(module, dest, content)
    except OSError as error:
        module.fail_json(msg=f"{dest} cannot be written: {error}. Free the space, or run the task with become.")
    module.exit_json(changed=changed, dest=dest)


if __name__ == "__main__":
    main()
