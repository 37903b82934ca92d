#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_registry_info
short_description: See whether a lab's registry is as it should be, and who may do what with it
version_added: "0.2.0"
description:
  - Everything that the role P(gpulab.workstation.lab_registry#role) decides by, in one look on the registry's host -
    packages, files, units, accounts, clients, free space, and what the two ports answer to whom.
  - The ports are asked over TLS, by the lab's own authority and for the name that clients use. No question leaves a
    trace in the storage.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: debian
options:
  packages:
    description:
      - The packages to look for.
    type: list
    elements: str
    default: []
  files:
    description:
      - Files to look for.
    type: list
    elements: str
    default: []
  texts:
    description:
      - Files whose text is returned, without secrets.
    type: list
    elements: str
    default: []
    version_added: "0.3.0"
  units:
    description:
      - Units of systemd to look for.
    type: list
    elements: str
    default: []
  storage:
    description:
      - The directory that the registry keeps images in. It need not exist.
    type: path
    default: /var/lib/docker-registry
  password_files:
    description:
      - Which accounts each file of C(htpasswd) should have.
    type: dict
    default: {}
  accounts:
    description:
      - The password of each account. Without any, nothing is asked of the ports.
    type: dict
    default: {}
  host:
    description:
      - The name that clients use, which the certificate must have.
    type: str
    default: localhost
  address:
    description:
      - The address to connect to.
    type: str
    default: 127.0.0.1
  pull_port:
    description:
      - The port on which nobody may write.
    type: int
    default: 5000
  push_port:
    description:
      - The port on which only the account C(push) is let in.
    type: int
    default: 5001
  ca:
    description:
      - The certificate of the lab's authority, as PEM.
    type: str
    default: ""
  timeout:
    description:
      - Seconds to wait for each answer.
    type: int
    default: 10
  wait:
    description:
      - Seconds to wait until everything answers as it should, after a start. When they have passed, what was seen last
        is returned.
    type: int
    default: 0
seealso:
  - module: gpulab.workstation.docker_engine_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Look at the registry
  gpulab.workstation.lab_registry_info:
    units: [docker-registry.service, docker-registry-push.service]
    host: registry.lab.example
    ca: "{{ lookup('ansible.builtin.file', '.gpulab/registry/ca.pem') }}"
    accounts:
      pull: "{{ pull_password }}"
      push: "{{ push_password }}"
  register: registry

- name: Stop when somebody gets in who should not
  ansible.builtin.fail:
    msg: "{{ registry.answers | rejectattr('good') }}"
  when: not registry.answers | map(attribute='good') is all
"""

RETURN = r"""
packages:
  description: Those of O(packages) that are installed, with their version.
  returned: success
  type: dict
  sample: {docker-registry: 2.8.3+ds1-2}
files:
  description: What each of O(files) is. C(written) is in seconds since 1970.
  returned: success
  type: dict
  sample:
    /etc/docker/registry/pull.yml:
      exists: true
      sha256: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
      mode: "0640"
      group: docker-registry
      written: 1795228800.25
texts:
  description: The text of each of O(texts), empty where there is none, and 64 KiB of it at most.
  returned: success
  type: dict
  sample: {/etc/docker/registry/server.pem: "-----BEGIN CERTIFICATE-----..."}
now:
  description: The host's clock, in seconds since 1970.
  returned: success
  type: float
  sample: 1795228900.5
units:
  description: Each of O(units). C(started) is in seconds since 1970, and 0 when it does not run.
  returned: success
  type: dict
  sample:
    docker-registry.service:
      active: true
      enabled: true
      needs_reload: false
      started: 1795228810.5
      result: success
passwords:
  description: The accounts of each of O(password_files) whose password is the one in O(accounts).
  returned: success
  type: dict
  sample: {/etc/docker/registry/push.htpasswd: [push]}
ports:
  description:
    - For both ports, whether something listens there, and how many clients are connected.
    - A client that has neither sent nor got anything for five minutes does not count, where the kernel says so.
  returned: success
  type: dict
  sample:
    "5000": {listening: true, clients: 3}
    "5001": {listening: true, clients: 0}
space:
  description: The file system of O(storage); bytes, and the percentage in use as C(df) shows it.
  returned: success
  type: dict
  sample: {free: 105088212992, used: 24739012608, percent: 20}
answers:
  description: What the ports answered. C(status) is 0 where there was no answer, and C(problem) says why.
  returned: success
  type: list
  elements: dict
  sample:
    - port: 5000
      account: pull
      method: GET
      expected: 200
      status: 200
      problem: ""
      good: true
"""

import time
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import packages
from ansible_collections.gpulab.workstation.plugins.module_utils._lab_registry import (
    answers,
    connections,
    observe,
    units,
)

PAUSE = 0.5


def installed(module: AnsibleModule, names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    # The exit code is 1 when any of them is unknown.
    _rc, answer, _errors = module.run_command(["dpkg-query", "--show", f"--showformat={packages.SHOW_FORMAT}", *names])
    return {name: one["version"] for name, one in packages.parse(answer).items()}


def states(module: AnsibleModule, names: list[str]) -> dict[str, dict[str, t.Any]]:
    if not names:
        return {}
    _rc, answer, _errors = module.run_command(["systemctl", "show", f"--property={units.PROPERTIES}", *names])
    nothing = {"active": False, "enabled": False, "needs_reload": False, "started": 0.0, "result": ""}
    found = units.parse(answer, time.time() - time.clock_gettime(time.CLOCK_MONOTONIC))
    return {name: found.get(name, nothing) for name in names}


def matching(module: AnsibleModule, path: str, names: list[str], passwords: dict[str, str]) -> list[str]:
    """The accounts whose password the file has. By standard input: arguments are there for every user to see."""
    program = module.get_bin_path("htpasswd")
    if not program:
        return []
    # Of any other, htpasswd ends before it reads the password, and writing that to it fails.
    known = [name for name in names if name in passwords and name in observe.accounts(path)]
    return [name for name in known if module.run_command([program, "-vi", path, name], data=passwords[name])[0] == 0]


def asked(module: AnsibleModule) -> list[dict[str, t.Any]]:
    params = module.params
    if not params["accounts"]:
        return []
    return [
        answers.ask(one, params["accounts"], params["address"], params["host"], params["ca"], params["timeout"])
        for one in answers.questions(params["accounts"], params["pull_port"], params["push_port"])
    ]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "str", "default": []},
            "texts": {"type": "list", "elements": "str", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "storage": {"type": "path", "default": "/var/lib/docker-registry"},
            "password_files": {"type": "dict", "default": {}, "no_log": False},
            "accounts": {"type": "dict", "default": {}, "no_log": True},
            "host": {"type": "str", "default": "localhost"},
            "address": {"type": "str", "default": "127.0.0.1"},
            "pull_port": {"type": "int", "default": 5000},
            "push_port": {"type": "int", "default": 5001},
            "ca": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 10},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    deadline = time.monotonic() + params["wait"]
    # Before the questions below become clients themselves.
    ports = connections.look([params["pull_port"], params["push_port"]])
    seen = asked(module)
    while not all(one["good"] for one in seen) and time.monotonic() < deadline:
        time.sleep(PAUSE)
        seen = asked(module)
    module.exit_json(
        changed=False,
        packages=installed(module, params["packages"]),
        files=observe.files(params["files"]),
        texts={path: observe.text(path) for path in params["texts"]},
        now=time.time(),
        units=states(module, params["units"]),
        passwords={
            path: matching(module, path, names, params["accounts"]) for path, names in params["password_files"].items()
        },
        ports=ports,
        space=observe.space(params["storage"]),
        answers=seen,
    )


if __name__ == "__main__":
    main()
