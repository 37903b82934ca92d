# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks into containers: what nvidia-smi and the frameworks see there.

Nothing is ever pulled, and what is made is removed.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..._jupyter.layout import LABEL_INSTANCE
from ..detect.words import arguments
from ..parsers import container, docker, framework
from ..seen import InContainer, InFramework, Seen
from ..system import System, evidence

_IMAGE_ENV = "{{json .Config.Env}}"
# What docker exec says of a container that ended, or was paused.
_ENDED = re.compile(r"[Cc]ontainer \S+ is (not running|paused|restarting)|No such container")
_FRAMEWORK_ENV = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def method_of(seen: Seen, wanted: str) -> str:
    """How to ask Docker for GPUs: what its configuration supports, the most robust first."""
    if wanted != "auto":
        return wanted
    methods = supported(seen)
    # Where none is supported, the plain one: Docker then says itself what it misses.
    return next((name for name in ("cdi", "gpus", "runtime") if methods[name]), "gpus")


def supported(seen: Seen) -> dict[str, bool]:
    devices = any(file.spec.devices for file in seen.gpu_specs)
    by_cdi = bool(seen.cdi_is_enabled and devices)
    # From 29 on, --gpus looks for CDI devices first; before that, only the toolkit's hook serves it.
    new_engine = (docker.major(seen.docker.version) or 0) >= 29 if seen.docker else False
    return {
        "cdi": by_cdi,
        "gpus": seen.hook_serves_gpus or (by_cdi and new_engine),
        "runtime": bool(seen.docker and "nvidia" in seen.docker.runtimes),
    }


def temporary(system: System, seen: Seen, image: str, wanted: str) -> None:
    """What a new container of this image sees."""
    environment = system.run("docker", "image", "inspect", "--format", _IMAGE_ENV, image)
    if environment.rc != 0:
        seen.image_missing = image
        seen.not_looked["container"] = f"the image {image} is not on this host"
        seen.evidence["container"] = [environment.evidence()]
        return
    required = (docker.image_environment(environment.stdout) or {}).get("NVIDIA_REQUIRE_CUDA")
    method = method_of(seen, wanted)
    run = _run_in(
        system,
        [*arguments(method), "--entrypoint", "/bin/sh", image, "-c", container.SCRIPT, str(_seconds(system))],
        "nvidia-smi -L",
    )
    _note(seen, InContainer(None, image, method, run, _inside(run.stdout), required))


def notebooks(system: System, seen: Seen) -> list[str]:
    """The names of the notebooks' containers that run and were given GPUs, sorted."""
    those = ["--filter", f"label={LABEL_INSTANCE}", "--filter", "status=running"]
    listed = system.run("docker", "ps", *those, "--format", "{{.Names}}")
    if listed.rc != 0:
        seen.not_looked["container"] = "docker does not say which notebooks run"
        seen.evidence.setdefault("container", []).append(listed.evidence())
        return []
    names = listed.stdout.split()
    # One that ended meanwhile is missing in what it prints.
    return docker.with_gpus(system.run("docker", "inspect", "--format", docker.GIVEN, *names).stdout) if names else []


def running(system: System, seen: Seen, name: str, may_end: bool = False) -> None:
    """What a container that runs sees. One that may end meanwhile is no trouble then."""
    run = system.run("docker", "exec", name, "/bin/sh", "-c", container.SCRIPT, str(_seconds(system)))
    if may_end and run.rc and _ENDED.search(run.stderr):
        return
    run = run._replace(ref=f"docker exec {name} nvidia-smi -L")
    _note(seen, InContainer(name, None, None, run, _inside(run.stdout), None))


def frameworks(system: System, seen: Seen, name: str, image: str | None, running_in: str | None, wanted: str) -> None:
    """What a framework lists: in the container that runs, else in a new one of the image, else on the host itself."""
    given = [part for key, value in _FRAMEWORK_ENV.items() for part in ("--env", f"{key}={value}")]
    script = framework.program(name, _seconds(system))
    if running_in:
        where, run = "container", system.run("docker", "exec", *given, running_in, "python3", "-c", script)
    elif image:
        extra = [*arguments(method_of(seen, wanted)), *given, "--entrypoint", "python3", image, "-c", script]
        where, run = "container", _run_in(system, extra, f"python3 ({name})")
    else:
        os.environ.update(_FRAMEWORK_ENV)
        where, run = "host", system.run("python3", "-c", script)
    run = run._replace(ref=f"{name} in {running_in or image or 'python3 of the host'}")
    seen.frameworks.append(InFramework(name, where, running_in, run, framework.parse(run.stdout, run.stderr)))
    shown = "\n".join(filter(None, (run.stdout.strip(), run.stderr.strip()[-1200:], run.problem)))
    seen.evidence[f"framework:{name}"] = [evidence("command", run.ref, shown, run.rc)]


def _run_in(system: System, rest: list[str], shown: str) -> t.Any:
    name = f"gpulab-probe-{os.getpid()}-{os.urandom(4).hex()}"
    # Without network, and not kept: it is only to look at its devices.
    fixed = ["run", "--rm", "--name", name, "--pull", "never", "--network", "none", "--label", "org.gpulab.probe=1"]
    run = system.run("docker", *fixed, *rest)
    if run.rc is None and run.seconds > 0:
        # The client was killed, and its container runs on. This takes a moment even when the time is over.
        system.run("docker", "rm", "--force", name, timeout=10, tidying=True)
    return run._replace(ref=f"docker run {' '.join(rest[: rest.index('--entrypoint')])}: {shown}")


def _seconds(system: System) -> int:
    """When what runs in a container is to end by itself: just after its client would have been killed."""
    return int(system.limit()) + 1


def _inside(stdout: str) -> container.Inside | None:
    inside = container.parse(stdout)
    return inside if inside.smi_rc is not None else None


def _note(seen: Seen, look: InContainer) -> None:
    seen.looks.append(look)
    seen.evidence.setdefault("container", []).append(look.run.evidence())
