# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for programs: shell scripts that need nothing else in the container that they are mounted into."""

from __future__ import annotations

import dataclasses
import json
import shlex
import typing as t
from pathlib import Path

from . import machine as texts
from .machine import Gpu, Machine


@dataclasses.dataclass(frozen=True)
class Reply:
    """What a program answers to arguments that match a shell pattern; the first that matches counts."""

    pattern: str
    stdout: str = ""
    rc: int = 0
    stderr: str = ""
    hang: int = 0  # seconds to sleep before it answers


def replayer(path: Path, replies: t.Iterable[Reply]) -> None:
    """Write a program that plays replies back."""
    lines = ["#!/bin/sh", "# A stand-in that plays back what it was given.", 'case "$*" in']
    for reply in replies:
        lines.append(f"{_pattern(reply.pattern)})")
        if reply.hang:
            lines.append(f"  sleep {reply.hang}")
        if reply.stdout:
            lines.append(f"  printf '%s' {shlex.quote(reply.stdout)}")
        if reply.stderr:
            lines.append(f"  printf '%s' {shlex.quote(reply.stderr)} >&2")
        lines.append(f"  exit {reply.rc};;")
    lines += ["esac", 'echo "this stand-in was given no answer to: $*" >&2', "exit 64"]
    write_program(path, lines)


def broken_smi(text: str, rc: int) -> list[Reply]:
    """nvidia-smi that says the same whatever it is asked, on stdout as the real one."""
    return [Reply("*", text, rc)]


def smi_replies(machine: Machine, schema: int = 12, lost: t.Collection[int] = ()) -> list[Reply]:
    """nvidia-smi for a root of files: one bad GPU hides all from every form but -L and -i."""
    good = [gpu for gpu in machine.working if gpu.index not in lost]
    bad = [gpu for gpu in machine.working if gpu.index in lost]
    listing = "".join(
        f"Unable to determine the device handle for gpu {gpu.index}: {texts.LOST}"
        if gpu.index in lost
        else texts.smi_list([gpu])
        for gpu in machine.working
    )
    failure = f"Unable to determine the device handle for GPU{bad[0].index}: {texts.LOST}" if bad else ""
    rc = 15 if bad else 0
    replies = [Reply("-L", listing, rc), Reply("-q -x", failure or texts.smi_xml(machine, good, schema), rc)]
    for gpu in good:
        for name in (gpu.uuid, str(gpu.index)):
            replies.append(Reply(f"-q -x -i {name}", texts.smi_xml(machine, [gpu], schema)))
    query = f"--query-gpu={texts.SAFE_FIELDS} --format=csv"
    table = texts.smi_table_head(machine) + texts.smi_table_rows(good)
    return [*replies, Reply(query, failure or texts.smi_csv(machine, good), rc), Reply("", failure or table, rc)]


def docker_replies(
    *,
    version: str = "26.1.5+dfsg1",
    cdi: bool | None = True,
    runtimes: t.Iterable[str] = ("runc", "nvidia"),
    options: t.Iterable[str] = (),
    root: str = "/var/lib/docker",
    cgroup_driver: str = "systemd",
    environment: t.Iterable[str] = (),
    info: t.Mapping[str, t.Any] | None = None,
    context: str = "default",
    more: t.Iterable[Reply] = (),
) -> list[Reply]:
    """docker, with what `docker info` says, the variables of every image, and what it answers besides."""
    said: dict[str, t.Any] = {
        "ServerVersion": version,
        "DockerRootDir": root,
        "CgroupDriver": cgroup_driver,
        "CgroupVersion": "2",
        "Runtimes": {name: {"path": name} for name in runtimes},
        "DefaultRuntime": "runc",
        "SecurityOptions": list(options),
        "ClientInfo": {"Context": context},
        **(info or {}),
    }
    if cdi is not None:  # engines before 25 do not know the key
        said["CDISpecDirs"] = ["/etc/cdi", "/var/run/cdi"] if cdi else None
    return [
        Reply("info *", json.dumps(said) + "\n"),
        Reply("context show", f"{context}\n"),
        Reply("image inspect *", json.dumps(list(environment)) + "\n"),
        *more,
    ]


def docker_error(message: str, rc: int = 125) -> Reply:
    """The answer to a `docker run` that fails."""
    return Reply("run *", rc=rc, stderr=f"docker: Error response from daemon: {message}\n\nRun 'docker run --help'\n")


def live_smi(path: Path, machine: Machine, seams: str, library: str, dev: str = "/dev") -> None:
    """nvidia-smi for a machine that people break by hand: it looks at what the real one depends on.

    It misses its library, the driver under `seams`/proc, and every GPU whose node in /dev is gone; in a container,
    where `seams` is not mounted, it believes its nodes alone.
    """
    version = f"{seams}/proc/driver/nvidia/version"
    before, after = texts.xml_head(machine, "@").split("@")
    lines = [
        "#!/bin/sh",
        "# A stand-in for nvidia-smi. Remove a node in /dev, the library or the driver's file in /proc to break it.",
        "say() { printf '%s\\n' \"$1\"; }",
        f"if [ -d {shlex.quote(seams)} ]; then",
        "  library=",
        f"  for one in {library}/libnvidia-ml.so.[0-9]*.[0-9]*; do",
        '    [ -e "$one" ] && library=${one##*/libnvidia-ml.so.}',
        "  done",
        f'  [ -n "$library" ] || {{ printf %s {shlex.quote(texts.NO_LIBRARY)}; exit 12; }}',
        f"  [ -e {shlex.quote(version)} ] || {{ printf %s {shlex.quote(texts.NO_DRIVER)}; exit 9; }}",
        f"  IFS= read -r loaded < {shlex.quote(version)}",
        '  case "$loaded" in',
        '    *"  $library  "*) ;;',
        '    *) say "Failed to initialize NVML: Driver/library version mismatch"',
        '       say "NVML library version: $library"',
        "       exit 18;;",
        "  esac",
        "fi",
        "count=0",
    ]
    for gpu in machine.working:
        lines.append(f"[ -e {dev}/nvidia{gpu.index} ] && count=$((count + 1))")
    lines += [
        'case "$*" in -L) none="No devices found."; rc=0;; *) none="No devices were found"; rc=6;; esac',
        '[ "$count" -gt 0 ] || { say "$none"; exit "$rc"; }',
        'case "$*" in',
        "-L)",
        *_guarded(dev, machine.working, texts.smi_list),
        "  ;;",
        "'-q -x')",
        f"  printf '%s%s%s' {shlex.quote(before)} \"$count\" {shlex.quote(after)}",
        *_guarded(dev, machine.working, lambda gpus: "".join(map(texts.xml_gpu, gpus))),
        f"  printf '%s' {shlex.quote(texts.XML_TAIL)}",
        "  ;;",
        "'')",
        f"  printf '%s' {shlex.quote(texts.smi_table_head(machine))}",
        *_guarded(dev, machine.working, texts.smi_table_rows),
        "  ;;",
        "*)",
        '  say "this stand-in was given no answer to: $*"',
        "  exit 2;;",
        "esac",
        "exit 0",
    ]
    write_program(path, lines)


def _guarded(dev: str, gpus: t.Iterable[Gpu], render: t.Callable[[list[Gpu]], str]) -> list[str]:
    return [f"  [ -e {dev}/nvidia{gpu.index} ] && printf '%s' {shlex.quote(render([gpu]))}" for gpu in gpus]


def _pattern(pattern: str) -> str:
    """For `case`: everything but * literally."""
    return "*".join(shlex.quote(part) if part else "" for part in pattern.split("*")) or "''"


def write_program(path: Path, lines: t.Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o755)
