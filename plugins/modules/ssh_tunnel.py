#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ssh_tunnel
short_description: Keep a port of a host open on this machine's loopback
version_added: "0.2.0"
description:
  - Opens a tunnel with OpenSSH that outlives the play, asks whether it is open, and closes it.
  - Made for the controller, with C(delegate_to=localhost). The tunnel is a control master of its own, so it
    neither uses nor disturbs Ansible's connections. It never asks for a password.
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
  name:
    description:
      - Names the tunnel, which can be open once.
    type: str
    required: true
  state:
    description:
      - V(present) opens it where it is not open as wanted; V(absent) closes it; V(query) only looks.
    type: str
    choices: [present, absent, query]
    default: present
  directory:
    description:
      - Where its control socket is, on the machine that the module runs on. It is made, for its owner only.
    type: path
    default: ~/.ansible/gpulab
  destination:
    description:
      - Host, or user@host, as for C(ssh). Needed for O(state=present).
    type: str
  ssh_args:
    description:
      - More arguments of C(ssh), quoted as for a shell, like those of C(ansible_ssh_common_args).
    type: str
    default: ""
  host:
    description:
      - Where the tunnel leads, as seen from the destination.
    type: str
    default: 127.0.0.1
  port:
    description:
      - Which port that is. Needed for O(state=present).
    type: int
  local_port:
    description:
      - The port on this machine's loopback. Needed for O(state=present).
    type: int
  timeout:
    description:
      - Seconds until an C(ssh) that does not connect is given up.
    type: float
    default: 30
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Open a tunnel to the notebook
  gpulab.workstation.ssh_tunnel:
    name: lab01
    destination: admin@lab01.example.org
    ssh_args: -i ~/.ssh/lab
    port: 8888
    local_port: 18888
  delegate_to: localhost

- name: Close it
  gpulab.workstation.ssh_tunnel:
    name: lab01
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
up:
  description: Whether it is open, after what was done.
  returned: success
  type: bool
local_port:
  description: The port on this machine's loopback. 0 where it is not open.
  returned: success
  type: int
  sample: 18888
forwarded:
  description: Where it leads. Empty where it is not open.
  returned: success
  type: str
  sample: 127.0.0.1:8888
"""

import shlex
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._ssh_tunnel.tunnel import (
    Target,
    Tunnel,
    TunnelError,
    wanted_record,
)


def settle(tunnel: Tunnel, params: dict[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    state = params["state"]
    target = Target(
        tuple(shlex.split(params["ssh_args"])),
        params["destination"] or "",
        params["host"],
        params["port"] or 0,
    )
    was_up = tunnel.is_up()
    changed = was_up if state == "absent" else False
    if state == "present":
        changed = not (was_up and tunnel.is_as_wanted(target, params["local_port"]))
    if changed and not check_mode:
        if was_up:
            tunnel.close()
        if state == "present":
            tunnel.open(target, params["local_port"])
    is_up = state == "present" or (state == "query" and was_up)
    seen = wanted_record(target, params["local_port"] or 0) if state == "present" else tunnel.open_ports()
    return {
        "changed": changed,
        "up": is_up,
        "local_port": seen.get("local_port", 0) if is_up else 0,
        "forwarded": seen.get("forwarded", "") if is_up else "",
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "query"], "default": "present"},
            "directory": {"type": "path", "default": "~/.ansible/gpulab"},
            "destination": {"type": "str"},
            "ssh_args": {"type": "str", "default": ""},
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int"},
            "local_port": {"type": "int"},
            "timeout": {"type": "float", "default": 30},
        },
        required_if=[("state", "present", ["destination", "port", "local_port"])],
        supports_check_mode=True,
    )
    tunnel = Tunnel(module.params["name"], Path(module.params["directory"]), module.params["timeout"])
    try:
        module.exit_json(**settle(tunnel, module.params, module.check_mode))
    except (TunnelError, ValueError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
