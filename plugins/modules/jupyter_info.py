#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_info
short_description: See whether notebook services answer, are what is configured, are at work, and are backed up
version_added: "0.2.0"
description:
  - Asks each notebook's own server, with its token, which stays on the host. With O(probe=kernel), also runs a cell.
  - Says what the last backup was, and whether there should be a newer one.
  - A notebook that does not answer does not fail the task. RV(instances[].health) and RV(instances[].kernel.health) say
    what is wrong.
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
      - The instances to look at. By default, all that are configured on the host.
    type: list
    elements: str
  probe:
    description:
      - V(api) asks the server over its API, and needs nothing of it.
      - V(kernel) also starts a kernel in the instance's container, has it import Keras and list the devices, and ends
        it. That takes seconds, and for this time some hundred megabytes of the container's memory.
    type: str
    choices: [api, kernel]
    default: api
  devices:
    description:
      - How the kernel lists the devices.
      - V(list_physical_devices) asks the framework of Keras' backend for what it could use.
      - V(device_lib) has TensorFlow set up every device. That takes memory of each GPU, beside whoever computes there.
    type: str
    choices: [list_physical_devices, device_lib]
    default: list_physical_devices
  timeout:
    description:
      - Seconds that each answer of Docker Engine may take, and the whole life of the kernel. What takes longer is
        ended, in the container too, and reported.
    type: float
    default: 60
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

- name: Run a cell in every notebook of the host
  gpulab.workstation.jupyter_info:
    probe: kernel
    timeout: 120
  register: jupyter

- name: Show what Keras sees there
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.kernel.devices | join(', ') or item.kernel.health }}"
  loop: "{{ jupyter.instances }}"
"""

RETURN = r"""
instances:
  description: Each of O(names), in order, or each instance of the host, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the instance.
      type: str
    user:
      description: Whose files it works on.
      type: str
    workdir:
      description: The directory on the host that is C(/src) in its container.
      type: str
    image:
      description: The image that it is configured to run.
      type: str
    url:
      description: Where people open it, by a name that its certificate has. Without the token.
      type: str
    fingerprint:
      description: The SHA-256 fingerprint of its certificate, as browsers show it. Empty where it speaks plain HTTP.
      type: str
    certificate:
      description: >-
        That a certificate of one's own (C(tls: files)) ends within 30 days, and what to do. A generated one is renewed
        by a restart, and then among RV(instances[].differs). Else empty.
      type: str
    show_token:
      description: The command that shows its token, on the host.
      type: str
    health:
      description: >-
        V(healthy), V(off) where it was taken out of service with C(enabled: false), or what is wrong.
      type: str
    advice:
      description: What to do where it has answered, and does not any more, which nobody restarts unasked. Else empty.
      type: str
    version:
      description: The version of Jupyter Server, by its own answer.
      type: str
    refuses_wrong_token:
      description: Whether it answers 403 to a wrong token.
      type: bool
    differs:
      description: >-
        What a restart would replace, such as V(older settings), V(an older image) or V(an older certificate).
      type: list
      elements: str
    busy:
      description: What a restart would destroy. A reason each.
      type: list
      elements: str
    proven:
      description: Whether a cell has run in its container since that was started, as far as the role has noted it.
      type: bool
    container:
      description: The ID of its container. Empty where none runs.
      type: str
    failed:
      description: >-
        Why what is configured was given up for what ran before, and is not tried again by itself. Empty where it was
        not.
      type: str
    pending:
      description: RV(instances[].differs) and RV(instances[].busy) in a sentence. Empty where nothing differs.
      type: str
    exposed:
      description: >-
        That other users who have a notebook on this machine can read its work directory, by the mode of that and of
        those above it, and what to do. Access lists are not looked at. Else empty.
      type: str
    unguarded:
      description: >-
        That neighbors of the machine, or its other users, reach its network, and why; its token guards it still. Empty
        where the rules for its network are in place, or where it does not run.
      type: str
    backup:
      description: Its backups. Empty where C(jupyter_backup) is off.
      type: dict
      contains:
        repository:
          description: Where they are, for restic. Without a password.
          type: str
        schedule:
          description: When they are made, as systemd has it.
          type: str
        snapshot:
          description: >-
            The last one made. C(id), C(time), C(files) and C(bytes) of it, and the bytes that it C(added) to the
            repository. Empty before the first.
          type: dict
        problem:
          description: Why the last backup failed, or that one is overdue, in sentences. Empty where all is well.
          type: str
    kernel:
      description: What a new kernel printed.
      returned: O(probe=kernel)
      type: dict
      contains:
        health:
          description: V(healthy), or what is wrong.
          type: str
        keras:
          description: The version of Keras. Like the following ones empty where the cell did not run.
          type: str
        backend:
          description: The backend of Keras, V(tensorflow), V(jax) or V(torch).
          type: str
        framework:
          description: The version of the backend's framework.
          type: str
        devices:
          description: What that can compute on, as O(devices) has it.
          type: list
          elements: str
        seconds:
          description: How long it took from the kernel's start to its end.
          type: float
  sample:
    - name: keras
      user: ada
      workdir: /home/ada/notebooks
      image: keras:cpu
      url: http://127.0.0.1:8888/lab
      fingerprint: ""
      certificate: ""
      show_token: sudo cat /etc/gpulab/jupyter/keras/token
      health: healthy
      advice: ""
      version: 2.21.1
      refuses_wrong_token: true
      differs: [an older image]
      failed: ""
      busy: [Untitled.ipynb runs a cell]
      pending: Instance keras runs with an older image, because Untitled.ipynb runs a cell.
      exposed: ""
      unguarded: ""
      backup:
        repository: /var/backups/gpulab/jupyter/keras
        schedule: "*-*-* 02:00:00"
        snapshot: {id: 7152636b, time: "2026-11-21T02:41:07+00:00", files: 212, bytes: 48130022, added: 91211}
        problem: ""
      kernel:
        health: healthy
        keras: 3.15.1
        backend: tensorflow
        framework: 2.21.0
        devices: ["CPU:0", "GPU:0"]
        seconds: 5.2
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.observe import observe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str"},
            "probe": {"type": "str", "choices": ["api", "kernel"], "default": "api"},
            "devices": {
                "type": "str",
                "choices": ["list_physical_devices", "device_lib"],
                "default": "list_physical_devices",
            },
            "timeout": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, instances=observe(**module.params))
    except OperatorError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
