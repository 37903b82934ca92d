#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: apt_source
short_description: Make one deb822 source the only active entry of an apt repository
version_added: "0.1.0"
description:
  - Writes C(/etc/apt/sources.list.d/NAME.sources) and the key that signs the repository.
  - Before that, looks through all of apt's sources, in both formats, for other active entries of the same repository
    and switches them off, each file backed up, so that apt never stops with C(Conflicting values set for option
    Signed-By).
  - Needs neither C(python3-debian), as M(ansible.builtin.deb822_repository) does, nor an apt that works, so it can
    repair a host on which that conflict has already broken apt.
  - The package lists are not updated; do that when the task has changed something.
extends_documentation_fragment:
  - gpulab.workstation._attributes
attributes:
  check_mode:
    support: full
    details:
      - A key is not fetched in check mode, so one that cannot be fetched is not noticed.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    support: full
    platforms: debian
options:
  name:
    description:
      - Names the files, C(/etc/apt/sources.list.d/NAME.sources) and C(/etc/apt/keyrings/NAME.asc).
    type: str
    required: true
  state:
    description:
      - V(absent) removes the two files. Entries that were switched off stay off.
    type: str
    choices: [present, absent]
    default: present
  uri:
    description:
      - The repository. Required for O(state=present).
      - Another entry is one of the same repository when it differs at most by C(http) or C(https), the case of the
        host or slashes.
    type: str
  replaces:
    description:
      - More URIs whose entries are switched off, such as the public archive that a mirror in O(uri) replaces.
    type: list
    elements: str
    default: []
  suites:
    description:
      - Required for O(state=present).
    type: list
    elements: str
  components:
    description:
      - Empty for a flat repository.
    type: list
    elements: str
    default: []
  architectures:
    description:
      - Empty for all architectures that the host has enabled.
    type: list
    elements: str
    default: []
  key_url:
    description:
      - Where the armored signing key is fetched from, when the keyring is missing or came from elsewhere.
      - One of O(key_url) and O(key) is required for O(state=present).
    type: str
  key:
    description:
      - The armored signing key itself.
    type: str
  fingerprint:
    description:
      - The fingerprint of the signing key, 40 or 64 hexadecimal digits, with or without spaces. Several have commas
        between them.
      - A file with any other key is refused. Where the keyring that is there has one, the key is fetched again.
      - Required for an O(key_url) of plain C(http), except on the host itself.
    type: str
    default: ""
    version_added: "0.2.0"
  refresh_key:
    description:
      - Fetch the key again even when it is there, for an archive that has renewed its key.
    type: bool
    default: false
  keyring:
    description:
      - Where the key is kept. By default C(/etc/apt/keyrings/NAME.asc).
    type: path
  timeout:
    description:
      - Seconds that fetching the key may take.
    type: int
    default: 30
  root:
    description:
      - The directory that counts as C(/). For the preparation of images, and for tests.
    type: path
    default: /
seealso:
  - module: ansible.builtin.deb822_repository
  - name: sources.list(5)
    description: Both formats of apt's sources.
    link: https://manpages.debian.org/stable/apt/sources.list.5.en.html
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Use Docker's own repository, whatever an earlier installation has left behind
  gpulab.workstation.apt_source:
    name: docker
    uri: https://download.docker.com/linux/debian
    suites: [trixie]
    components: [stable]
    architectures: [amd64]
    key_url: https://download.docker.com/linux/debian/gpg
    fingerprint: 9DC8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88

- name: Use a mirror of it in a lab without internet
  gpulab.workstation.apt_source:
    name: docker
    uri: http://mirror.lab.example/docker/debian
    replaces: [https://download.docker.com/linux/debian]
    suites: [trixie]
    components: [stable]
    key: "{{ lookup('ansible.builtin.file', 'docker.asc') }}"
"""

RETURN = r"""
path:
  description: The source file.
  returned: success
  type: str
  sample: /etc/apt/sources.list.d/docker.sources
keyring:
  description: The file with the key.
  returned: success
  type: str
  sample: /etc/apt/keyrings/docker.asc
migrated:
  description: The other entries of the repository that were switched off.
  returned: success
  type: list
  elements: dict
  contains:
    file:
      description: The file.
      type: str
    line:
      description: The line at which the entry began, before the change.
      type: int
    entry:
      description: The entry in short.
      type: str
    backup_file:
      description: The copy of the file as it was; empty in check mode.
      type: str
  sample:
    - file: /etc/apt/sources.list.d/docker.list
      line: 1
      entry: deb [signed-by=/usr/share/keyrings/docker.gpg] https://download.docker.com/linux/debian trixie stable
      backup_file: /etc/apt/sources.list.d/docker.list.4711.2026-11-21@10:15:00~
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._apt_sources.manager import (
    AptSourceError,
    AptSourceManager,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "uri": {"type": "str"},
            "replaces": {"type": "list", "elements": "str", "default": []},
            "suites": {"type": "list", "elements": "str"},
            "components": {"type": "list", "elements": "str", "default": []},
            "architectures": {"type": "list", "elements": "str", "default": []},
            "key_url": {"type": "str", "no_log": False},
            "key": {"type": "str", "no_log": False},
            "fingerprint": {"type": "str", "default": ""},
            "refresh_key": {"type": "bool", "default": False, "no_log": False},
            "keyring": {"type": "path", "no_log": False},
            "timeout": {"type": "int", "default": 30},
            "root": {"type": "path", "default": "/"},
        },
        mutually_exclusive=[("key", "key_url")],
        required_if=[("state", "present", ("uri", "suites")), ("state", "present", ("key", "key_url"), True)],
        supports_check_mode=True,
    )
    manager = AptSourceManager(module)
    try:
        result = manager.present() if module.params["state"] == "present" else manager.absent()
    except AptSourceError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
