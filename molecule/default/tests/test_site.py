# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml promised, observed from the far side: the engine's answer, a cell that ran, a file that crossed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

CONTAINER = "jupyter-keras"
TOKEN_PATH = "/etc/gpulab/jupyter/keras/token"
RUN_CELL = (Path(__file__).parent / "run_cell.py").read_text()

REQUEST = """
import json, sys, urllib.error, urllib.request
path, method, token = sys.argv[1:]
if token.startswith("/"):
    token = open(token).read().strip()
request = urllib.request.Request("http://127.0.0.1:8888" + path, method=method)
if token:
    request.add_header("Authorization", "token " + token)
try:
    answer = urllib.request.urlopen(request, timeout=20)
except urllib.error.HTTPError as refused:
    answer = refused
print(json.dumps([answer.status, json.load(answer)]))
"""


def inspect(host: Host, template: str = "{{json .}}") -> Any:
    return json.loads(host.check_output("docker inspect --format %s %s", template, CONTAINER))


def run_cell(host: Host, code: str) -> str:
    """Run a cell in a new kernel of the running server, as a browser does; return what it printed."""
    return host.check_output(f"docker exec {CONTAINER} python3 -c %s %s", RUN_CELL, code).strip()


def request(host: Host, path: str, token: str = TOKEN_PATH, method: str = "GET") -> tuple[int, Any]:
    """Ask the server from the machine it runs on; return the status and the decoded body.

    The token is read over there: sudo writes every command line to the journal, where a test looks for it.
    """
    status, body = json.loads(host.check_output("python3 -c %s %s %s %s", REQUEST, path, method, token))
    return status, body


def test_engine_runs_what_the_role_configured(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["LiveRestoreEnabled"] is True
    assert info["DefaultAddressPools"], "the engine does not use the address pools of daemon.json"


def test_unit_and_container_are_healthy(host: Host) -> None:
    unit = host.service(f"{CONTAINER}.service")
    assert unit.is_running
    assert unit.is_enabled
    for _attempt in range(30):
        health = inspect(host, "{{json .State.Health.Status}}")
        if health != "starting":
            break
        time.sleep(1)
    assert health == "healthy", host.check_output(f"journalctl --no-pager -n 50 -u {CONTAINER}.service")


def test_unit_does_not_depend_on_the_engine(host: Host) -> None:
    """`Requires=` would stop every notebook with every restart of the engine."""
    requires = host.check_output(f"systemctl show --property Requires,BindsTo,PartOf {CONTAINER}.service")
    assert "docker.service" not in requires


def test_cell_imports_keras_and_trains(host: Host) -> None:
    code = (
        "import keras, numpy as np; m = keras.Sequential([keras.layers.Dense(1)]); m.compile('sgd', 'mse');"
        "h = m.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0); print('keras', keras.__version__, *h.epoch)"
    )
    printed = run_cell(host, code)
    assert printed.startswith("keras 3."), printed
    assert printed.endswith(" 0"), printed


def test_file_made_in_the_notebook_belongs_to_the_user(host: Host) -> None:
    run_cell(host, "open('/src/made-inside.txt', 'w').write('hello')")
    made = host.file("/home/lab/notebooks/made-inside.txt")
    assert made.content_string == "hello"
    assert (made.user, made.group) == ("lab", "lab")


def test_home_is_writable_and_executable(host: Host) -> None:
    """Notebooks keep data sets in ~/.keras and load compiled extensions from below their home."""
    code = (
        "import os, pathlib; home = pathlib.Path.home(); (home / '.keras').mkdir(exist_ok=True);"
        "print(home, os.access(home / '.keras', os.W_OK), bool(os.statvfs(home).f_flag & os.ST_NOEXEC))"
    )
    assert run_cell(host, code).endswith("True False")


def test_wrong_token_is_refused(host: Host) -> None:
    assert request(host, "/api/status", token="")[0] == 403
    assert request(host, "/api/status", token="0" * 48)[0] == 403
    assert request(host, "/api/status")[0] == 200


def test_token_is_nowhere_it_should_not_be(host: Host) -> None:
    token = host.file(TOKEN_PATH).content_string.strip()
    assert len(token) >= 40
    assert oct(host.file(TOKEN_PATH).mode) == "0o400"
    assert token not in json.dumps(inspect(host))
    assert token not in host.check_output("journalctl --no-pager -b")
    pid = inspect(host, "{{.State.Pid}}")
    for place in ("cmdline", "environ"):
        assert token not in host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/{place}")


def test_container_is_confined(host: Host) -> None:
    settings = inspect(host)["HostConfig"]
    assert settings["ReadonlyRootfs"] is True
    assert settings["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in " ".join(settings["SecurityOpt"])
    assert settings["Memory"] > 0
    assert settings["PidsLimit"] > 0


def test_only_loopback_listens(host: Host) -> None:
    listeners = host.check_output("ss -Hltn 'sport = :8888'").splitlines()
    assert listeners
    assert all(line.split()[3].startswith(("127.0.0.1:", "[::1]:")) for line in listeners), listeners


def test_image_has_neither_the_ca_nor_a_proxy(host: Host) -> None:
    """The build trusted what the host trusts; the image must not."""
    assert "proxy" not in " ".join(inspect(host)["Config"]["Env"]).lower()
    own = host.check_output("cat /usr/local/share/ca-certificates/*.crt 2>/dev/null || true")
    if "BEGIN CERTIFICATE" not in own:
        pytest.skip("this controller, and so its testbed machine, has no certificate authority of its own")
    image = host.check_output(f"docker exec {CONTAINER} cat /etc/ssl/certs/ca-certificates.crt").splitlines()
    # The second line is the first of the certificate's own text.
    assert own.splitlines()[1] not in image


def test_kernel_survives_the_death_of_the_engine(host: Host) -> None:
    """kill -9 of dockerd, then a restart of it: same container, same kernel."""

    def state() -> tuple[str, list[str]]:
        kernels = request(host, "/api/kernels")[1]
        return inspect(host, "{{json .State.StartedAt}}"), sorted(kernel["id"] for kernel in kernels)

    kernel = request(host, "/api/kernels", method="POST")[1]["id"]
    before = state()
    assert kernel in before[1]
    for command in ("kill -9 $(cat /run/docker.pid)", "systemctl restart docker.service"):
        host.check_output(command)
        for _attempt in range(60):
            if host.run("docker version").rc == 0:
                break
            time.sleep(0.5)
        assert state() == before, f"after `{command}`"
        assert host.service(f"{CONTAINER}.service").is_running
