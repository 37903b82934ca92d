# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker Engine through its own command, and what systemd says of units."""

from __future__ import annotations

import json
import subprocess
import typing as t

from .errors import EngineError, OperatorError


class Engine:
    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout

    def run(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                ["docker", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
                pass_fds=pass_fds,
                timeout=self.timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"docker {arguments[0]} did not answer within {error.timeout:g} seconds") from None
        except OSError as error:
            raise EngineError(f"The docker command cannot be run: {error}") from error

    def call(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> str:
        done = self.run(*arguments, pass_fds=pass_fds)
        if done.returncode != 0:
            raise EngineError(done.stderr.strip() or f"docker {arguments[0]} failed with code {done.returncode}")
        return done.stdout.strip()

    def logs(self, container: str, lines: int) -> str:
        """What it wrote last, to either of its outputs; empty where there is no such container."""
        done = self.run("logs", "--tail", str(lines), container)
        return (done.stdout + done.stderr).strip() if done.returncode == 0 else ""

    def inspect(self, kind: str, name: str) -> dict[str, t.Any] | None:
        try:
            return t.cast("dict[str, t.Any]", json.loads(self.call(kind, "inspect", name))[0])
        except EngineError as error:
            if error.missing:
                return None
            raise

    def version(self) -> str:
        return self.call("version", "--format", "{{.Server.Version}}")

    def image_id(self, image: str) -> str:
        """Empty where the engine has no such image."""
        return str((self.inspect("image", image) or {}).get("Id", ""))


def unit_properties(unit: str) -> dict[str, str]:
    try:
        shown = subprocess.run(
            ["systemctl", "show", "--property=LoadState,ActiveState,UnitFileState", unit],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise OperatorError(f"systemd does not answer: {error}") from error
    return dict(line.split("=", 1) for line in shown.splitlines())


def refuse_to_wake_engine() -> None:
    """A question to a stopped engine would start it through docker.socket, under the hands of who stopped it."""
    unit = unit_properties("docker.service")
    if unit["LoadState"] == "loaded" and unit["ActiveState"] in ("inactive", "deactivating", "failed"):
        raise EngineError(f"docker.service is {unit['ActiveState']}.")
