#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_host_info
short_description: See what would keep notebook services from starting on a host
version_added: "0.2.0"
description:
  - What the role P(gpulab.workstation.jupyter#role) asks before it changes anything, in one look.
  - Nothing is started, stopped or written. The user's directories are tried with the user's own rights, because those
    of root say nothing on NFS with C(root_squash).
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: posix
options:
  instances:
    description:
      - The instances, each with every key that C(settings.json) has.
    type: list
    elements: dict
    required: true
  allow_plain_http:
    description:
      - Whether an address that others can reach may be used without TLS.
    type: bool
    default: false
  allow_docker_users:
    description:
      - Whether a user who may use Docker Engine, which equals being root, may have a notebook beside other users'.
    type: bool
    default: false
  share_gpus:
    description:
      - Whether several instances may name the same GPU.
    type: bool
    default: false
  remove_unlisted:
    description:
      - Whether instances that are on the host and not among O(instances) are to be removed first. Their ports and
        GPUs count as free then, unless somebody is at work there.
    type: bool
    default: false
  force:
    description:
      - Whether those are to be removed whoever is at work.
    type: bool
    default: false
seealso:
  - module: gpulab.workstation.jupyter_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Look at the host
  gpulab.workstation.jupyter_host_info:
    instances:
      - name: keras
        enabled: true
        image: keras:cpu
        user: ada
        port: 8888
        bind_address: 127.0.0.1
        workdir: ~/notebooks
        home: ""
        memory: 75%
        cpus: 0
        shm_size: 1g
        pids_limit: 4096
        environment: {}
        start_timeout: 120
        stop_timeout: 30
        idle_minutes: 60
        tls: none
  register: host

- name: Stop when something is wrong
  ansible.builtin.fail:
    msg: "{{ host.problems | join(' ') }}"
  when: host.problems | length > 0
"""

RETURN = r"""
problems:
  description: What keeps the instances from running here, a sentence each.
  returned: success
  type: list
  elements: str
  sample:
    - "Instance keras: port 8888 of 127.0.0.1 is taken by nginx (process 812); give it another `port`, or stop that."
advice:
  description: What works, and is worth a thought, a sentence each.
  returned: success
  type: list
  elements: str
engine_error:
  description: Why Docker Engine cannot be asked. Empty where it answers.
  returned: success
  type: str
missing_images:
  description: Images that instances name and the engine does not have.
  returned: success
  type: list
  elements: str
missing_users:
  description: Users that instances name and the host does not have.
  returned: success
  type: list
  elements: str
gpus:
  description: >-
    The GPUs of each instance. Where C(gpus) is V(auto), what was chosen; an instance keeps what it had. Empty for none.
  returned: success
  type: dict
  sample: {"ada": ["GPU-5d9e1a3e-0000-4000-8000-000000000001"], "keras": []}
missing_directories:
  description: Directories of settings that are to be made.
  returned: success
  type: list
  elements: str
units:
  description: >-
    The names of instances by what is to be done about their units, C(to_start), C(to_stop) or nothing (C(settled)), and
    by what they are, C(active), C(failed) or C(starting). C(unlisted) are those that are on the host and not among
    O(instances).
  returned: success
  type: dict
  sample:
    {"active": ["keras"], "failed": [], "settled": ["keras"], "starting": [], "to_start": [], "to_stop": [],
     "unlisted": []}
nft:
  description: Where the program nft is, which closes the notebooks' networks. Empty where it is not.
  returned: success
  type: str
  sample: /usr/sbin/nft
backups:
  description: >-
    The instances that are backed up by themselves (C(timers)), and where restic is, which makes backups. Empty where it
    is not.
  returned: success
  type: dict
  sample: {"timers": ["keras"], "restic": /usr/bin/restic}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.preflight import preflight


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "dict", "required": True},
            "allow_plain_http": {"type": "bool", "default": False},
            "allow_docker_users": {"type": "bool", "default": False},
            "share_gpus": {"type": "bool", "default": False},
            "remove_unlisted": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **preflight(**module.params, check_mode=module.check_mode))
    except OperatorError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
