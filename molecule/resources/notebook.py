# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A notebook service as a test sees it: through the engine, the server's API and the machine's files."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testinfra.host import Host

RUN_CELL = (Path(__file__).parent / "files" / "run_cell.py").read_text()

REQUEST = """
import json, sys, urllib.error, urllib.request
url, method, token, body = sys.argv[1:]
if token.startswith("/"):
    token = open(token).read().strip()
request = urllib.request.Request(url, method=method, data=body.encode() or None)
if token:
    request.add_header("Authorization", "token " + token)
try:
    answer = urllib.request.urlopen(request, timeout=20)
except urllib.error.HTTPError as refused:
    answer = refused
text = answer.read()
print(json.dumps([answer.status, json.loads(text) if text else None]))
"""


class Notebook:
    def __init__(self, host: Host, name: str = "keras", port: int = 8888) -> None:
        self.host = host
        self.container = f"jupyter-{name}"
        self.unit = f"{self.container}.service"
        self.url = f"http://127.0.0.1:{port}"
        self.token_path = f"/etc/gpulab/jupyter/{name}/token"

    def inspect(self, template: str = "{{json .}}") -> Any:
        return json.loads(self.host.check_output("docker inspect --format %s %s", template, self.container))

    def run_cell(self, code: str) -> str:
        """Run a cell in a new kernel, as a browser does; return what it printed."""
        command = f"docker exec {self.container} python3 -c %s %s"
        return str(self.host.check_output(command, RUN_CELL, code)).strip()

    def start_cell(self, code: str) -> str:
        """Run a cell in a new kernel and do not wait for its end; return the kernel's id, busy with it."""
        before = set(self.kernels())
        self.host.check_output(f"docker exec --detach {self.container} python3 -c %s %s", RUN_CELL, code)

        def busy() -> list[str]:
            kernels = self.request("/api/kernels")[1]
            return [k["id"] for k in kernels if k["execution_state"] == "busy" and k["id"] not in before]

        return str(self.wait(busy, "the kernel did not start to work")[0])

    def request(self, path: str, method: str = "GET", token: str | None = None, body: Any = None) -> tuple[int, Any]:
        """Ask the server from the machine it runs on; return the status and the decoded body.

        The token is read over there: sudo writes every command line to the journal, where a test looks for it.
        """
        token = self.token_path if token is None else token
        data = "" if body is None else json.dumps(body)
        command = "python3 -c %s %s %s %s %s"
        status, answer = json.loads(self.host.check_output(command, REQUEST, self.url + path, method, token, data))
        return status, answer

    def kernels(self) -> list[str]:
        return sorted(kernel["id"] for kernel in self.request("/api/kernels")[1])

    def journal(self) -> str:
        return str(self.host.run(f"journalctl --no-pager -n 50 -u {self.unit}").stdout)

    def answers(self) -> bool:
        return self.host.run(f"systemctl is-active {self.unit}").stdout.strip() == "active" and (
            self.host.run("python3 -c %s %s GET '' ''", REQUEST, f"{self.url}/api").rc == 0
        )

    def wait_until_it_answers(self) -> None:
        self.wait(self.answers, f"{self.unit} does not answer")

    def wait(self, look: Callable[[], Any], otherwise: str, seconds: int = 120) -> Any:
        """What ``look`` finds as soon as it is true; else fail with what the unit said."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"{otherwise} within {seconds} seconds:\n{self.journal()}"
            time.sleep(0.5)
        return found
