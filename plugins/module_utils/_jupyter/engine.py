# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker Engine through its own command, and what systemd says of units."""

from __future__ import annotations

import typing as t

from .._untrusted import child
from .._untrusted.shape import decoded
from .errors import EngineError, OperatorError

# Seconds for a question to systemd.
SYSTEMD = 60.0


class Engine:
    def __init__(self, timeout: float | None = None) -> None:
        self.timeout = timeout

    def run(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> child.Done:
        try:
            done = child.run(["docker", *arguments], self.timeout, pass_fds=pass_fds)
        except OSError as error:
            raise EngineError(f"The docker command cannot be run: {error}") from error
        if done.code is None:
            raise EngineError(f"docker {arguments[0]} did not answer within {self.timeout:g} seconds")
        return done

    def call(self, *arguments: str, pass_fds: tuple[int, ...] = ()) -> str:
        done = self.run(*arguments, pass_fds=pass_fds)
        if done.code != 0:
            raise EngineError(done.err.strip() or f"docker {arguments[0]} failed with code {done.code}")
        return done.out.strip()

    def logs(self, container: str, lines: int) -> str:
        """What it wrote last, to either of its outputs; empty where there is no such container."""
        done = self.run("logs", "--tail", str(lines), container)
        return (done.out + done.err).strip() if done.code == 0 else ""

    def inspect(self, kind: str, name: str) -> dict[str, t.Any] | None:
        try:
            return t.cast("dict[str, t.Any]", decoded(self.call(kind, "inspect", name))[0])
        except EngineError as error:
            if error.missing:
                return None
            raise
        except (ValueError, LookupError, TypeError) as error:
            raise EngineError(f"docker {kind} inspect answered something else than was asked ({error})") from error

    def version(self) -> str:
        return self.call("version", "--format", "{{.Server.Version}}")

    def image_id(self, image: str) -> str:
        """Empty where the engine has no such image."""
        return str((self.inspect("image", image) or {}).get("Id", ""))


def unit_properties(unit: str, names: str = "LoadState,ActiveState,UnitFileState") -> dict[str, str]:
    try:
        done = child.run(["systemctl", "show", f"--property={names}", unit], SYSTEMD)
    except OSError as error:
        raise OperatorError(f"systemd does not answer: {error}") from error
    if done.code != 0:
        raise OperatorError(f"systemd does not answer: {done.err.strip() or f'systemctl show ended with {done.code}'}")
    return dict(line.split("=", 1) for line in done.out.splitlines())


def refuse_to_wake_engine() -> None:
    """A question to a stopped engine would start it through docker.socket, under the hands of who stopped it."""
    unit = unit_properties("docker.service")
    if unit["LoadState"] == "loaded" and unit["ActiveState"] in ("inactive", "deactivating", "failed"):
        raise EngineError(f"docker.service is {unit['ActiveState']}.")
