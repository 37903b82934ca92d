#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: docker_daemon_config
short_description: Merge settings into Docker Engine's daemon.json, and say whether they need a reload or a restart
version_added: "0.1.0"
description:
  - Merges settings into the configuration file of Docker Engine, which other tools write too, and leaves everything
    else in it as it was, down to the layout. The file is not touched when nothing changes.
  - Validates the result before it replaces the file, by C(dockerd --validate) where the installed engine has it (23.0
    and later).
  - Reports in RV(requires) what the engine needs so that it holds the file, measured against what it is known to have
    taken, so that a run which was broken off before its handler is completed by the next one.
  - The module itself never reloads or restarts the engine.
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - User and password of URLs in the file are masked in the diff.
  idempotent:
    support: full
  platform:
    platforms: linux
    support: full
options:
  path:
    description:
      - The configuration file. A symbolic link stays, the file that it points to is replaced.
      - A file that does not exist is made, with mode V(0644) and its directory. An existing one keeps mode, owner and
        group.
    type: path
    default: /etc/docker/daemon.json
  settings:
    description:
      - Keys to set. Objects are merged deeply, lists and all other values are replaced.
      - Options of a log driver do not outlive it, where V(log-driver) changes, V(log-opts) is replaced.
      - V(null) is refused, because it is mostly a variable that was not set; to remove a key, use O(absent).
      - The task's arguments are logged on the host. Set C(no_log) on the task when a value holds a password.
    type: dict
  absent:
    description:
      - Key paths to remove, each a list of strings, because keys can contain dots, for example V([[log-opts,
        max-file], [debug]]).
      - A path that is not there is fine. An object that becomes empty stays, because a reload takes V({}), but does
        not notice that a key is gone.
      - A path cannot be here and in O(settings).
    type: list
    elements: raw
  backup:
    description:
      - Keep a copy of the file, with a time stamp in its name, before it is replaced.
    type: bool
    default: false
  validate:
    description:
      - Refuse a configuration with which the engine would not start. The file stays as it was.
      - Keys that the service also sets by a flag of C(dockerd) are found in its systemd unit with drop-ins, or in
        C(/etc/default/docker) where an init script starts it.
      - Options that the log driver does not know are found by a table, because C(dockerd --validate) accepts them.
      - Then C(dockerd --validate) judges the result. Where there is no engine yet, or one before 23.0, which cannot,
        keys and types are checked against a table of the engine's options instead; an option that the table does not
        know is an error for the old engine, and a warning where none is installed.
    type: bool
    default: true
  acknowledge:
    description:
      - Record that the engine has taken the file as it is now, and change nothing else.
      - V(reloaded) is for after a successful reload. It covers the keys that a reload takes; the others stay in
        RV(pending) until the engine is started again.
      - V(started) is for after a start or restart that the module cannot see by itself, and covers all keys. It
        mostly can, see the notes.
    type: str
    choices: [reloaded, started]
  restore:
    description:
      - Put back the last file that an engine ran with, all keys of it, and keep the present one beside it as
        RV(backup_file).
      - The way back when an engine does not start with a new file. Nothing is changed where no such file is known.
    type: bool
    default: false
    version_added: 0.3.0
  state_path:
    description:
      - The record of what the engine has acknowledged. It holds a copy of the configuration, and is readable by its
        owner only.
      - Each O(path) needs its own.
    type: path
    default: /var/lib/gpulab/docker/daemon.json.acknowledged
  root:
    description:
      - The directory that counts as C(/) for all other paths, for the service's files, the engine's program and
        C(/proc). For the preparation of images, and for tests.
    type: path
    default: /
notes:
  - Without O(settings), O(absent), O(acknowledge) and O(restore), the module only reports.
  - "RV(requires) compares the file with what the engine is known to hold: on the first run of this module on a host,
    that is what the file held before, the best knowledge there is. From then on it is what has been acknowledged."
  - The module remembers which engine process was running when the file was last written or seen changed. When another
    one is running later, and the file is still the same, then that engine has read all of it. So a first start, a
    restart, a crash or a reboot by anybody counts without O(acknowledge). An edit by somebody else counts as not yet
    taken.
  - While no engine is running with O(path), nothing is required, since its start reads the file.
  - Several of the keys that a reload takes are only noticed while they are in the file (V(live-restore),
    V(registry-mirrors), V(labels), V(runtimes) and more). Removing one needs a restart; setting it to its default,
    such as V([]), needs a reload only.
  - A byte order mark (UTF-8) is accepted. It is dropped when O(settings) or O(absent) is given, which counts as a
    change, because older engines and C(nvidia-ctk) cannot read a file with one. An empty file counts as V({}).
  - "Of C(features), only V(buildkit) is reloaded: engines read V(cdi) and V(containerd-snapshotter) when they
    start, and a feature that is not known to be read later is treated in the same way."
seealso:
  - name: dockerd, the daemon configuration file and what a reload takes
    description: Docker's own reference.
    link: https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Keep containers running while the engine restarts, and rotate their logs
  gpulab.workstation.docker_daemon_config:
    settings:
      live-restore: true
      log-opts:
        max-size: 10m
        max-file: "3"
    backup: true

- name: Remove one runtime and a key that has become useless
  gpulab.workstation.docker_daemon_config:
    absent:
      - [runtimes, old]
      - [storage-opts]

# A role notifies its handler also when an earlier run was broken off: the file is unchanged then, but not yet taken.
- name: Merge the settings into daemon.json
  gpulab.workstation.docker_daemon_config:
    settings:
      registry-mirrors:
        - https://mirror.lab.example
  register: result
  changed_when: result is changed or result.requires != 'none'
  notify: Apply the configuration of Docker Engine

# The tasks of that handler.
- name: Ask what the engine has to take
  gpulab.workstation.docker_daemon_config:
  register: result

- name: Reload the engine
  ansible.builtin.systemd_service:
    name: docker.service
    state: reloaded
  when: result.requires != 'none'

- name: Record the reload
  gpulab.workstation.docker_daemon_config:
    acknowledge: reloaded
  register: result
  when: result.requires != 'none'

- name: Restart the engine for what a reload does not take
  ansible.builtin.systemd_service:
    name: docker.service
    state: restarted
  when: result.requires | default('none') == 'restart'
"""

RETURN = r"""
changed_keys:
  description: The key paths that this run changed in the file, or would change in check mode.
  returned: success
  type: list
  elements: list
  sample: [[live-restore], [log-opts, max-size]]
requires:
  description:
    - What the engine needs so that it holds the file as it is now, changes of earlier runs included.
    - V(none) while no engine is running with the file.
  returned: success
  type: str
  choices: [none, reload, restart]
  sample: reload
pending:
  description: The key paths that the engine has not taken yet, with what each needs.
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: The key path.
      type: list
      elements: str
    requires:
      description: What this key needs, V(reload) or V(restart).
      type: str
  sample:
    - key: [default-address-pools]
      requires: restart
validated_by:
  description:
    - Who accepted the new configuration, V(engine) for C(dockerd --validate), V(builtin) for this module's table of
      options.
    - V(none) when nothing was to be written, or O(validate=false).
  returned: success
  type: str
  choices: [engine, builtin, none]
  sample: engine
restored:
  description: Whether another file was put back.
  returned: when O(restore=true)
  type: bool
  sample: true
real_path:
  description: The file that O(path) leads to, all symbolic links resolved.
  returned: success
  type: str
  sample: /etc/docker/daemon.json
backup_file:
  description: The copy of the file as it was before.
  returned: when O(backup=true) or O(restore=true), the file existed and was replaced
  type: str
  sample: /etc/docker/daemon.json.4711.2026-11-21@10:15:00~
"""

import contextlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.files import alone
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.manager import DaemonConfigManager


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "default": "/etc/docker/daemon.json"},
            "settings": {"type": "dict"},
            "absent": {"type": "list", "elements": "raw"},
            "backup": {"type": "bool", "default": False},
            "validate": {"type": "bool", "default": True},
            "acknowledge": {"type": "str", "choices": ["reloaded", "started"]},
            "restore": {"type": "bool", "default": False},
            "state_path": {"type": "path", "default": "/var/lib/gpulab/docker/daemon.json.acknowledged"},
            "root": {"type": "path", "default": "/"},
        },
        mutually_exclusive=[(event, keys) for event in ("acknowledge", "restore") for keys in ("settings", "absent")],
        supports_check_mode=True,
    )
    # Check mode only reads, and leaves no trace, not even for a moment.
    lock = contextlib.nullcontext() if module.check_mode else alone(module.params["root"])
    try:
        with lock:
            manager = DaemonConfigManager(module)
            if module.params["acknowledge"]:
                result = manager.acknowledge(module.params["acknowledge"])
            elif module.params["restore"]:
                result = manager.restore()
            elif module.params["settings"] is None and module.params["absent"] is None:
                result = manager.report()
            else:
                result = manager.manage()
    except DaemonConfigError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
