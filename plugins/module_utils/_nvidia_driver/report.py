# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module returns: the host and the plan for it, as plain data."""

from __future__ import annotations

import typing as t

from . import generations, packages, plan
from .observe import Host
from .plan import Options


def of(host: Host, options: Options) -> dict[str, t.Any]:
    made, problems = plan.make(host, options)
    reasons = plan.reboot_reasons(host)
    return {
        "gpus": [
            {
                "pci_bus_id": gpu.bus_id,
                "pci_device_id": gpu.device_id,
                "generation": generations.of(gpu.device).name,
                "kernel_driver": gpu.driver,
            }
            for gpu in host.gpus
        ],
        "problems": [
            {
                "id": problem.id,
                "message": problem.message,
                "steps": list(problem.steps),
                "acceptable": problem.id in plan.ACCEPTABLE,
            }
            for problem in problems
        ],
        "plan": {
            "branch": made.offer.branch if made.offer else None,
            "flavour": made.offer.flavour if made.offer else None,
            "packages": made.packages,
            "missing": made.missing,
            "upgrades": made.upgrades,
            "swaps": made.swaps,
            "prebuilt": made.prebuilt,
            "provisional": made.provisional,
            "has_lists": host.has_lists,
            "sources": [dict(archive._asdict(), components=list(archive.components)) for archive in made.sources],
        },
        "driver": _driver(host),
        "secure_boot": {
            "enabled": host.secure_boot,
            "certificate": host.key.certificate if host.key else None,
            "enrolled": host.key_enrolled,
        },
        "in_use": [dict(user._asdict(), uses_driver=user.uses_driver, sentence=user.sentence) for user in host.users],
        "reboot_required": bool(reasons),
        "reboot_reasons": reasons,
        "reboot_obstacles": plan.reboot_obstacles(host),
    }


def _driver(host: Host) -> dict[str, t.Any]:
    current = plan.installed(host)
    ours = sorted(packages.of_driver(host.installed), key=lambda package: package.name)
    return {
        "installed_version": plan.version_installed(host),
        "installed_branch": current.branch if current else None,
        "installed_flavour": current.flavour if current else None,
        "newer_version": packages.newer(host.installed, host.available),
        "packages": [package.name for package in ours],
        "held": [package.name for package in ours if package.held],
        "loaded_version": host.loaded.version if host.loaded else None,
        "loaded_flavour": host.loaded.flavor if host.loaded else None,
        "library_version": host.library_version,
        "works": host.driver_works,
        "smi": host.smi_text,
        "module_is_built": host.module_is_built,
        "loadable": plan.is_loadable(host),
        "nouveau": host.nouveau_is_loaded,
        "dkms": host.dkms,
        "kernels_without_module": host.kernels_without_module,
        "initramfs": host.initramfs,
    }
