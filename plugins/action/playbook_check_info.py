# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

from ansible import constants, context
from ansible.plugins.action import ActionBase
from ansible_collections.gpulab.workstation.plugins.plugin_utils._fleet_report.events import Events

_GRACE = 10
_LONGEST_PROBLEM = 600
# Of ansible-playbook, as it keeps them and as they are given.
_OPTIONS = {
    "become_method": "become-method",
    "become_user": "become-user",
    "connection": "connection",
    "forks": "forks",
    "private_key_file": "private-key",
    "remote_user": "user",
    "ssh_common_args": "ssh-common-args",
    "ssh_extra_args": "ssh-extra-args",
    "timeout": "timeout",
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = {**super().run(tmp, task_vars), "changed": False}
        try:
            return {**result, **self._check_run()}
        except Exception as error:  # What was seen of the machines is worth a report without this.
            problem = " ".join(str(error).split())[:_LONGEST_PROBLEM] or type(error).__name__
            return {**result, "status": "failed", "problem": problem, "seconds": 0.0, "hosts": {}}

    def _check_run(self) -> dict[str, t.Any]:
        _spec, asked = self.validate_argument_spec(
            {
                "playbook": {"type": "path", "required": True},
                "inventory": {"type": "list", "elements": "str", "required": True},
                "hosts": {"type": "list", "elements": "str", "required": True},
                "arguments": {"type": "list", "elements": "str", "default": []},
                "config": {"type": "path"},
                "timeout": {"type": "int", "default": 600},
            }
        )
        # By the interpreter that runs this, so that it is the same Ansible with the same collections.
        command = [sys.executable, "-m", "ansible", "playbook", "--check"]
        command += [f"--inventory={source}" for source in asked["inventory"]]
        command.append(f"--limit={','.join(asked['hosts'])}")
        environment = {
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
            "ANSIBLE_DIFF_ALWAYS": "false",
            "ANSIBLE_FORCE_COLOR": "false",
            "ANSIBLE_JSON_INDENT": "0",
            **({"ANSIBLE_CONFIG": asked["config"]} if asked["config"] else {}),
        }
        # This run's own, which nobody else may look into.
        with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as directory:
            command += same_options(
                context.CLIARGS,
                {"connection": self._play_context.password, "become": self._play_context.become_pass},
                # Those of files, programs and prompts alike.
                self._loader._vault.secrets or (),
                Path(directory),
            )
            command += [*asked["arguments"], asked["playbook"]]
            return check_run(command, environment, asked["timeout"])


def same_options(
    options: t.Mapping[str, t.Any],
    passwords: t.Mapping[str, str | None],
    vault: t.Iterable[tuple[str, t.Any]],
    directory: Path,
) -> list[str]:
    """What lets the other run do what this one may. Secrets by file: arguments are there for every user to see."""
    arguments = [f"--{name}={options[key]}" for key, name in _OPTIONS.items() if options.get(key)]
    arguments += [f"--extra-vars={one}" for one in options.get("extra_vars") or ()]
    arguments += ["--become"] if options.get("become") else []
    for name, password in passwords.items():
        if password:
            arguments.append(f"--{name}-password-file={_kept(directory / name, password.encode())}")
    for number, (name, secret) in enumerate(vault):
        arguments.append(f"--vault-id={name}@{_kept(directory / f'vault-{number}', secret.bytes)}")
    return arguments


def _kept(path: Path, secret: bytes) -> Path:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    return path


def check_run(command: t.Sequence[str], environment: t.Mapping[str, str], timeout: float) -> dict[str, t.Any]:
    events = Events()
    started = time.monotonic()
    # A file, because what outlives the run, such as a kept SSH connection, would hold a pipe open.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=dict(environment),
            text=True,
            errors="replace",
            # A group of its own: it is ended with all that it started.
            start_new_session=True,
        )
        timed_out = threading.Event()

        def end(signal_number: int) -> None:
            timed_out.set()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal_number)

        timers = [
            threading.Timer(timeout, end, [signal.SIGTERM]),
            threading.Timer(timeout + _GRACE, end, [signal.SIGKILL]),
        ]
        for timer in timers:
            timer.daemon = True
            timer.start()
        said: list[str] = []
        try:
            with process:
                for line in process.stdout or ():
                    events.take(line)
                    said = [*said[-20:], line] if not line.startswith("{") else said
        finally:
            for timer in timers:
                timer.cancel()
        errors.seek(0)
        problem = _problem(errors.read() or "".join(said))
    seconds = round(time.monotonic() - started, 1)
    outcome = {"hosts": events.hosts(), "seconds": seconds}
    if events.is_complete:
        return {**outcome, "status": "completed", "problem": ""}
    if timed_out.is_set():
        return {**outcome, "status": "timed_out", "problem": f"It took longer than {timeout} seconds, and was ended."}
    return {
        **outcome,
        "status": "failed",
        "problem": problem or f"ansible-playbook ended with {process.returncode}, and said nothing.",
    }


def _problem(said: str) -> str:
    """The error, without the warnings before it."""
    _warnings, found, error = said.partition("[ERROR]")
    return " ".join((error if found else said).split()).lstrip(": ")[:_LONGEST_PROBLEM]
