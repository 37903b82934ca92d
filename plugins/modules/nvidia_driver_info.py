#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_driver_info
short_description: See which NVIDIA driver a host needs, what stands in its way, and who uses the GPUs
version_added: "0.2.0"
description:
  - Chooses branch and kernel module by the generation of the host's GPUs, from what the distribution's packages have,
    and names everything that stands in the way at once.
  - Says who uses the GPUs, because a driver that is replaced under them ends their work with
    C(Driver/library version mismatch).
  - Says whether the installed driver is the one that is loaded, and if not, why a reboot is needed.
  - Nothing is installed, loaded or unloaded. C(nvidia-smi) is run only where a driver is loaded, because otherwise it
    would load one.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: debian
options:
  branch:
    description:
      - The branch, such as V(570).
      - V(auto) keeps the branch that is installed, else takes the newest that every GPU can use. It takes none from
        backports; a number may name one that is only there.
    type: str
    default: auto
  flavour:
    description:
      - The kernel module. V(auto) keeps the installed one, else goes by the GPUs.
    type: str
    choices: [auto, open, proprietary]
    default: auto
  server:
    description:
      - On Ubuntu, the C(-server) packages.
    type: bool
    default: true
  graphics:
    description:
      - Also what a screen needs.
    type: bool
    default: false
  extra_packages:
    description:
      - More packages of the driver.
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - Whether an installed driver may be replaced.
    type: bool
    default: false
  components:
    description:
      - The components that the archives in Debian's sources are to have.
    type: list
    elements: str
    default: []
  before_sources:
    description:
      - Whether apt's sources and lists are yet to be completed. What they do not show is then no problem, and where
        they show no driver at all, Debian's releases are known to have one.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that each program may take.
    type: int
    default: 30
  root:
    description:
      - The directory that counts as C(/), also for programs. For tests.
    type: path
    default: /
seealso:
  - module: gpulab.workstation.gpu_visibility_info
  - name: NVIDIA's kernel modules
    description: Which GPUs need the open module, and which the proprietary one.
    link: https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Look at the driver
  gpulab.workstation.nvidia_driver_info:
  register: driver

- name: Say what stands in the way
  ansible.builtin.debug:
    msg: "{{ driver.problems | map(attribute='message') }}"

- name: Reboot where the driver needs it, and nobody would notice
  ansible.builtin.reboot:
  when: driver.reboot_required and (driver.in_use + driver.reboot_obstacles) | length == 0
"""

RETURN = r"""
gpus:
  description: The GPUs on the PCI bus.
  returned: success
  type: list
  elements: dict
  contains:
    pci_bus_id:
      description: Where it is.
      type: str
    pci_device_id:
      description: What it is.
      type: str
    generation:
      description: NVIDIA's name of its architecture.
      type: str
    kernel_driver:
      description: The driver that is bound to it, or V(null).
      type: str
  sample:
    - pci_bus_id: 0000:3b:00.0
      pci_device_id: 10de:1eb8
      generation: Turing
      kernel_driver: nouveau
problems:
  description: All that stands in the way.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its name.
      type: str
    message:
      description: A sentence of which the host is the subject.
      type: str
    steps:
      description: What a person does, in order. Commands, and what happens in front of the machine.
      type: list
      elements: str
    acceptable:
      description: Whether a driver can be installed nevertheless, for somebody who knows why.
      type: bool
  sample:
    - id: container
      message: is a container, and the driver belongs to the kernel of the machine that it runs on
      steps: []
      acceptable: true
plan:
  description: The driver that fits.
  returned: success
  type: dict
  contains:
    branch:
      description: Its branch, or V(null) where none fits.
      type: int
    flavour:
      description: The kernel module, V(open) or V(proprietary).
      type: str
    packages:
      description: The packages that make it up. Others come as their dependencies.
      type: list
      elements: str
    missing:
      description: Those that are not installed.
      type: list
      elements: str
    upgrades:
      description: With O(upgrade), the installed packages of which there is a newer version in the branch.
      type: list
      elements: str
    swaps:
      description: Whether libraries or modules of the driver would change, which running GPU work does not survive.
      type: bool
    prebuilt:
      description: Whether the module comes built and signed by the distribution.
      type: bool
    provisional:
      description: Whether apt could not be asked yet.
      type: bool
    has_lists:
      description: Whether apt has lists of packages. Without them it does not say which archives lack something.
      type: bool
    sources:
      description: The archives that lack some of O(components).
      type: list
      elements: dict
  sample:
    branch: 550
    flavour: proprietary
    packages: [nvidia-kernel-dkms, nvidia-smi, libcuda1, linux-headers-amd64]
    missing: [nvidia-kernel-dkms, nvidia-smi, libcuda1]
    upgrades: []
    swaps: true
    prebuilt: false
    provisional: false
    has_lists: true
    sources:
      - uri: http://mirror.lab.example/debian/
        suite: trixie
        signed_by: /usr/share/keyrings/debian-archive-keyring.gpg
        components: [contrib, non-free]
driver:
  description: The driver that is there.
  returned: success
  type: dict
  contains:
    installed_version:
      description: The version that is installed, or V(null).
      type: str
    installed_branch:
      description: Its branch.
      type: int
    installed_flavour:
      description: Its kernel module.
      type: str
    packages:
      description: All installed packages of the driver, which may only change together.
      type: list
      elements: str
    held:
      description: Those that are held.
      type: list
      elements: str
    newer_version:
      description: The newest version of an installed part that the archives have and the host has not, or V(null).
      type: str
    loaded_version:
      description: The version of the loaded module, or V(null).
      type: str
    loaded_flavour:
      description: Which module is loaded.
      type: str
    library_version:
      description: The version of the library that programs would use.
      type: str
    works:
      description: Whether C(nvidia-smi -L) listed a GPU.
      type: bool
    smi:
      description: What it said. Empty where it was not asked.
      type: str
    module_is_built:
      description: Whether there is a module for the running kernel.
      type: bool
    loadable:
      description: Whether it could be loaded now.
      type: bool
    nouveau:
      description: Whether nouveau is loaded, or has a GPU.
      type: bool
    dkms:
      description: What C(dkms status) says of it.
      type: list
      elements: str
    kernels_without_module:
      description: The kernels that could be booted and have no module.
      type: list
      elements: str
    initramfs:
      description: Whether the host has C(update-initramfs).
      type: bool
  sample:
    installed_version: 550.163.01
    installed_branch: 550
    installed_flavour: proprietary
    packages: [libcuda1, libnvidia-ml1, nvidia-kernel-dkms, nvidia-smi]
    held: [libcuda1, libnvidia-ml1, nvidia-kernel-dkms, nvidia-smi]
    newer_version: 550.200.02
    loaded_version: null
    loaded_flavour: null
    library_version: 550.163.01
    works: false
    smi: ""
    module_is_built: false
    loadable: false
    nouveau: true
    dkms: ["nvidia-current/550.163.01: added"]
    kernels_without_module: [6.12.48+deb13-amd64]
    initramfs: true
secure_boot:
  description: Secure Boot.
  returned: success
  type: dict
  contains:
    enabled:
      description: Whether it is enabled. V(null) where the host has no EFI.
      type: bool
    certificate:
      description: With Secure Boot, the certificate of the key that signs modules which are built here.
      type: str
    enrolled:
      description: Whether the firmware takes it. V(null) where that could not be asked.
      type: bool
  sample:
    enabled: true
    certificate: /var/lib/dkms/mok.pub
    enrolled: false
in_use:
  description: Who uses the GPUs. Daemons of the driver itself do not count.
  returned: success
  type: list
  elements: dict
  contains:
    pid:
      description: The process.
      type: int
    command:
      description: Its name.
      type: str
    container:
      description: The container that it runs in, or V(null).
      type: str
    nodes:
      description: The nodes that it holds. Empty for a container that has GPUs and holds none now.
      type: list
      elements: str
    uses_driver:
      description: Whether another driver would end its work. Not so for virtual machines, which have their own.
      type: bool
    sentence:
      description: The same in words.
      type: str
  sample:
    - pid: 4711
      command: python3
      container: 0123456789ab
      nodes: [/dev/nvidia0, /dev/nvidiactl]
      uses_driver: true
      sentence: python3 (process 4711, container 0123456789ab) holds /dev/nvidia0, /dev/nvidiactl
reboot_required:
  description: Whether the installed driver needs a reboot to come into use.
  returned: success
  type: bool
reboot_reasons:
  description: Why.
  returned: success
  type: list
  elements: str
  sample: ["nouveau has the GPUs, and driver 550.163.01 is installed"]
reboot_obstacles:
  description: Why a reboot would end without a driver that loads.
  returned: success
  type: list
  elements: str
  sample: ["driver 550.163.01 has no module for 6.12.48+deb13-amd64, which would be booted"]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver import observe, plan, report


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "branch": {"type": "str", "default": "auto"},
            "flavour": {"type": "str", "choices": ["auto", "open", "proprietary"], "default": "auto"},
            "server": {"type": "bool", "default": True},
            "graphics": {"type": "bool", "default": False},
            "extra_packages": {"type": "list", "elements": "str", "default": []},
            "upgrade": {"type": "bool", "default": False},
            "components": {"type": "list", "elements": "str", "default": []},
            "before_sources": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 30},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["branch"] != "auto" and not params["branch"].isdigit():
        module.fail_json(msg=f"branch is {params['branch']}; it must be auto, or a number such as 570")
    options = plan.Options(
        branch=None if params["branch"] == "auto" else int(params["branch"]),
        flavour=None if params["flavour"] == "auto" else params["flavour"],
        server=params["server"],
        graphics=params["graphics"],
        extra_packages=params["extra_packages"],
        upgrade=params["upgrade"],
        components=params["components"],
        before_sources=params["before_sources"],
    )
    system = System(params["root"], params["timeout"])
    host = observe.look(system, options.server, options.branch is not None, options.extra_packages)
    module.exit_json(changed=False, **report.of(host, options))


if __name__ == "__main__":
    main()
