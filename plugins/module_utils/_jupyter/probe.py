# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a cell prints in a new kernel of an instance's container."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import typing as t

# Imported so that Ansible sends it along, too.
from . import in_container

# In which it ends its kernel, and docker tells of that.
GRACE = 15


def probe_kernel(container: str, devices: str, timeout: float) -> dict[str, t.Any]:
    script = pkgutil.get_data(__package__, f"{in_container.__name__.rpartition('.')[2]}.py")
    if script is None:
        raise FileNotFoundError(f"{__package__} comes without the source of in_container")
    # Isolated, because the working directory is the user's, whose files Python would import for its own.
    command = ["docker", "exec", "-i", container, "python3", "-I", "-", f"{timeout:g}", devices]
    try:
        done = subprocess.run(command, input=script, capture_output=True, check=False, timeout=timeout + GRACE)
    except subprocess.TimeoutExpired:
        return outcome(f"docker exec did not end within {timeout + GRACE:g} seconds")
    except OSError as error:
        return outcome(f"the docker command cannot be run: {error.strerror}")
    stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return parse(stdout, stderr, done.returncode)


def parse(stdout: str, stderr: str, code: int) -> dict[str, t.Any]:
    for line in reversed(stdout.splitlines()):
        if line.startswith(in_container.MARK):
            try:
                return outcome(**json.loads(line[len(in_container.MARK) :]))
            except (ValueError, TypeError):
                break
    # Docker's own complaints go to either, depending on its version.
    said = (stderr.strip() or stdout.strip()).splitlines()[-3:]
    return outcome(f"no kernel ran: {' '.join(said) or f'docker exec ended with code {code}'}")


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
