# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docker.exe: mounts are directories of the scratch drive, and small commands really run there.

Faults of `run`, each as it was reported of the real one:
    hang         never ends
    credential   the credential store of another session (docker/cli#4353)
    empty        mounts are empty directories (docker/for-win#12323)
    no_marker    mounts show an old state, without what is new
    one_way      what is written stays in the virtual machine (docker/for-win#11958)
    stale        a file's content is an old one (docker/for-win#5530)
    read_only    the user may not write
    offline      the registry is out of reach
    windows      it runs Windows containers
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from . import desktop
from .machine import Machine, State
from .programs import hang

# Options of `docker run` that take their value as a word of its own.
WITH_VALUE = {"-v", "--mount"}


class DockerError(Exception):
    """What docker.exe prints on stderr."""


class Run(t.NamedTuple):
    """A `docker run`: its options by name, the image, the command."""

    options: dict[str, list[str]]
    image: str
    command: list[str]

    def one(self, name: str) -> str:
        return self.options.get(name, [""])[0]


def parse_run(words: list[str]) -> Run:
    options: dict[str, list[str]] = {}
    words = list(words)
    while words and words[0].startswith("-"):
        name, separator, value = words.pop(0).partition("=")
        options.setdefault(name, []).append(value if separator or name not in WITH_VALUE else words.pop(0))
    return Run(options, words[0], words[1:])


def mounts(machine: Machine, state: State, run: Run) -> dict[str, Path]:
    """Where the directories are that the container sees."""
    found: dict[str, Path] = {}
    pairs = [volume.rsplit(":", 1) for volume in run.options.get("-v", [])]
    for mount in run.options.get("--mount", []):
        fields = dict(field.partition("=")[::2] for field in mount.split(","))
        if fields["type"] == "bind":
            pairs.append([fields["source"], fields["target"]])
    for source, target in pairs:
        path = machine.path(source)
        if not path.is_dir():
            raise DockerError(f"docker: Error response from daemon: bind source path does not exist: {source}")
        loaded = {key.casefold(): value for key, value in state["desktop"]["loaded"].items()}
        shared = [machine.path(folder) for folder in loaded.get("filesharingdirectories", [])]
        if state["desktop"]["backend"] == "hyper-v" and not any(path.is_relative_to(folder) for folder in shared):
            raise DockerError(f"docker: Error response from daemon: The path {source} is not shared from the host")
        found[target] = path
    return found


def execute(run: Run, seen: dict[str, Path]) -> None:
    """Run the container's command here, with the paths of its mounts replaced by those of the scratch drive."""
    command = list(run.command)
    for target, path in seen.items():
        command = [re.sub(rf"{re.escape(target)}(?=/|$|')", str(path), word) for word in command]
    if command[:1] == ["python3"]:
        command[0] = sys.executable
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    print(done.stdout, end="")
    if done.returncode:
        raise DockerError(done.stderr.strip())


def run_once(machine: Machine, state: State, run: Run, fault: str) -> None:
    seen = mounts(machine, state, run)
    if run.command[:1] == ["nvidia-smi"]:
        if state["faults"].get("gpu"):
            raise DockerError("WSL environment detected but no adapters were found: unknown")
        print("NVIDIA GeForce RTX 4090, 566.36")
    elif run.command[-1:] == ["/opt/keras/share/gpulab/smoke_test.py"]:
        if state["faults"].get("smoke"):
            raise DockerError("Training does not learn: the losses are [1.0, 1.0].")
        print('{"keras": "3.12.0", "backend": "tensorflow", "python": "3.13.5"}')
    elif fault == "read_only" and run.command[0] == "sh":
        raise DockerError("sh: can't create /share/from-container: Read-only file system")
    elif fault in ("empty", "no_marker", "one_way", "stale"):
        with tempfile.TemporaryDirectory() as folder:
            execute(run, {target: elsewhere(path, Path(folder), fault) for target, path in seen.items()})
    else:
        execute(run, seen)


def elsewhere(path: Path, folder: Path, fault: str) -> Path:
    """What the virtual machine shows instead of a directory."""
    other = folder / path.name
    ignored = shutil.ignore_patterns(".gpulab-*") if fault == "no_marker" else None
    if fault == "empty":
        other.mkdir()
    else:
        shutil.copytree(path, other, ignore=ignored)
    for file in other.rglob("from-windows") if fault == "stale" else ():
        file.write_text("a word of yesterday")
    return other


def asks_credential_store(machine: Machine) -> bool:
    """The user's own configuration names the credential store of Windows."""
    file = machine.path(os.environ.get("DOCKER_CONFIG", "C:\\Users\\ada\\.docker")) / "config.json"
    return "auths" not in json.loads(file.read_text() if file.is_file() else "{}")


def pull(machine: Machine, state: State, image: str, fault: str) -> None:
    if image in state["images"]:
        return
    if fault == "credential" or asks_credential_store(machine):
        raise DockerError(
            "docker: error getting credentials - err: exit status 1, out: `A specified logon session does not exist. "
            "It may already have been terminated.`"
        )
    if fault == "windows":
        raise DockerError("docker: no matching manifest for windows/amd64 10.0.22631 in the manifest list entries")
    if fault == "offline" or image not in state["registry"]:
        raise DockerError(f"docker: Error response from daemon: failed to resolve reference {image!r}: no such host")
    state["images"][image] = digest(image)


def digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def docker_run(machine: Machine, words: list[str]) -> None:
    run = parse_run(words)
    fault = machine.fault("run")
    if fault == "hang":
        hang()
    with machine.state() as state:
        pull(machine, state, run.image, fault)
        if "--detach" not in run.options:
            run_once(machine, state, run, fault)
            return
        name = run.one("--name")
        if name in state["containers"]:
            raise DockerError(f'docker: Error response from daemon: Conflict. The container name "/{name}" is in use.')
        mounts(machine, state, run)
        key, value = run.one("--label").split("=", 1)
        state["containers"][name] = {
            "Running": True,
            "restarts": run.one("--restart") == "unless-stopped",
            "health": "unhealthy" if state["faults"].get("notebook") == "unhealthy" else "healthy",
            "labels": {key: value},
            "publish": run.one("--publish"),
            "image": run.image,
            "argv": words,
            "processes": ["/usr/bin/tini -g -- jupyter lab", "/opt/keras/bin/python3 /opt/keras/bin/jupyter-lab"],
        }
        print(digest(name + value)[7:])


def build(machine: Machine, words: list[str]) -> None:
    """Nothing is built, but what the build would read must be there."""
    options: dict[str, str] = {}
    arguments: dict[str, str] = {}
    for word in words[:-1]:
        name, _separator, value = word.partition("=")
        if name == "--build-arg":
            key, _separator, value = value.partition("=")
            arguments[key] = value
        elif name == "--secret":
            path = value.partition("src=")[2]
            if not Path(path).is_file():
                raise DockerError(f"ERROR: failed to stat {path}: no such file or directory")
        else:
            options[name] = value
    text = Path("Dockerfile").read_text()
    for line in re.findall(r"^COPY (?!--from)(.*)", text, re.M):
        for source in (word for word in line.split()[:-1] if not word.startswith("--")):
            source = re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], source)
            if not Path(source).is_file():
                raise DockerError(f'#7 ERROR: failed to calculate checksum: "/{source}": not found')
    print("#1 [internal] load build definition from Dockerfile", file=sys.stderr)
    if machine.fault("build"):
        raise DockerError("#9 12.3 error: invalid peer certificate: UnknownIssuer")
    with machine.state() as state:
        pull(machine, state, arguments["BASE"], "")
        state["images"][options["--tag"]] = digest(text + json.dumps(arguments))


def container_of(state: State, name: str) -> dict[str, t.Any]:
    if name not in state["containers"]:
        raise DockerError(f"Error response from daemon: No such container: {name}")
    found: dict[str, t.Any] = state["containers"][name]
    return found


def containers(machine: Machine, verb: str, words: list[str]) -> None:
    names = [word for word in words if not word.startswith("-")]
    with machine.state() as state:
        container = container_of(state, names[0])
        if verb == "stop":
            container |= {"Running": False, "restarts": False}
        elif verb == "start":
            container |= {"Running": True, "restarts": True}
        elif verb == "rename":
            if names[1] in state["containers"] or state["faults"].get("rename"):
                raise DockerError(f'Error response from daemon: Conflict. The container name "/{names[1]}" is in use.')
            state["containers"][names[1]] = state["containers"].pop(names[0])
        elif verb == "rm":
            if container["Running"] and "--force" not in words:
                raise DockerError(f"Error response from daemon: cannot remove container {names[0]}: it is running")
            del state["containers"][names[0]]
        elif verb == "top":
            print("PID                 COMMAND")
            for number, process in enumerate(container["processes"]):
                print(f"{2000 + number}                {process}")
        if verb != "top":
            print(names[0])


def inspect(machine: Machine, words: list[str]) -> None:
    with machine.state() as state:
        container = container_of(state, words[-1])
        if any(word.startswith("--format") for word in words):
            print(container["health"])
            return
        shown = {
            "Name": f"/{words[-1]}",
            "State": {"Running": container["Running"], "Health": {"Status": container["health"]}},
            "Config": {"Labels": container["labels"], "Image": container["image"]},
        }
    print(json.dumps([shown]))


def images(machine: Machine, words: list[str]) -> None:
    with machine.state() as state:
        if words[0] == "ls":
            wanted = next(word.rpartition("=")[2] for word in words if word.startswith("--filter=reference="))
            for name, image in state["images"].items():
                if name.rpartition(":")[0] == wanted:
                    print(name, image)
        elif words[-1] in state["images"]:
            print(state["images"][words[-1]])
        else:
            raise DockerError(f"Error response from daemon: No such image: {words[-1]}")


def main(machine: Machine, words: list[str]) -> None:
    verb, rest = words[0], words[1:]
    if machine.fault(verb) == "hang":
        if verb == "desktop":
            # It hangs after it has done its work (docker/for-win#14510).
            with machine.state() as state:
                desktop.stop(machine, state)
        hang()
    if verb == "desktop":
        with machine.state() as state:
            fault = state["faults"].get("desktop")
            state["desktop"]["asked_to_stop"] = True
            if fault == "leaves its backend":
                state["desktop"]["shown_as"] = "com.docker.backend.exe"
            elif fault != "ignores":
                desktop.stop(machine, state)
        return
    with machine.state() as state:
        running = state["desktop"]["runs"] and not state["desktop"].get("broken")
        names = [name for name, container in state["containers"].items() if container["Running"]]
    if not running or machine.fault("engine"):
        raise DockerError(
            "error during connect: open //./pipe/docker_engine: The system cannot find the file specified."
        )
    if verb == "ps":
        for name in names:
            print(name)
    elif verb == "run":
        docker_run(machine, rest)
    elif verb == "build":
        build(machine, rest)
    elif verb == "image":
        images(machine, rest)
    elif verb == "tag":
        with machine.state() as state:
            state["images"][rest[1]] = state["images"][rest[0]]
    elif verb == "container":
        inspect(machine, rest[1:])
    else:
        containers(machine, verb, rest)


if __name__ == "__main__":
    here = Machine()
    here.note("docker", *sys.argv[1:])
    try:
        main(here, sys.argv[1:])
    except DockerError as error:
        sys.exit(str(error))
