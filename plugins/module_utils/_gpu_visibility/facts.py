# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was seen, as questions with an answer of yes, no, or None where nobody looked.

A row of the catalogue names the facts that must be seen, and those that must not, before it may be called certain.
"""

from __future__ import annotations

import re
import typing as t

from .seen import Seen

Fact = t.Callable[[Seen], t.Optional[bool]]


def _module_there(seen: Seen) -> bool | None:
    return seen.kernel in seen.module_kernels if seen.has_module_folder else None


def _engine_answers(seen: Seen) -> bool | None:
    return None if seen.docker is None else not seen.docker.problem


def _cdi_spec(seen: Seen) -> bool | None:
    if any(file.spec.devices for file in seen.gpu_specs):
        return True
    # A file that could not be read may be one.
    return None if "cdi" not in seen.evidence or any(file.spec.problem for file in seen.cdi_files) else False


def _looks(check: t.Callable[[t.Any], bool]) -> Fact:
    return lambda seen: any(map(check, seen.looks)) if seen.looks else None


def _frameworks(check: t.Callable[[t.Any], bool]) -> Fact:
    return lambda seen: any(map(check, seen.frameworks)) if seen.frameworks else None


def _log(*kinds: str) -> Fact:
    return lambda seen: None if seen.log is None else any(seen.log.of(kind) for kind in kinds)


FACTS: dict[str, Fact] = {
    "a GPU on the PCI bus": lambda seen: None if seen.pci is None else bool(seen.pci),
    "a device of NVIDIA": lambda seen: seen.has_device,
    "the loaded driver": lambda seen: None if seen.has_dxg else seen.driver is not None,
    "WSL": lambda seen: seen.platform == "wsl",
    "a GPU in nvidia-smi": lambda seen: seen.nvml_works if seen.smi_is_there else None,
    "an answer of nvidia-smi": lambda seen: seen.smi is not None and seen.smi.listing_run.rc is not None,
    "a failure of nvidia-smi": lambda seen: None if seen.smi is None else seen.smi.rc not in (None, 0),
    "an nvidia-smi that hangs": lambda seen: None if seen.smi is None else seen.smi.hung,
    "Windows' libraries in WSL": lambda seen: seen.wsl_has_driver,
    "a Linux driver in WSL": lambda seen: bool(seen.wsl_linux_driver),
    "the kernel's log": lambda seen: seen.log is not None,
    "a kernel's refusal of a key": _log("key_rejected"),
    "a firmware that was not loaded": _log("firmware_missing", "no_firmware_image"),
    "a sleep": _log("slept"),
    "a module for this kernel": _module_there,
    "headers of this kernel": lambda seen: seen.has_headers,
    "a build that failed": lambda seen: bool(seen.builds),
    "Secure Boot": lambda seen: seen.secure_boot,
    "firmware of this driver": lambda seen: (
        None if seen.firmware is None or not seen.driver else seen.driver.version in seen.firmware
    ),
    "a failed service": lambda seen: bool(seen.failed_services),
    "the module nvidia_uvm": lambda seen: "nvidia_uvm" in seen.modules or "nvidia-uvm" in seen.majors,
    "persistence that is off": lambda seen: (
        None if not seen.smi or not seen.smi.gpus else all(gpu.persistence == "Disabled" for gpu in seen.smi.gpus)
    ),
    "persistence": lambda seen: (
        None if not seen.smi or not seen.smi.gpus else any(gpu.persistence == "Enabled" for gpu in seen.smi.gpus)
    ),
    "Docker": lambda seen: seen.docker_install is not None,
    "an answer of the engine": _engine_answers,
    "another engine": lambda seen: bool(seen.docker_signs or seen.docker_context),
    "an engine without a GPU": lambda seen: seen.engine_has_no_gpu if _engine_answers(seen) else None,
    "Podman": lambda seen: seen.engine == "podman" if _engine_answers(seen) else None,
    "a rootless engine": lambda seen: seen.docker.rootless if seen.docker and not seen.docker.problem else None,
    "cgroup version 1": lambda seen: None if not seen.docker else seen.docker.cgroup_version == "1",
    "the runtime nvidia": lambda seen: (
        "nvidia" in seen.docker.runtimes if seen.docker and not seen.docker.problem else None
    ),
    "the toolkit": lambda seen: bool(seen.toolkit_programs) if "toolkit" in seen.evidence else None,
    "the words of the toolkit's hook": lambda seen: bool(
        re.search(r"nvidia-container-cli: |NVIDIA Container Runtime Hook", seen.container_text)
    ),
    "no-cgroups": lambda seen: seen.no_cgroups if "toolkit" in seen.evidence else None,
    "a mode without the hook": lambda seen: seen.toolkit_mode in ("cdi", "csv", "jit-cdi"),
    "a CDI specification": _cdi_spec,
    "CDI in the engine": lambda seen: seen.cdi_is_enabled,
    "a look into a container": lambda seen: bool(seen.looks),
    "a container that fails": _looks(lambda look: not look.works),
    "a new container that works": _looks(lambda look: look.works and look.container is None),
    "SELinux": lambda seen: seen.selinux_confines,
    "a container in a container": lambda seen: seen.platform == "container",
    "a framework": lambda seen: bool(seen.frameworks),
    "a framework without GPUs": _frameworks(lambda one: not one.answer.devices),
}


def is_proven(seen: Seen, needs: t.Iterable[str], excludes: t.Iterable[str]) -> bool:
    """Whether all that is needed was seen. `not X` needs a look that did not find X."""
    return all(_holds(seen, name) for name in needs) and not is_contradicted(seen, excludes)


def _holds(seen: Seen, name: str) -> bool:
    return FACTS[name[4:]](seen) is False if name.startswith("not ") else FACTS[name](seen) is True


def is_contradicted(seen: Seen, excludes: t.Iterable[str]) -> bool:
    return any(FACTS[name](seen) is True for name in excludes)
