#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_image_work_info
short_description: See which processes build or move a Docker image
version_added: "0.2.0"
description:
  - Finds the processes of C(docker) that build, pull, push, save, load or import an image, also where they wait for
    each other, and the smoke tests of the role P(gpulab.workstation.keras_image#role).
  - Only processes of root, and of users who may use Docker Engine, count. Others can give theirs any name.
  - Docker Engine is not asked.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  root:
    description:
      - The directory that counts as C(/). For tests.
    type: path
    default: /
seealso:
  - module: gpulab.workstation.docker_engine_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Wait until no image is built or moved
  gpulab.workstation.docker_image_work_info:
  register: work
  until: work.processes == []
  delay: 15
  retries: 40
"""

RETURN = r"""
processes:
  description: Their IDs, in order.
  returned: success
  type: list
  elements: int
  sample: [4711]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import image_work


def main() -> None:
    module = AnsibleModule(argument_spec={"root": {"type": "path", "default": "/"}}, supports_check_mode=True)
    try:
        module.exit_json(changed=False, processes=image_work.find(module.params["root"]))
    except OSError as error:
        module.fail_json(msg=f"The processes of this machine cannot be seen: {error.filename}: {error.strerror}.")


if __name__ == "__main__":
    main()
