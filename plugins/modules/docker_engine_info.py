#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_engine_info
short_description: See which Docker Engine is on a host, where it came from, and what runs on it
version_added: "0.1.0"
description:
  - Everything that has to be known before Docker Engine is installed, changed or removed, in one look. It replaces
    half a dozen tasks of the kind M(ansible.builtin.package_facts) and M(ansible.builtin.stat).
  - Works on a bare host, where neither Docker nor any Python package is installed, and while the engine is down.
  - The engine is only asked when its process is there, because a mere connection to its socket makes systemd start it.
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
      - Files to look for, such as those that the engine reads only when it starts.
    type: list
    elements: str
    default: []
  users:
    description:
      - Names of users that the host should have.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  settings:
    description:
      - The top-level keys of C(/etc/docker/daemon.json) to return. Name only those that hold no password.
    type: list
    elements: str
    default: []
    version_added: 0.3.0
  socket:
    description:
      - The engine's socket.
    type: path
    default: /run/docker.sock
  timeout:
    description:
      - Seconds to wait for each answer of the engine.
    type: int
    default: 10
  wait:
    description:
      - Seconds to wait until the engine answers, after a start. When they have passed, the engine is reported as it is.
    type: int
    default: 0
  root:
    description:
      - The directory that counts as C(/) for files and C(/proc). For tests.
    type: path
    default: /
seealso:
  - module: community.docker.docker_host_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Look at the engine
  gpulab.workstation.docker_engine_info:
    packages: [docker-ce, docker.io]
  register: docker

- name: Stop when something runs
  ansible.builtin.fail:
    msg: "{{ docker.containers.names | join(', ') }} would be stopped."
  when: docker.containers.running > 0
"""

RETURN = r"""
architecture:
  description: The architecture of the host's packages.
  returned: success
  type: str
  sample: amd64
packages:
  description: Those of O(packages) that are installed, by name.
  returned: success
  type: dict
  sample:
    docker.io:
      version: 26.1.5+dfsg1-9
      architecture: amd64
      held: false
snap:
  description: The revision of Docker's snap, or V(null) where it is not installed.
  returned: success
  type: str
  sample: "2963"
unpackaged:
  description: Programs of Docker that no package put there.
  returned: success
  type: list
  elements: str
  sample: [/usr/local/bin/docker]
enabled:
  description: Whether the engine is started at boot.
  returned: success
  type: bool
engine:
  description: The engine.
  returned: success
  type: dict
  contains:
    running:
      description: Whether C(dockerd) runs on this host, outside of containers.
      type: bool
    answers:
      description: Whether it answers on O(socket).
      type: bool
    problem:
      description: Why it does not.
      type: str
    version:
      description: Its version, by its own answer.
      type: str
    api_version:
      description: The highest version of the API it speaks.
      type: str
    pid:
      description: Its process.
      type: int
    started:
      description: When it was started, in seconds since 1970.
      type: float
    program:
      description: The program of the process.
      type: str
    outdated:
      description: Whether that program was replaced since, by an upgrade that did not restart the engine.
      type: bool
    reloaded:
      description: When it last reloaded its configuration, in seconds since 1970; 0 when it has not since it started.
      type: float
    data_root:
      description: Where it keeps images, containers and volumes.
      type: str
    containerd_snapshotter:
      description: Whether it keeps images in containerd's store instead of one of its own.
      type: bool
    live_restore:
      description: Whether it would leave containers running while it restarts.
      type: bool
    swarm:
      description: Whether it belongs to a swarm, in whatever state; such an engine does not start with live-restore.
      type: bool
  sample:
    running: true
    answers: true
    problem: ""
    version: 26.1.5+dfsg1
    api_version: "1.45"
    pid: 812
    started: 1795228800.25
    program: /usr/sbin/dockerd
    outdated: false
    data_root: /var/lib/docker
    containerd_snapshotter: false
    live_restore: true
    reloaded: 0.0
    swarm: false
containers:
  description: What the engine has, or where it does not answer, what is seen in C(/proc) and on the disk.
  returned: success
  type: dict
  contains:
    running:
      description: How many containers run. They may run on while the engine is down.
      type: int
    names:
      description: Their names, when the engine answers.
      type: list
      elements: str
    kept:
      description: How many containers exist, running or not.
      type: int
    volumes:
      description: How many volumes exist.
      type: int
  sample:
    running: 1
    names: [jupyter-keras]
    kept: 2
    volumes: 0
group:
  description: The group C(docker).
  returned: success
  type: dict
  sample:
    exists: true
    members: [ada]
missing_users:
  description: Those of O(users) that the host does not have.
  returned: success
  type: list
  elements: str
  sample: []
settings:
  description:
    - Those of O(settings) that daemon.json has. Empty for a file that cannot be read as JSON.
  returned: success
  type: dict
  sample:
    log-driver: json-file
routes:
  description:
    - The IPv4 networks that the host's main table routes, without the default route and without the networks of Docker
      itself.
  returned: success
  type: list
  elements: dict
  contains:
    network:
      description: The network.
      type: str
    interface:
      description: The interface through which it is reached.
      type: str
  sample:
    - network: 192.0.2.0/24
      interface: eth0
files:
  description: For each of O(files), whether it exists, what is in it, and whether it is newer than the engine's start.
  returned: success
  type: dict
  sample:
    /etc/systemd/system/docker.service.d/proxy.conf:
      exists: true
      sha256: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
      newer_than_engine: false
highest_open_files:
  description: The highest limit of open files that a service on this host may have.
  returned: success
  type: int
  sample: 1048576
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import observe, packages, processes


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "files": {"type": "list", "elements": "str", "default": []},
            "users": {"type": "list", "elements": "str", "default": []},
            "settings": {"type": "list", "elements": "str", "default": []},
            "socket": {"type": "path", "default": "/run/docker.sock"},
            "timeout": {"type": "int", "default": 10},
            "wait": {"type": "int", "default": 0},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    root: str = module.params["root"]
    socket: str = module.params["socket"]
    timeout: int = module.params["timeout"]

    query = ["dpkg-query", f"--admindir={os.path.join(root, 'var/lib/dpkg')}", "--show"]
    # dpkg itself is always installed, and its architecture is the host's. The exit code is 1 when any other is unknown.
    _rc, answer, _errors = module.run_command(
        [*query, f"--showformat={packages.SHOW_FORMAT}", "dpkg", *module.params["packages"]]
    )
    installed = packages.parse(answer)
    dpkg = installed.pop("dpkg", {"architecture": ""})
    engine = observe.wait_for_engine(socket, timeout, root, module.params["wait"])
    module.exit_json(
        changed=False,
        architecture=dpkg["architecture"],
        packages=installed,
        snap=observe.snap(root),
        unpackaged=observe.unpackaged_programs(root),
        enabled=observe.is_enabled(root),
        engine=engine,
        containers=observe.containers(engine, socket, timeout, root),
        group=observe.group("docker"),
        missing_users=observe.missing_users(module.params["users"]),
        settings=observe.settings(module.params["settings"], root),
        routes=observe.routes(engine, socket, timeout, root),
        files=observe.files(module.params["files"], engine, root),
        highest_open_files=processes.highest_open_files(root),
    )


if __name__ == "__main__":
    main()
