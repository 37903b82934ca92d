# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of engines, CDI specifications and the toolkit that somebody reported."""

from __future__ import annotations

import os
import re
import typing as t

from ..parsers import docker as docker_info
from ..seen import CdiFile, Seen
from . import Hit
from .words import where

# Of the kind runtime.nvidia.com the toolkit's runtime makes a specification by itself, for each container.
# Names of MIG devices have a colon in them, and several a comma between them.
UNRESOLVED = re.compile(r"unresolvable CDI devices (?!runtime\.)((?:[^\s,]+, ?)*[^\s,]+?)[.:]?(?=\s|$)")
_NOT_MADE = re.compile(r"unresolvable CDI devices runtime\.nvidia\.com/")
_REFUSED_CAPABILITIES = re.compile(r"unsupported capabilities found in '([^']*)' \(allowed '([^']*)'\)", re.I)
_NESTED = re.compile(
    r"BPF_CGROUP_DEVICE\) failed: operation not permitted|devices\.(?:allow|deny): operation not", re.I
)
# It goes into a command that somebody copies: nothing that a shell reads otherwise.
_NO_PROGRAM = re.compile(
    r'exec: "(?P<name>[\w./-]*nvidia-container-(?:runtime|cli)[\w./-]*)": executable file not found'
    r"|(?:fork/exec|exec|stat) (?P<path>[\w./-]*nvidia-container-runtime[\w./-]*):"
    r" (?P<why>no such file|permission denied)",
    re.I,
)
_NO_DRIVER = re.compile(
    r"nvml error: driver not loaded|driver error: failed to process request|nvml error: driver/library version mismatch"
    r"|WSL environment detected but no adapters were found",
    re.I,
)
_MISMATCH = re.compile(r"Driver/library version mismatch", re.I)
_INSIDE_VERSION = re.compile(r"NVML library version: ([\d.]*\d)")
_NO_ACCESS = re.compile(
    r"Failed to initialize NVML: (?:Unknown Error|GPU access blocked)|Unknown Error|access blocked", re.I
)
# From which version on an engine reads which specification. What comes after the last is taken for new enough.
_CDI_OF_ENGINES = (((0,), (0, 6, 0)), ((26, 1), (0, 7, 0)), ((28,), (0, 8, 0)), ((28, 2), (1, 0, 0)), ((29, 1), (9,)))
_SURE_BEFORE = (26, 1)
_DESKTOP = "Docker Desktop"


def said(pattern: str) -> t.Callable[[Seen], t.Iterator[Hit]]:
    """A fault that the toolkit or the engine says in words of its own; the pattern's groups are what the texts name."""
    words = re.compile(pattern, re.I)

    def detect(seen: Seen) -> t.Iterator[Hit]:
        for look in seen.looks:
            found = words.search(look.run.text)
            if found:
                given = {name: value for name, value in found.groupdict().items() if value}
                yield Hit(values={"mode": seen.toolkit_mode or "cdi or csv", "where": where(look), **given})

    return detect


old_cgroups = said(
    r"cgroup subsystem devices not found|failed to get device cgroup (?:mount )?path|no cgroup filesystem mounted"
)
starts_each_time = said(r"(?:driver )?(?:rpc )?error: timed out")
hook_refuses = said(r"invoking the NVIDIA Container Runtime Hook directly")
no_ldconfig = said(r"ldcache error: open failed: (?P<path>\S+): no such file")
ldconfig_fails = said(
    r"ldcache error: process (?P<path>\S+) (?P<how>(?:failed|terminated) with [^\n:]{1,40}(?:: ?\d+)?)"
)
variable_refused = said(r"insufficient privileges to read device list from NVIDIA_VISIBLE_DEVICES")
node_missing = said(r"mount error: stat failed: (?P<node>/dev/[\w./-]+): no such file")


def without_gpu(seen: Seen) -> t.Iterator[Hit]:
    info = seen.docker
    if not (seen.has_device and info and seen.engine_has_no_gpu):
        return
    context = seen.docker_context or info.context or "another than the default"
    if seen.engine == "desktop":
        yield Hit(values={"what": f"{_DESKTOP}'s own virtual machine", "context": context})
    else:
        what = f"another machine ({info.operating_system or '?'}, kernel {info.kernel})"
        yield Hit(
            values={"what": what, "context": context},
            confidence="likely",
            cause="The client's context or DOCKER_HOST names an engine in a virtual machine or on another host: this"
            " host's driver, toolkit and specifications do not concern it.",
        )


def podman(seen: Seen) -> t.Iterator[Hit]:
    if seen.has_device and seen.engine == "podman":
        failing = any(not look.works and look.method != "cdi" for look in seen.looks)
        yield Hit(severity="error" if failing else "info")


def spec_too_new(seen: Seen) -> t.Iterator[Hit]:
    engine = docker_info.numbers(seen.docker.version if seen.docker else None)
    if not engine or seen.engine == "podman" or not seen.cdi_is_enabled:
        return
    knows = [spec for since, spec in _CDI_OF_ENGINES if engine >= since][-1]
    unresolved = UNRESOLVED.search(seen.container_text)
    for file in seen.gpu_specs:
        needs = docker_info.numbers(file.spec.version)
        if file.spec.devices and needs > knows and not _is_known_to_engine(seen, file):
            readable = [spec for since, spec in _CDI_OF_ENGINES if spec >= needs]
            wanted = next((since for since, spec in _CDI_OF_ENGINES if spec >= needs), None) if readable else None
            values = {
                "path": file.path,
                "version": file.spec.version,
                "engine": seen.docker.version if seen.docker else "?",
                "wanted": ".".join(map(str, wanted)) if wanted else "a newer version",
            }
            sure = bool(unresolved) and engine < _SURE_BEFORE
            worse = bool(unresolved) or not seen.hook_path
            yield Hit(values=values, severity="error" if worse else "warning", confidence=None if sure else "likely")
            return


def device_unknown(seen: Seen) -> t.Iterator[Hit]:
    unresolved = UNRESOLVED.search(seen.container_text)
    names = _names(seen)
    if unresolved and names:
        missing = [one for one in re.split(", ?", unresolved[1]) if one not in names]
        if missing:
            shown = ", ".join(name.partition("=")[2] for name in names[:6])
            yield Hit(values={"device": ", ".join(missing), "path": seen.gpu_specs[0].path, "names": shown})


def spec_not_loaded(seen: Seen) -> t.Iterator[Hit]:
    """The specification names the device, and the engine does not know it."""
    unresolved = UNRESOLVED.search(seen.container_text)
    asked = re.split(", ?", unresolved[1]) if unresolved else []
    if not asked or not set(asked) <= set(_names(seen)):
        refused = [line for line in (seen.docker.warnings if seen.docker else ()) if _is_of_cdi(line)]
        if refused:
            yield Hit(
                values={"path": "a CDI specification", "said": f": {refused[0][:300]}"},
                severity="warning",
                cause="The engine itself says that it cannot read it.",
            )
        return
    refused = [line for line in (seen.docker.warnings if seen.docker else ()) if _is_of_cdi(line)]
    twice = _named_twice(seen, asked)
    said = f": {refused[0][:300]}" if refused else ""
    if twice:
        cause = f"{' and '.join(twice)} name the same devices, and of the same directory: engines then use neither."
        commands = ("nvidia-ctk cdi list", f"rm {twice[0]}")
        remedy = "Remove the one that is not refreshed, which nvidia-cdi-refresh does not write."
        yield Hit(values={"path": twice[0], "said": said}, cause=cause, remedy=remedy, commands=commands)
        return
    paths = ", ".join(file.path for file in seen.gpu_specs)
    if seen.engine == "rootless" and not refused:
        yield Hit(
            values={"path": paths, "said": said},
            confidence="likely",
            cause="A rootless engine sees /etc and /run as they were when it started: a directory of specifications"
            " that came later is not in its copy.",
            remedy="Restart the engine after the specification is written.",
            commands=("systemctl --user restart docker", "nvidia-ctk cdi list"),
        )
    else:
        yield Hit(values={"path": paths, "said": said}, confidence="certain" if refused else "likely")


def spec_elsewhere(seen: Seen) -> t.Iterator[Hit]:
    there = [file for file in seen.cdi_elsewhere if file.spec.devices]
    if there and not _names(seen) and seen.docker:
        folders = ", ".join(seen.docker.cdi_directories or [])
        severity = "error" if UNRESOLVED.search(seen.container_text) else None
        yield Hit(values={"path": there[0].path, "folders": folders}, severity=severity)


def not_made_by_runtime(seen: Seen) -> t.Iterator[Hit]:
    if _NOT_MADE.search(seen.container_text):
        yield Hit()


def no_cgroups(seen: Seen) -> t.Iterator[Hit]:
    mine = seen.engine in ("rootful", "snap") and seen.no_cgroups and seen.hook_path
    if not mine or seen.toolkit_mode in ("cdi", "csv", "jit-cdi"):
        return
    by_hook = [look for look in seen.looks if look.inside and not look.works and not seen.by_cdi(look)]
    for look in by_hook:
        if not _NO_ACCESS.search(look.run.text):
            continue
        yield Hit(values={"where": where(look)}, confidence=None if look.container is None else "likely")
    if not seen.looks:
        yield Hit(values={"where": "a container that gets GPUs by the hook"}, severity="warning", confidence="likely")


def library_inside(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        # What the hook says of the library is no matter of the image, which has not come so far then.
        if look.works or look.inside is None or not seen.nvml_works or not _MISMATCH.search(look.run.text):
            continue
        said = _INSIDE_VERSION.search(look.run.text)
        inside = said[1] if said else None
        values = {"where": where(look), "inside": inside or "of another version", "loaded": seen.driver_version or "?"}
        stale = any(file.other_driver for file in seen.gpu_specs) and seen.by_cdi(look)
        if look.container is not None:
            yield Hit(
                values=values,
                confidence="likely",
                cause="The container was started before the host's driver was upgraded and still holds the library of"
                " before; or its image brings a library of its own.",
                remedy="Recreate the container. Where that does not help, build its image without the driver's"
                " packages.",
                commands=(f"docker restart {look.container}",),
            )
        elif not stale:
            yield Hit(values=values, confidence=None if seen.is_other_version(inside) else "likely")


def capability_missing(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        inside = look.inside
        if not inside or seen.by_cdi(look) or seen.engine == "podman":
            continue
        if inside.lacks("compute"):
            values = {"where": where(look), "given": inside.capabilities, "missing": "compute"}
            blind = [one for one in seen.frameworks if one.container == look.container and not one.answer.devices]
            for one in blind:
                yield Hit(values=values, layer=f"framework:{one.name}", severity="error")
            if not blind:
                yield Hit(values=values, severity="warning")
        elif inside.lacks("utility") and not look.works:
            values = {"where": where(look), "given": inside.capabilities, "missing": "utility"}
            yield Hit(
                values=values,
                severity="info" if inside.gpu_nodes else "error",
                cause="Without the capability `utility` the toolkit puts neither nvidia-smi nor libnvidia-ml into the"
                " container. CUDA works without them.",
            )


def capabilities_refused(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        found = _REFUSED_CAPABILITIES.search(look.run.text)
        if found:
            mixed = "all" in found[1].split(",") and found[1] != "all"
            cause = "`all` stands for itself, and not in a list with others." if mixed else None
            yield Hit(values={"asked": found[1], "allowed": found[2]}, cause=cause)


def nested(seen: Seen) -> t.Iterator[Hit]:
    rootless = seen.docker and seen.docker.rootless
    if seen.platform == "container" and not rootless and _NESTED.search(seen.container_text):
        yield Hit()


def runtime_gone(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        found = _NO_PROGRAM.search(look.run.text)
        if not found:
            continue
        program = found["name"] or found["path"]
        if found["why"] and found["why"].lower().startswith("permission"):
            yield Hit(
                values={"program": program, "what": "permission denied"},
                confidence="likely",
                cause="The program is there, and is not executable, lies on a file system that is mounted noexec, or"
                " SELinux or AppArmor keeps Docker from it.",
                remedy="See its mode and its file system, and what was denied; install the toolkit again.",
                commands=(f"ls -lZ {program}", "journalctl --boot --grep 'denied'"),
            )
        elif program.endswith("nvidia-container-cli"):
            yield Hit(
                values={"program": program, "what": "it is not there"},
                cause="The toolkit's hook calls it, and its package libnvidia-container-tools is not installed, or not"
                " where Docker's PATH leads.",
                remedy="Install the toolkit's packages together, in one version.",
                commands=("apt-get install libnvidia-container-tools", "command -v nvidia-container-cli"),
            )
        else:
            yield Hit(values={"program": program, "what": "it is not there"})


def toolkit_without_driver(seen: Seen) -> t.Iterator[Hit]:
    for look in seen.looks:
        found = _NO_DRIVER.search(look.run.text)
        if not found or not seen.nvml_works:
            continue
        values = {"said": found[0]}
        if "mismatch" in found[0].lower():
            yield Hit(
                values=values,
                cause="It loads another libnvidia-ml than nvidia-smi does: its `root` setting leads to another driver,"
                " as a driver in a container has it, or libraries of two versions are installed.",
                remedy="See which libraries there are, and where the toolkit looks.",
                commands=(
                    "ldconfig -p | grep libnvidia-ml",
                    "grep -nE 'root|ldcache' /etc/nvidia-container-runtime/config.toml",
                ),
            )
        elif seen.engine == "desktop_wsl":
            yield Hit(
                values=values,
                cause="The engine is in another distribution, that of Docker Desktop, which gets no GPU from Windows.",
                remedy="On Windows, update the driver, WSL and Docker Desktop, and restart WSL.",
                commands=("wsl.exe --update", "wsl.exe --shutdown"),
            )
        else:
            yield Hit(values=values)


def _names(seen: Seen) -> list[str]:
    """The devices of all specifications, with their kind before them, as an engine is asked for them."""
    return list(dict.fromkeys(f"{file.spec.kind}={name}" for file in seen.gpu_specs for name in file.spec.devices))


def _is_known_to_engine(seen: Seen, file: CdiFile) -> bool:
    known = set((seen.docker.cdi_devices if seen.docker else None) or [])
    return bool(known) and {f"{file.spec.kind}={name}" for name in file.spec.devices} <= known


def _is_of_cdi(warning: str) -> bool:
    return "CDI" in warning and bool(re.search(r"\.(?:ya?ml|json)|fail|error|invalid", warning, re.I))


def _named_twice(seen: Seen, asked: t.Iterable[str]) -> list[str]:
    """Files of one directory that name the same device, neither of which counts then."""
    for name in asked:
        with_it = [file.path for file in seen.gpu_specs if name.partition("=")[2] in file.spec.devices]
        for folder in dict.fromkeys(map(os.path.dirname, with_it)):
            mine = [path for path in with_it if os.path.dirname(path) == folder]
            # Those of a later directory go before those of an earlier one, so only the last one's count.
            if len(mine) > 1 and folder == os.path.dirname(with_it[-1]):
                return mine
    return []
