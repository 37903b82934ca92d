# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml promised, observed from the far side: the engine's answer, a cell that ran, a file that crossed."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from testinfra.host import Host

# What a kernel finds of its place, while it leaves a file in the work directory.
CELL = """
import json, os, pathlib
open('/src/made-inside.txt', 'w').write('hello')
home = pathlib.Path.home()
(home / '.keras').mkdir(exist_ok=True)
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
print(json.dumps({
    'home': {'writable': os.access(home / '.keras', os.W_OK), 'noexec': bool(os.statvfs(home).f_flag & os.ST_NOEXEC)},
    'rights': [int(status['CapEff'], 16), int(status['CapBnd'], 16), status['NoNewPrivs']],
    'writable': [path for path in ('/', '/etc', '/opt/keras', '/run/secrets') if os.access(path, os.W_OK)],
}))
"""


@pytest.fixture(scope="module")
def notebook(host: Host) -> Notebook:
    return Notebook(host)


@pytest.fixture(scope="module")
def kernel(notebook: Notebook) -> dict[str, Any]:
    return cast("dict[str, Any]", json.loads(notebook.run_cell(CELL)))


def test_engine_runs_what_the_role_configured(host: Host) -> None:
    info = json.loads(host.check_output("docker info --format '{{json .}}'"))
    assert info["LiveRestoreEnabled"] is True
    assert info["DefaultAddressPools"], "the engine does not use the address pools of daemon.json"


def test_unit_and_container_are_healthy(host: Host, notebook: Notebook) -> None:
    unit = host.service(notebook.unit)
    assert unit.is_running
    assert unit.is_enabled
    notebook.wait(
        lambda: notebook.inspect("{{json .State.Health.Status}}") == "healthy", "its health check does not pass"
    )


def test_unit_does_not_depend_on_the_engine(host: Host, notebook: Notebook) -> None:
    """`Requires=` would stop every notebook with every restart of the engine."""
    requires = host.check_output(f"systemctl show --property Requires,BindsTo,PartOf {notebook.unit}")
    assert "docker.service" not in requires


def test_cell_imports_keras_and_trains(notebook: Notebook) -> None:
    code = (
        "import keras, numpy as np; m = keras.Sequential([keras.layers.Dense(1)]); m.compile('sgd', 'mse');"
        "h = m.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0); print('keras', keras.__version__, *h.epoch)"
    )
    printed = notebook.run_cell(code)
    assert printed.startswith("keras 3."), printed
    assert printed.endswith(" 0"), printed


def test_file_made_in_the_notebook_belongs_to_the_user(host: Host, kernel: dict[str, Any]) -> None:
    made = host.file("/home/lab/notebooks/made-inside.txt")
    assert made.content_string == "hello"
    assert (made.user, made.group) == ("lab", "lab")


def test_home_is_writable_and_executable(kernel: dict[str, Any]) -> None:
    """Notebooks keep data sets in ~/.keras and load compiled extensions from below their home."""
    assert kernel["home"] == {"writable": True, "noexec": False}


def test_wrong_token_is_refused(notebook: Notebook) -> None:
    assert notebook.request("/api/status", token="")[0] == 403
    assert notebook.request("/api/status", token="0" * 48)[0] == 403
    assert notebook.request("/api/status")[0] == 200


def test_token_is_nowhere_it_should_not_be(host: Host, notebook: Notebook) -> None:
    file = host.file(notebook.token_path)
    token = file.content_string.strip()
    assert len(token) >= 40
    assert oct(file.mode) == "0o400"
    assert token not in json.dumps(notebook.inspect())
    assert token not in host.check_output("journalctl --no-pager -b")
    pid = notebook.inspect("{{.State.Pid}}")
    for place in ("cmdline", "environ"):
        assert token not in host.check_output(f"tr '\\0' '\\n' < /proc/{pid}/{place}")


def test_container_is_confined(notebook: Notebook) -> None:
    settings = notebook.inspect()["HostConfig"]
    assert settings["ReadonlyRootfs"] is True
    assert settings["CapDrop"] == ["ALL"]
    assert "no-new-privileges" in " ".join(settings["SecurityOpt"])
    assert settings["Memory"] > 0
    assert settings["PidsLimit"] > 0
    assert settings["ShmSize"] == 2**30
    assert settings["NetworkMode"] == notebook.container


def test_kernel_has_no_rights_beyond_the_users(kernel: dict[str, Any]) -> None:
    assert kernel["rights"] == [0, 0, "1"]
    assert kernel["writable"] == []


@pytest.mark.parametrize(("network", "reached"), [("bridge", False), ("jupyter-keras", True)])
def test_other_containers_do_not_reach_it(network: str, reached: bool, host: Host, notebook: Notebook) -> None:
    """Its own network is tried as well, so that a wrong address would not look like a closed door."""
    networks = notebook.inspect("{{json .NetworkSettings.Networks}}")
    address = networks[notebook.container]["IPAddress"]
    code = f"import socket; socket.create_connection(('{address}', 8888), 3)"
    run = f"docker run --rm --pull never --network {network} --entrypoint python3 keras:cpu -c %s"
    done = host.run(run, code)
    assert (done.rc == 0) is reached, done.stderr
    assert reached or "TimeoutError" in done.stderr


def test_only_loopback_listens(host: Host) -> None:
    listeners = host.check_output("ss -Hltn 'sport = :8888'").splitlines()
    assert listeners
    assert all(line.split()[3].startswith(("127.0.0.1:", "[::1]:")) for line in listeners), listeners


def test_image_has_neither_the_ca_nor_a_proxy(host: Host, notebook: Notebook) -> None:
    """The build trusted what the host trusts; the image must not."""
    assert "proxy" not in " ".join(notebook.inspect()["Config"]["Env"]).lower()
    own = host.check_output("cat /usr/local/share/ca-certificates/*.crt 2>/dev/null || true")
    if "BEGIN CERTIFICATE" not in own:
        pytest.skip("this controller, and so its testbed machine, has no certificate authority of its own")
    bundle = f"docker exec {notebook.container} cat /etc/ssl/certs/ca-certificates.crt"
    # The second line is the first of the certificate's own text.
    assert own.splitlines()[1] not in host.check_output(bundle).splitlines()
