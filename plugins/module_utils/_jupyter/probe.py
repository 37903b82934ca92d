# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cell prints in a new kernel of an instance's container."""

from __future__ import annotations

import pkgutil
import typing as t

from .._untrusted import child, files
from .._untrusted.shape import decoded_object, line, texts

# Imported so that Ansible sends it along, too.
from . import in_container

# In which it ends its kernel, and docker tells of that.
GRACE = 15
# Bytes of what a cell prints, at most.
SAID = 2**20


def probe_kernel(container: str, devices: str, timeout: float) -> dict[str, t.Any]:
    script = pkgutil.get_data(__package__, f"{in_container.__name__.rpartition('.')[2]}.py")
    if script is None:
        raise FileNotFoundError(f"{__package__} comes without the source of in_container")
    # Isolated, because the working directory is the user's, whose files Python would import for its own.
    command = ["docker", "exec", "-i", container, "python3", "-I", "-", f"{timeout:g}", devices]
    try:
        with files.nameless(script) as stdin:
            # Whatever runs in the container can write to its output, too, without an end.
            done = child.run(command, timeout + GRACE, SAID, stdin)
    except OSError as error:
        return outcome(f"the docker command cannot be run: {error.strerror}")
    if done.code is None:
        return outcome(f"docker exec did not end within {timeout + GRACE:g} seconds")
    return parse(done.out, done.err, done.code)


def parse(stdout: str, stderr: str, code: int) -> dict[str, t.Any]:
    for said in reversed(stdout.splitlines()):
        if said.startswith(in_container.MARK):
            try:
                return printed(decoded_object(said[len(in_container.MARK) :]))
            except (ValueError, TypeError, LookupError):
                break
    # Docker's own complaints go to either, depending on its version.
    last = (stderr.strip() or stdout.strip()).splitlines()[-3:]
    return outcome(f"no kernel ran: {line(' '.join(last)) or f'docker exec ended with code {code}'}")


def printed(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """What the container says, as far as it has the types that it should have."""
    unknown = set(found) - {"health", "keras", "backend", "framework", "devices", "seconds"}
    if unknown:
        raise ValueError(f"it also says {', '.join(sorted(unknown))}")
    seconds = float(found.get("seconds", 0))
    return outcome(
        line(found["health"]),
        keras=line(found.get("keras"), 100),
        backend=line(found.get("backend"), 100),
        framework=line(found.get("framework"), 100),
        devices=[line(device, 200) for device in texts(found.get("devices", []))],
        seconds=seconds if 0 <= seconds < 10**6 else 0,
    )


def outcome(
    health: str,
    keras: str = "",
    backend: str = "",
    framework: str = "",
    devices: t.Sequence[str] = (),
    seconds: float = 0,
) -> dict[str, t.Any]:
    return {
        "health": health,
        "keras": keras,
        "backend": backend,
        "framework": framework,
        "devices": list(devices),
        "seconds": seconds,
    }
