#!/usr/bin/python

# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_visibility_info
short_description: See through which layers a host's GPUs are visible, and why one is not
version_added: "0.2.0"
description:
  - Looks at each layer between the PCI bus and a framework in a container, names the first one that is broken, and for
    each fault that it recognises the cause and the remedy. docs/gpu_failures.md in the repository lists them.
  - A broken GPU does not fail the task, and a hanging driver does not hang it. What cannot be told for certain has a
    C(confidence) below V(certain), and what was not seen is V(null), never 0.
  - Files are read before C(nvidia-smi) runs, because as root that loads modules and makes device nodes.
  - Works with drivers from 352 to 610, with MIG and vGPU, in WSL, and on Jetson as far as that has the same layers.
extends_documentation_fragment:
  - gpulab.workstation._attributes
  - gpulab.workstation._attributes.info_module
attributes:
  platform:
    support: full
    platforms: linux
options:
  layers:
    description:
      - The layers to look at. The others are reported as V(skipped).
    type: list
    elements: str
    choices: [pci, kernel_driver, device_nodes, nvml, toolkit, cdi, docker, container]
    default: [pci, kernel_driver, device_nodes, nvml, toolkit, cdi, docker, container]
  expected_gpus:
    description:
      - How many GPUs the host should have. A GPU that is silently gone is only missed where this is given.
    type: int
  container:
    description:
      - Look into a temporary container of an image that is on the host.
      - Nothing is pulled, and the container has no network.
    type: dict
    suboptions:
      image:
        description:
          - The image. It needs C(/bin/sh).
        type: str
        required: true
      method:
        description:
          - How Docker is asked for the GPUs.
          - V(auto) takes the first that the host supports, of V(cdi), V(gpus) and V(runtime).
        type: str
        choices: [auto, cdi, gpus, runtime]
        default: auto
  running_container:
    description:
      - Look into this container, which runs already, such as C(jupyter-keras).
    type: str
  notebooks:
    description:
      - Look also into the notebooks of P(gpulab.workstation.jupyter#role) that run and were given GPUs.
    type: bool
    default: false
  frameworks:
    description:
      - The frameworks to ask for their devices.
      - >-
        They are asked in O(running_container), else in the first of the O(notebooks), else in a temporary container of
        O(container.image), else on the host.
      - This takes a little memory on each GPU for some seconds.
    type: list
    elements: str
    choices: [tensorflow, jax, torch]
    default: []
  kernel_log:
    description:
      - Whether to search the kernel's log of this boot for reasons.
    type: bool
    default: true
  timeout:
    description:
      - Seconds that one probe may take before it is killed, with all that it started.
    type: int
    default: 30
  total_timeout:
    description:
      - Seconds for the whole look. What was not reached by then is reported as V(unknown).
    type: int
    default: 180
  bundle:
    description:
      - Whether to return also everything that was seen, as RV(bundle), for somebody else to look at.
      - Tokens, passwords, variables of containers, serial numbers and names of users are taken out. Read it before you
        give it away, nevertheless.
    type: bool
    default: false
    version_added: 0.3.0
  root:
    description:
      - The directory that counts as C(/) for files and programs. For tests, and for systems that are mounted.
      - Or a file with what O(bundle) returned, of this or another host. The look is then at what that host answered,
        with the options of then, and nothing of this host is read or run.
    type: path
    default: /
seealso:
  - module: gpulab.workstation.docker_engine_info
  - module: gpulab.workstation.jupyter_info
author:
  - gpulab.workstation authors (@gpulab)
"""

EXAMPLES = r"""
- name: Look at the GPUs
  gpulab.workstation.gpu_visibility_info:
  register: gpus

- name: Stop where a GPU is silently gone
  gpulab.workstation.gpu_visibility_info:
    expected_gpus: 4
  register: gpus
  failed_when: gpus.status not in ['ok']

- name: Look up to TensorFlow in the image
  gpulab.workstation.gpu_visibility_info:
    container:
      image: keras:gpu
    frameworks: [tensorflow]

- name: See what the running notebook sees
  gpulab.workstation.gpu_visibility_info:
    running_container: jupyter-keras
    frameworks: [tensorflow]
"""

RETURN = r"""
schema_version:
  description: The version of this structure. It changes when a key is removed or gets another meaning.
  returned: success
  type: int
  sample: 1
status:
  description: The worst of the layers, of V(ok), V(unknown), V(degraded), V(broken); V(no_gpu) on a host without one.
  returned: success
  type: str
  sample: broken
platform:
  description: One of V(bare_metal), V(vm), V(wsl), V(jetson) and V(container).
  returned: success
  type: str
  sample: bare_metal
first_broken_layer:
  description: The first layer that is broken, else the first that is degraded, else V(null).
  returned: success
  type: str
  sample: nvml
summary:
  description: One sentence.
  returned: success
  type: str
  sample: "0 of 4 GPUs visible in nvml: the loaded kernel module is 550.163.01 and the library 550.163.02"
counts:
  description: How many GPUs each layer shows; V(null) where that could not be seen.
  returned: success
  type: dict
  sample:
    {pci: 4, kernel_driver: 4, device_nodes: 4, nvml: 4, cdi: 4, container: 4, frameworks: {tensorflow: 2}}
layers:
  description: The layers in their order, then one per framework.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The layer, or C(framework:) and its name.
      type: str
    status:
      description: V(ok), V(degraded) where some GPUs or features work, V(broken), V(skipped) or V(unknown).
      type: str
    blocked_by:
      description: The broken layer below, where there is one.
      type: str
    reason:
      description: Why there was no look at a layer that was asked for.
      type: str
    gpu_uuids:
      description: The GPUs that are visible there, as far as they are known by UUID.
      type: list
      elements: str
    duration_ms:
      description: How long the look took.
      type: int
    evidence:
      description: What was seen, as it was.
      type: list
      elements: dict
      contains:
        source:
          description: V(command), V(file) or V(kernel_log).
          type: str
        ref:
          description: The command or the file.
          type: str
        rc:
          description: The exit code of a command.
          type: int
        text:
          description: At most 2 KiB of it. Where something is cut, the end is kept, because the reason stands there.
          type: str
  sample:
    - name: pci
      status: ok
      blocked_by: null
      reason: null
      gpu_uuids: [GPU-00000000-1ab0-4000-8000-0123456789ab]
      duration_ms: 1
      evidence:
        - source: file
          ref: /sys/bus/pci/devices
          rc: null
          text: "0000:3b:00.0 10de:1eb8 bound to nvidia"
findings:
  description: The faults that were recognised, in the order of the layers.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: The name of the fault, as in docs/gpu_failures.md.
      type: str
    layer:
      description: The layer that it breaks.
      type: str
    severity:
      description: V(error), V(warning) or V(info).
      type: str
    confidence:
      description:
        - V(certain), V(likely) or V(possible).
        - Certain is only what is proven. Each row of the catalogue names what must be seen for that, and what must not.
      type: str
    gpus:
      description: The GPUs that it concerns, by UUID, else by their place on the bus; empty for all of them.
      type: list
      elements: str
    message:
      description: What was found.
      type: str
    cause:
      description: Why that happens.
      type: str
    remedy:
      description: What to do.
      type: dict
      contains:
        text:
          description: In words.
          type: str
        commands:
          description: In commands, for the kind of engine and the way of asking for GPUs that the look used.
          type: list
          elements: str
        requires_reboot:
          description: Whether it takes a reboot.
          type: bool
        docs_url:
          description: Where to read more.
          type: str
  sample:
    - id: nvml_driver_library_mismatch
      layer: nvml
      severity: error
      confidence: certain
      gpus: []
      message: the loaded kernel module is 550.163.01 and the library 550.163.02
      cause: The driver's packages were upgraded, often by unattended-upgrades, and the old module is still loaded.
      remedy:
        text: Reboot, and hold the packages.
        commands: ["apt-mark hold '*nvidia*'", reboot]
        requires_reboot: true
        docs_url: https://github.com/NVIDIA/nvidia-container-toolkit/issues/394
gpus:
  description: Every GPU that any layer knows.
  returned: success
  type: list
  elements: dict
  contains:
    uuid:
      description: Its UUID.
      type: str
    pci_bus_id:
      description: Its place on the bus, as C(/sys) writes it.
      type: str
    pci_device_id:
      description: Vendor and device.
      type: str
    index:
      description: Its index for C(nvidia-smi). Frameworks may have others.
      type: int
    minor_number:
      description: The number of its node in C(/dev).
      type: int
    name:
      description: Its name.
      type: str
    kernel_driver:
      description: The kernel driver that has it.
      type: str
    memory_total_bytes:
      description: Its memory.
      type: int
    compute_capability:
      description: Its compute capability, where its architecture has one, or a framework said it.
      type: str
    recovery_action:
      description: What the driver wants to be done with it; from driver 570 on.
      type: str
    last_xid:
      description: The C(code) of the last Xid of this boot, and the C(count) of its kind.
      type: dict
    mig:
      description: The C(mode), V(enabled), V(disabled) or V(unsupported), and the C(devices).
      type: dict
    visible_in:
      description: Whether it is visible in each layer.
      type: dict
  sample:
    - uuid: GPU-00000000-1ab0-4000-8000-0123456789ab
      pci_bus_id: "0000:3b:00.0"
      pci_device_id: "10de:1eb8"
      index: 0
      minor_number: 0
      name: NVIDIA T4
      kernel_driver: nvidia
      memory_total_bytes: 16106127360
      compute_capability: "7.5"
      recovery_action: null
      last_xid: null
      mig: {mode: unsupported, devices: []}
      visible_in:
        {pci: true, device_nodes: true, nvml: true, cdi: true, container: true, frameworks: {tensorflow: true}}
driver:
  description: The driver.
  returned: success
  type: dict
  contains:
    loaded_version:
      description: The version of the loaded kernel module.
      type: str
    library_version:
      description: The version of libnvidia-ml.
      type: str
    module_flavor:
      description: V(open) or V(proprietary).
      type: str
    cuda_version:
      description: The highest version of CUDA that the driver supports.
      type: str
    secure_boot:
      description: Whether Secure Boot is on; V(null) without EFI.
      type: bool
    persistence:
      description: Whether all GPUs are in persistence mode.
      type: bool
    nvml_rc:
      description: The return code of NVML, where it is known.
      type: int
    smi_rc:
      description: The worst exit code of C(nvidia-smi).
      type: int
  sample:
    loaded_version: 550.163.01
    library_version: 550.163.01
    module_flavor: proprietary
    cuda_version: "12.4"
    secure_boot: false
    persistence: true
    nvml_rc: 0
    smi_rc: 0
toolkit:
  description: The C(version), C(mode), C(no_cgroups) and C(hook_path) of nvidia-container-toolkit.
  returned: success
  type: dict
  sample: {version: 1.18.0, mode: auto, no_cgroups: null, hook_path: /usr/bin/nvidia-container-runtime-hook}
cdi:
  description: Whether Docker uses CDI (C(enabled)), and the C(spec_files) that name GPUs, with why one is C(stale).
  returned: success
  type: dict
  sample:
    enabled: true
    spec_files:
      - path: /var/run/cdi/nvidia.yaml
        cdi_version: 0.5.0
        driver_version: 550.163.01
        devices: ["0", GPU-00000000-1ab0-4000-8000-0123456789ab, all]
        stale: false
        stale_reasons: []
docker:
  description: >-
    Docker, as far as GPUs depend on it; V(null) where there is none. C(engine) is its kind, of V(rootful),
    V(rootless), V(snap), V(podman), V(desktop) (in a virtual machine), V(desktop_wsl) and V(elsewhere) (on another
    machine). C(cdi_devices) is what the engine itself found.
  returned: success
  type: dict
  sample:
    version: 26.1.5+dfsg1
    install: deb
    engine: rootful
    context: default
    operating_system: Debian GNU/Linux 13 (trixie)
    warnings: []
    rootless: false
    cgroup_driver: systemd
    cgroup_version: "2"
    runtimes: [io.containerd.runc.v2, nvidia, runc]
    cdi_devices: null
    default_runtime: runc
    gpu_methods: {cdi: true, gpus: true, runtime: true}
container:
  description: >-
    The look into a container; V(null) where there was none. Of several, the first in which nvidia-smi fails, else the
    last one. C(rc) is the exit code of nvidia-smi inside, and Docker's own only where the container did not start.
  returned: success
  type: dict
  sample:
    image: "keras:gpu"
    name: null
    method: cdi
    rc: 0
    capabilities: unset
    visible_devices: void
    cuda_required: "12.8"
    cuda_satisfied: true
frameworks:
  description: What the frameworks said.
  returned: success
  type: list
  elements: dict
  sample:
    - name: tensorflow
      where: container
      container: jupyter-keras
      version: 2.21.0
      cuda_build: true
      devices:
        - {id: "/device:GPU:0", uuid: null, name: NVIDIA T4}
      errors: []
      said: null
      environment: {}
bundle:
  description: What the host answered, as one document of JSON. Written to a file, it is a O(root).
  returned: when O(bundle) is set
  type: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility import bundle
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.look import Options, look, options_of
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers.framework import NAMES
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.seen import LAYERS
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "layers": {"type": "list", "elements": "str", "choices": list(LAYERS), "default": list(LAYERS)},
            "expected_gpus": {"type": "int"},
            "container": {
                "type": "dict",
                "options": {
                    "image": {"type": "str", "required": True},
                    "method": {"type": "str", "choices": ["auto", "cdi", "gpus", "runtime"], "default": "auto"},
                },
            },
            "running_container": {"type": "str"},
            "notebooks": {"type": "bool", "default": False},
            "frameworks": {"type": "list", "elements": "str", "choices": list(NAMES), "default": []},
            "kernel_log": {"type": "bool", "default": True},
            "timeout": {"type": "int", "default": 30},
            "total_timeout": {"type": "int", "default": 180},
            "bundle": {"type": "bool", "default": False},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    asked = module.params
    container = asked["container"] or {"image": None, "method": "auto"}
    limits = (asked["timeout"], asked["total_timeout"])
    options = Options(
        layers=asked["layers"],
        expected_gpus=asked["expected_gpus"],
        image=container["image"],
        method=container["method"],
        running_container=asked["running_container"],
        notebooks=asked["notebooks"],
        frameworks=asked["frameworks"],
        kernel_log=asked["kernel_log"],
    )
    if os.path.isfile(asked["root"]):
        try:
            document = bundle.read(asked["root"])
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"root: {error}")
        module.exit_json(changed=False, **look(bundle.Replay(document, *limits), options_of(document)))
    recorder = bundle.Recorder(asked["root"], *limits) if asked["bundle"] else None
    seen = look(recorder or System(asked["root"], *limits), options)
    more = {"bundle": recorder.bundle(options._asdict())} if recorder else {}
    module.exit_json(changed=False, **seen, **more)


if __name__ == "__main__":
    main()
