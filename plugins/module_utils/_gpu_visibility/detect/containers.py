# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults between the driver and a program in a container: toolkit, CDI, Docker, container, framework."""

from __future__ import annotations

import os
import re
import typing as t

from ..parsers import docker as docker_info
from ..parsers import toolkit as toolkit_text
from ..seen import CdiFile, InFramework, Seen
from . import Hit
from .engine import UNRESOLVED
from .words import DENIED, arguments, reason
from .words import where as _where

_NO_GPU_DRIVER = re.compile(r'could not select device driver "(?:nvidia)?" with capabilities: \[\[gpu')
_NO_CDI_DRIVER = re.compile(r'could not select device driver "cdi"')
_NO_RUNTIME = re.compile(r"unknown or invalid runtime name: nvidia|Unknown runtime specified nvidia", re.I)
_NO_VENDOR = re.compile(r"failed to discover GPU vendor from CDI|no known GPU vendor found", re.I)
_GONE = re.compile(r'failed to stat CDI host device "([^"]+)"')
_REQUIREMENT = re.compile(r"unsatisfied condition: ([a-z]+ ?[<>=!]+ ?[^\s,:]+)", re.I)
_BAKED_IN = re.compile(
    r"([\w./+-]{0,200}\blib[\w.+-]{1,80}\.so[\w.]{0,20}|file creation failed: \S{1,400}): file exists", re.I
)
_NOT_LOADED = re.compile(r"load library failed: (\S+?):|failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND", re.I)
_BPF = re.compile(r"bpf_prog_query\(BPF_CGROUP_DEVICE\) failed: operation not permitted", re.I)
_UNKNOWN_ERROR = re.compile(r"Failed to initialize NVML: Unknown Error", re.I)
_NO_SMI = re.compile(r'exec: "nvidia-smi": executable file not found|nvidia-smi: (?:command )?not found', re.I)
_FIRST_WITHOUT_KERNELS = (10, 0)
_RESTART = "systemctl restart docker"
_CONFIGURE = "ansible-playbook site.yml --tags docker,nvidia_container_toolkit"


def toolkit_missing(seen: Seen) -> t.Iterator[Hit]:
    own = seen.docker_install != "snap" and not seen.engine_has_no_gpu and seen.engine not in ("desktop_wsl", "podman")
    if seen.docker_install and own and seen.has_device and not seen.toolkit_programs:
        # Without an engine that runs, it is not known which one is to have it.
        yield Hit(confidence="likely" if seen.docker_signs and seen.engine is None else None)


def docker_ignores_gpus(seen: Seen) -> t.Iterator[Hit]:
    if _NO_GPU_DRIVER.search(seen.container_text):
        if seen.engine == "desktop_wsl":
            yield Hit(
                confidence="likely",
                cause="Docker Desktop gives GPUs by its own means: it is too old, or does not use its WSL 2 engine.",
                remedy="On Windows, update Docker Desktop and WSL, and choose the engine that is based on WSL 2.",
                commands=("wsl.exe --update", "wsl.exe --shutdown"),
            )
        elif seen.hook_path:
            # It was not there when the engine started, or not in the engine's own PATH.
            yield Hit(
                confidence="likely",
                cause="nvidia-container-runtime-hook is installed, and was not in Docker's PATH when it started.",
                remedy="Restart Docker.",
                commands=("command -v nvidia-container-runtime-hook", _RESTART),
            )
        elif not seen.toolkit_programs:
            yield Hit(commands=(_CONFIGURE, _RESTART))
        else:
            yield Hit(confidence="likely", commands=("apt-get install nvidia-container-toolkit", _RESTART))


def docker_is_snap(seen: Seen) -> t.Iterator[Hit]:
    root = seen.docker.root if seen.docker else None
    if any(look.works for look in seen.looks):
        return  # newer snaps bring what it takes
    if seen.has_device and (seen.docker_install == "snap" or (root or "").startswith("/var/snap/docker")):
        by_it = _NO_GPU_DRIVER.search(seen.container_text) or _NOT_LOADED.search(seen.container_text)
        if by_it or not seen.looks:
            yield Hit(confidence=None if by_it else "likely")
        else:
            # A container in one fails for other reasons, too.
            yield Hit(severity="warning", confidence="possible")


def docker_not_running(seen: Seen) -> t.Iterator[Hit]:
    if seen.has_device and seen.docker and seen.docker.problem:
        others = f" ({'; '.join(seen.docker_signs[:3])})" if seen.docker_signs else ""
        if seen.docker_signs:
            yield Hit(
                values={"said": f"{seen.docker.problem}{others}"},
                severity="warning",
                confidence="possible",
                cause="The engine that is used here is not the system's own, and did not answer this user.",
                remedy="Look at the contexts, and start the engine of the one that is meant.",
                commands=("docker context ls", "systemctl --user start docker"),
            )
        else:
            if "permission denied" in seen.docker.problem:
                yield Hit(
                    values={"said": seen.docker.problem},
                    severity="warning",
                    confidence="possible",
                    cause="It runs, and this user may not talk to it.",
                    remedy="Look as root; or add the user to the group docker, which is as much as to be root.",
                    commands=("sudo make doctor", "id -nG"),
                )
                return
            runs = "dockerd does not run" in seen.docker.problem
            yield Hit(values={"said": seen.docker.problem}, confidence=None if runs else "likely")


def no_cdi_vendor(seen: Seen) -> t.Iterator[Hit]:
    said = _NO_VENDOR.search(seen.container_text)
    version = seen.docker.version if seen.docker else None
    if said:
        yield Hit()
    elif (
        _is_own(seen)
        and (docker_info.major(version) or 0) >= 29
        and not _has_devices(seen)
        and not seen.hook_path
        and seen.nvml_works
    ):
        yield Hit(confidence="likely")


def runtime_not_registered(seen: Seen) -> t.Iterator[Hit]:
    if _NO_RUNTIME.search(seen.container_text):
        yield Hit(severity="error")
    elif _is_own(seen) and seen.docker and seen.toolkit_programs and "nvidia" not in seen.docker.runtimes:
        # Of the full toolkit one expects it; a host that only has CDI works without.
        yield Hit(severity="warning" if seen.hook_path else "info")


def cdi_disabled(seen: Seen) -> t.Iterator[Hit]:
    if _NO_CDI_DRIVER.search(seen.container_text):
        yield Hit(severity="error")
    elif seen.cdi_is_enabled is False and _has_devices(seen) and _is_own(seen):
        old = (docker_info.major(seen.docker.version if seen.docker else None) or 25) < 25
        yield Hit(severity="info" if old or seen.hook_path else "warning")


def cdi_spec_missing(seen: Seen) -> t.Iterator[Hit]:
    unresolved = UNRESOLVED.search(seen.container_text)
    if seen.engine_has_no_gpu or _has_devices(seen):
        return
    if unresolved:
        yield Hit(values={"what": f"Docker finds no CDI device {unresolved[1]}"}, severity="error")
    elif seen.toolkit_programs and seen.nvml_works and not _is_unclear(seen) and seen.engine != "desktop_wsl":
        wanted = seen.cdi_is_enabled
        severity = "error" if wanted and not seen.hook_path else "warning" if wanted else "info"
        yield Hit(values={"what": "no CDI specification names a GPU"}, severity=severity)


def cdi_spec_stale(seen: Seen) -> t.Iterator[Hit]:
    gone = _GONE.search(seen.container_text)
    for file in seen.gpu_specs:
        reasons = list(file.missing)
        if file.other_driver:
            reasons.append(f"it is for driver {file.spec.driver_version}")
        reasons += [f"{name} is not in it" for name in _unnamed(seen, file)]
        if reasons:
            shown = [f"{reason} is gone" if reason.startswith("/") else reason for reason in reasons]
            more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
            values = {"path": file.path, "reasons": "; ".join(shown[:3]) + more}
            if not _is_overridden(seen, file):
                yield Hit(values=values)
                return
            yield Hit(values=values, severity="info")
    if gone:
        yield Hit(values={"path": "the CDI specification", "reasons": f"{gone[1]} is gone"})


def cdi_numbers_stale(seen: Seen) -> t.Iterator[Hit]:
    for file in seen.gpu_specs:
        if file.renumbered:
            values = {"path": file.path, "what": "; ".join(file.renumbered[:3])}
            yield Hit(values=values, severity="info" if _is_overridden(seen, file) else None)


def cdi_not_understood(seen: Seen) -> t.Iterator[Hit]:
    for file in seen.cdi_files:
        if file.spec.problem:
            yield Hit(values={"path": file.path, "said": file.spec.problem})


def container_lost_devices(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        # One that was made a moment ago has lived through no daemon-reload.
        if seen.nvml_works and look.container is not None and _UNKNOWN_ERROR.search(look.run.text):
            by_systemd = bool(seen.docker and seen.docker.cgroup_driver == "systemd")
            yield Hit(
                values={"where": _where(look)},
                confidence="likely" if by_systemd else "possible",
                commands=(
                    "nvidia-ctk system create-dev-char-symlinks --create-all",
                    f"docker restart {look.container}",
                ),
            )
    at_risk = seen.docker and seen.docker.cgroup_driver == "systemd" and seen.toolkit_programs and seen.gpu_nodes
    if not seen.looks and at_risk and not seen.has_char_links and not seen.cdi_is_enabled:
        where = "with the next `systemctl daemon-reload`, a container"
        yield Hit(values={"where": where}, severity="info", confidence="possible")


def cuda_requirement(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        said = _REQUIREMENT.search(look.run.text)
        satisfied = toolkit_text.is_satisfied(look.required_cuda, seen.cuda_version)
        wanted = said[1] if said else f"cuda>={toolkit_text.required_cuda(look.required_cuda)}"
        has = f"the driver has {seen.cuda_version or 'an older one'}"
        values = {"image": look.image or "the image", "wanted": wanted, "has": has}
        if said and not wanted.lower().startswith("cuda"):
            yield Hit(
                values={**values, "has": "this host is another"},
                cause="NVIDIA_REQUIRE_... of the image names the GPUs and drivers that it was made for; these are not"
                " among them.",
                remedy="Take an image for this GPU and driver. NVIDIA_DISABLE_REQUIRE=1 leaves the check out, and not"
                " its reason.",
                commands=("docker image inspect --format '{{json .Config.Env}}' IMAGE",),
            )
        elif said:
            yield Hit(values=values)
        elif satisfied is False:
            # CDI does not check it: the container starts, and its CUDA does not.
            yield Hit(values=values, confidence="likely")


def rootless_cgroups(seen: Seen) -> t.Iterator[Hit]:
    rootless = bool(seen.docker and seen.docker.rootless)
    no_cgroups = seen.toolkit_settings.get("nvidia-container-cli.no-cgroups") == "true"
    if _BPF.search(seen.container_text):
        yield Hit(confidence=None if rootless else "likely", severity="error")
    elif rootless and seen.hook_path and not no_cgroups and not seen.cdi_is_enabled:
        yield Hit(confidence="likely")


def selinux_denies(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        if seen.nvml_works and seen.selinux_enforcing and DENIED.search(look.run.text):
            yield Hit(values={"where": _where(look)}, confidence=None if seen.selinux_confines else "possible")


def smi_absent_inside(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        if not _NO_SMI.search(look.run.text):
            continue
        inside = look.inside
        if inside is not None and inside.gpu_nodes:
            # The devices are there, only the tool is not: nothing that a program would miss.
            yield Hit(values={"where": _where(look), "what": "but has its GPUs' device nodes"}, severity="info")
        else:
            visible = f" (NVIDIA_VISIBLE_DEVICES is {inside.visible})" if inside else ""
            yield Hit(values={"where": _where(look), "what": f"and no GPU's device node{visible}"})


def driver_in_image(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        found = _BAKED_IN.search(look.run.text)
        if found:
            # What is there already is in the image, unless the host's own root is mounted into it.
            yield Hit(values={"image": look.image or "the image", "library": found[1].rpartition("/")[2]})


def toolkit_cannot_load(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        found = _NOT_LOADED.search(look.run.text)
        if found and seen.nvml_works:
            yield Hit(values={"library": found[1] or "libnvidia-ml.so.1"})


def container_gpus_missing(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        if look.inside is None or look.inside.smi_rc != 0:
            continue
        inside = {gpu.uuid for gpu in look.inside.listing.gpus}
        cut_up = [gpu for gpu in seen.listed if gpu.mig and gpu.uuid in inside]
        if cut_up and not any(gpu.mig for gpu in look.inside.listing.gpus):
            count = sum(len(gpu.mig) for gpu in cut_up)
            yield Hit(
                [gpu.uuid for gpu in cut_up],
                {"where": _where(look), "some": 0, "all": count, "what": "MIG devices"},
                confidence=None if look.container is None else "likely",
                cause="It was given the GPU and none of its MIG devices, without which CUDA finds nothing: the"
                " container, or its CDI specification, is of before they were made, or the toolkit does not see them.",
                remedy="Write the specification again, and make the container anew.",
                commands=("systemctl restart nvidia-cdi-refresh.service", "ls /dev/nvidia-caps"),
            )
        missing = [gpu.uuid for gpu in seen.listed if gpu.uuid not in inside]
        if missing:
            # A container that runs may have been given some of them on purpose.
            chosen = look.container is not None and bool(inside)
            values = {"where": _where(look), "some": len(inside), "all": len(seen.listed), "what": "GPUs"}
            yield Hit(missing, values, severity="info" if chosen else None)


def container_failed(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        if (look.inside is not None and look.inside.smi_rc == 0) or _NO_SMI.search(look.run.text):
            continue
        values = {"where": _where(look), "said": reason(look.run.text), "rc": look.rc}
        by_hand = f"docker exec {look.container} nvidia-smi -L"
        if look.container is None:
            by_hand = " ".join(["docker run --rm", *arguments(str(look.method)), f"{look.image} nvidia-smi -L"])
        yield Hit(values=values, commands=(by_hand,))


def image_missing(seen: Seen) -> t.Iterator[Hit]:
    if seen.image_missing:
        yield Hit(values={"image": seen.image_missing})


def cuda_compatibility(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        for code in (804, 803):
            if f"cuda:{code}" in one.answer.errors:
                yield Hit(values={"name": one.name, "what": f"CUDA error {code}"}, layer=f"framework:{one.name}")
        if one.answer.other_libcuda and not one.answer.devices:
            kernel, library = one.answer.other_libcuda
            what = f"its libcuda is {library}, and the driver {kernel}"
            yield Hit(
                values={"name": one.name, "what": what},
                layer=f"framework:{one.name}",
                cause="A libcuda of another version goes before the driver's own: of cuda-compat, of the driver's"
                " packages in the image, or by LD_LIBRARY_PATH.",
            )


def without_cuda(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        errors = set(one.answer.errors)
        if one.answer.devices or one.answer.missing or one.answer.too_old:
            continue
        if one.answer.cuda_build is False:
            yield Hit(values={"name": one.name, "what": "is built without CUDA"}, layer=f"framework:{one.name}")
        elif errors & {"library_missing", "cuda_not_loaded", "cpu_only"}:
            cause = "The CUDA packages beside it are missing, or other copies go before them, by LD_LIBRARY_PATH."
            yield Hit(
                values={"name": one.name, "what": "misses libraries of CUDA"},
                layer=f"framework:{one.name}",
                cause=cause if one.answer.cuda_build else None,
            )
        elif "no_cuda_driver" in errors and not any(error.startswith("cuda:") for error in errors - {"cuda:303"}):
            what = "finds no libcuda.so.1 of the driver"
            yield Hit(values={"name": one.name, "what": what}, layer=f"framework:{one.name}", confidence="likely")


def no_kernels(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        new = [gpu for gpu in one.answer.devices or [] if _capability(gpu.compute_capability) >= _FIRST_WITHOUT_KERNELS]
        affected = one.name == "tensorflow" and _release(one.answer.version) <= (2, 21)
        values = {"name": one.name, "version": one.answer.version or "?"}
        if "gpu_too_old" in one.answer.errors:
            yield Hit(
                values=values,
                layer=f"framework:{one.name}",
                cause="The GPU is older than those that this release of the package is built for.",
                remedy="Take an older release of the package, which has kernels for this GPU, or a newer GPU.",
                commands=("nvidia-smi --query-gpu=name,compute_cap --format=csv",),
            )
        elif "no_kernels" in one.answer.errors and not new:
            yield Hit(
                values=values,
                layer=f"framework:{one.name}",
                cause="The package was not built for GPUs of this generation: it is older than the GPU, or has given"
                " it up.",
                remedy="Compare the GPU's compute capability with those of the package, and take the release that"
                " has it.",
                commands=("nvidia-smi --query-gpu=name,compute_cap --format=csv",),
            )
        elif "no_kernels" in one.answer.errors:
            yield Hit(values=values, layer=f"framework:{one.name}")
        elif new and affected:
            yield Hit(values=values, layer=f"framework:{one.name}", confidence="likely")
        elif affected and one.answer.devices is None and any(gpu.is_blackwell for gpu in seen.pci or ()):
            yield Hit(values=values, layer=f"framework:{one.name}", confidence="possible")


def framework_gpus_missing(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        if one.answer.devices is None:
            continue
        there, wanted = len(one.answer.devices), _given(seen, one)
        if there < wanted:
            last = next(reversed(one.run.stderr.strip().splitlines()), "")[-300:]
            codes = ", ".join(filter(None, [*one.answer.errors, one.answer.said]))
            codes = codes or (f"no error that is known here; its last words: {last}" if last else "no error")
            yield Hit(
                values={"name": one.name, "some": there, "all": wanted, "errors": codes}, layer=f"framework:{one.name}"
            )


def framework_failed(seen: Seen) -> t.Iterator[Hit]:
    for one in seen.frameworks:
        if one.answer.missing:
            yield Hit(
                values={"name": one.name, "what": f"is not installed ({one.answer.missing})"},
                layer=f"framework:{one.name}",
                severity="info",
            )
        elif one.answer.devices is None:
            last = next(reversed(one.run.stderr.strip().splitlines()), f"exit code {one.run.rc}")[-600:]
            said = one.run.problem or one.answer.said or last
            yield Hit(values={"name": one.name, "what": f"did not answer: {said}"}, layer=f"framework:{one.name}")


def _given(seen: Seen, one: InFramework) -> int:
    """How many GPUs a framework could see: those of its container, or all of the host's."""
    # A container that was made for it was given all; what one that runs was given is only known from a look into it.
    gpus = [] if one.container else seen.listed
    for look in seen.looks:
        if look.container == one.container and look.inside is not None:
            if look.inside.smi_rc != 0:
                # Without the capability `utility` there is no nvidia-smi, and the nodes tell.
                return len(look.inside.gpu_nodes)
            gpus = look.inside.listing.gpus
    # CUDA shows a program one MIG device, and nothing beside it.
    return 1 if any(gpu.mig for gpu in gpus) else len(gpus)


def _unnamed(seen: Seen, file: CdiFile) -> list[str]:
    """GPUs and MIG devices that a specification does not name, though it names others of their kind."""
    names = set(file.spec.devices)
    by_uuid = any(name.startswith(("GPU-", "MIG-")) for name in names)
    by_index = any(re.fullmatch(r"\d+(:\d+)?", name, re.ASCII) for name in names)
    if not (by_uuid or by_index):
        return []
    # nvidia-ctk names the slices of a GPU that is cut up, nothing of one that is to be, and the others whole.
    uncut = {gpu.uuid for gpu in (seen.smi.gpus if seen.smi else []) if gpu.mig_mode == "enabled" and not gpu.mig}
    wanted = [(gpu.uuid, str(gpu.number)) for gpu in seen.listed if not gpu.mig and gpu.uuid not in uncut]
    wanted += [(one.uuid, f"{gpu.number}:{one.number}") for gpu in seen.listed for one in gpu.mig]
    return [uuid if by_uuid else f"GPU {index}" for uuid, index in wanted if not names & {uuid, index}]


def _is_overridden(seen: Seen, file: CdiFile) -> bool:
    """Whether files of a later directory, which go before it, name all that it names and are in order."""
    folder = os.path.dirname(file.path)
    later = seen.gpu_specs[seen.gpu_specs.index(file) + 1 :]
    fresh = [one for one in later if os.path.dirname(one.path) != folder and not one.stale_reasons]
    return bool(file.spec.devices) and set(file.spec.devices) <= {name for one in fresh for name in one.spec.devices}


def _has_devices(seen: Seen) -> bool:
    return any(file.spec.devices for file in seen.gpu_specs)


def _is_unclear(seen: Seen) -> bool:
    return any(file.spec.problem for file in seen.cdi_files)


def _is_own(seen: Seen) -> bool:
    """An engine of this system, whose configuration the toolkit's role and nvidia-ctk write."""
    return seen.engine in ("rootful", "rootless", "snap")


def _capability(text: str | None) -> tuple[int, ...]:
    return (
        tuple(map(int, text.split("."))) if re.fullmatch(r"\d{1,3}\.\d{1,3}", text or "", re.ASCII) and text else (0, 0)
    )


def _release(version: str | None) -> tuple[int, ...]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", version or "", re.ASCII)
    return (int(found[1]), int(found[2])) if found else (99, 0)
