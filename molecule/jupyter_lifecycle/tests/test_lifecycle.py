# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A notebook lives through crashes, restarts and upgrades. The tests run in order, each on what the one before left."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gpulab.workstation.molecule.jupyter_lifecycle.tests.conftest import Play
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from testinfra.host import Host

MACHINE = "gpulab-lifecycle"
testinfra_hosts = [f"ansible://{MACHINE}"]

WORK = {
    "type": "notebook",
    "content": {"cells": [], "metadata": {"gpulab": "somebody's work"}, "nbformat": 4, "nbformat_minor": 5},
}
SLEEP = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def notebook(host: Host) -> Notebook:
    return Notebook(host)


@pytest.fixture(scope="module")
def two(host: Host) -> Notebook:
    """One that the tests add."""
    return Notebook(host, "two", 8890)


@pytest.fixture(scope="module")
def jupyter(play: Play) -> Any:
    """A cell that imports Keras takes seconds: it is run where the test is about it."""
    return partial(play, "jupyter", MACHINE, jupyter_probe="never")


@pytest.fixture(scope="module")
def kept(host: Host, notebook: Notebook) -> dict[str, str]:
    """What must be the same after everything."""
    assert notebook.request("/api/contents/work.ipynb", "PUT", body=WORK)[0] in (200, 201)
    notebook.run_cell("import pathlib; (pathlib.Path.home() / 'kept.txt').write_text('mine')")
    return {"token": host.file(notebook.token_path).content_string}


@pytest.fixture(autouse=True)
def nothing_is_lost(host: Host, notebook: Notebook, kept: dict[str, str]) -> Any:
    yield
    notebook.wait_until_it_answers()
    assert host.file(notebook.token_path).content_string == kept["token"]
    status, work = notebook.request("/api/contents/work.ipynb")
    assert (status, work["content"]["metadata"].get("gpulab")) == (200, "somebody's work")
    assert host.file("/var/lib/gpulab/jupyter/keras/home/kept.txt").content_string == "mine"


def address() -> str:
    template = "{{.NetworkSettings.Networks.bridge.IPAddress}}"
    look = ["docker", "inspect", "--format", template, MACHINE]
    return subprocess.run(look, check=True, capture_output=True, text=True).stdout.strip()


def follow(host: Host, before: str) -> None:
    """A restarted container gets the lowest free address, so another one where machines came or went meanwhile."""
    inventory = Path(os.environ["MOLECULE_INVENTORY_FILE"])
    moved = re.sub(rf"(ansible_host: ){re.escape(before)}$", rf"\g<1>{address()}", inventory.read_text(), flags=re.M)
    inventory.write_text(moved)
    runner = host.backend.ansible_runner
    # What it has read is kept there.
    del runner.inventory
    runner._host_cache.clear()


def alive(notebook: Notebook) -> tuple[str, list[str]]:
    """What a restart would change."""
    return notebook.inspect("{{json .State.StartedAt}}"), notebook.kernels()


def test_engine_may_die_and_be_restarted(host: Host, notebook: Notebook) -> None:
    notebook.request("/api/kernels", "POST")
    before = alive(notebook)
    assert before[1]
    for command in ("kill -9 $(cat /run/docker.pid)", "systemctl restart docker.service"):
        host.check_output(command)
        notebook.wait(lambda: host.run("docker version").rc == 0, f"the engine is not back after `{command}`")
        notebook.wait_until_it_answers()
        assert alive(notebook) == before, f"after `{command}`"


def test_supervisor_may_die(host: Host, notebook: Notebook) -> None:
    before = alive(notebook)
    pid = host.check_output(f"systemctl show --property MainPID --value {notebook.unit}")
    host.check_output(f"kill -9 {pid}")
    notebook.wait(
        lambda: host.check_output(f"systemctl show --property MainPID --value {notebook.unit}") not in ("0", pid),
        "systemd does not start the supervisor again",
    )
    notebook.wait_until_it_answers()
    assert alive(notebook) == before


@pytest.mark.parametrize("victim", ["the container", "the server"])
def test_crash_is_answered_by_a_restart(victim: str, host: Host, notebook: Notebook) -> None:
    before = alive(notebook)
    if victim == "the container":
        host.check_output(f"docker kill --signal KILL {notebook.container}")
    else:
        host.check_output(f"docker exec {notebook.container} pkill -KILL -f jupyter-lab")
    notebook.wait(lambda: notebook.answers() and alive(notebook)[0] != before[0], "the container is not started again")
    assert notebook.kernels() == []


def test_machine_may_be_restarted(host: Host, notebook: Notebook) -> None:
    notebook.request("/api/kernels", "POST")
    started, _kernels = alive(notebook)
    before = address()
    subprocess.run(["docker", "restart", MACHINE], check=True, capture_output=True, timeout=120)
    follow(host, before)
    # Until it is up, a question by SSH is an error and no answer.
    up = ["docker", "exec", MACHINE, "systemctl", "is-system-running", "--wait"]
    deadline = time.monotonic() + 120
    while (state := subprocess.run(up, check=False, capture_output=True, text=True)).stdout != "running\n":
        assert time.monotonic() < deadline, f"the machine is not up again: {state}"
        time.sleep(1)
    notebook.wait_until_it_answers()
    assert alive(notebook)[0] != started


def test_what_cannot_start_is_refused_before_anything_changes(host: Host, notebook: Notebook, jupyter: Any) -> None:
    before = alive(notebook)
    host.check_output("install -d -o nobody -m 0700 /srv/nobody")
    host.check_output("systemd-run --unit taken python3 -m http.server --bind 127.0.0.1 8890")
    notebook.wait(lambda: host.socket("tcp://127.0.0.1:8890").is_listening, "nothing listens")
    two = {"name": "two", "port": 8890, "workdir": "/srv/nobody/notebooks"}
    said = jupyter(succeeds=False, jupyter_instances=[{"name": "keras"}, two])
    assert "port 8890 of 127.0.0.1 is taken by python3 (process" in said
    assert "/srv/nobody belongs to nobody (UID 65534) with mode 0700" in said
    assert "choose another `workdir`" in said
    assert "changed=0" in said
    assert not host.file("/etc/systemd/system/jupyter-two.service").exists
    assert alive(notebook) == before
    host.check_output("systemctl stop taken")


# Another image and other settings for the first notebook, and beside it a second and one for others in the network.
WANTED = {
    "jupyter_image": "keras:next",
    "jupyter_pids_limit": 4000,
    "jupyter_backup": True,
    "jupyter_instances": [
        {"name": "keras"},
        {"name": "two", "port": 8890, "workdir": "~/not/there/yet"},
        {"name": "tls", "port": 8891, "bind_address": "0.0.0.0", "tls": "generated"},  # noqa: S104
    ],
}


def test_busy_notebook_is_not_upgraded_while_others_start(
    host: Host, notebook: Notebook, two: Notebook, jupyter: Any
) -> None:
    host.check_output("printf 'FROM keras:cpu\\nLABEL version=next\\n' | docker build --quiet --tag keras:next -")
    kernel = notebook.start_cell(SLEEP)
    before = alive(notebook)
    said = jupyter(**WANTED)
    assert "Instance keras runs with older settings and an older image, because" in said
    assert "runs a cell" in said
    assert "-e jupyter_restart=always does so now" in said
    assert alive(notebook) == before
    assert notebook.request(f"/api/kernels/{kernel}", "DELETE")[0] == 204
    assert two.answers()
    # The work directory that was missing is made with the user's own rights.
    made = host.file("/home/lab/not/there/yet")
    assert (made.user, made.group) == ("lab", "lab")


def test_instances_do_not_reach_each_other(host: Host, notebook: Notebook, two: Notebook) -> None:
    assert host.file(two.token_path).content_string != host.file(notebook.token_path).content_string
    assert two.request("/api/status", token=notebook.token_path)[0] == 403
    (network,) = two.inspect("{{json .NetworkSettings.Networks}}").values()
    ask = f"import socket; socket.create_connection(('{network['IPAddress']}', 8888), 3)"
    refused = host.run(f"docker exec {notebook.container} python3 -c %s", ask)
    assert refused.rc != 0
    assert "timed out" in refused.stderr or "unreachable" in refused.stderr


def test_others_reach_it_by_tls_only(host: Host) -> None:
    pem = host.file("/etc/gpulab/jupyter/tls/generated_certificate.pem").content_string
    assert ssl.get_server_certificate((address(), 8891)).split() == pem.split()
    trust = ssl.create_default_context(cadata=pem)
    # The address of a container is in no certificate; its name is.
    server = http.client.HTTPSConnection("127.0.0.1", 8891, context=trust, timeout=60)
    server.sock = trust.wrap_socket(socket.create_connection((address(), 8891), 60), server_hostname=MACHINE)
    server.request("GET", "/api/status", headers={"Authorization": "token 0000"})
    assert server.getresponse().status == 403
    with socket.create_connection((address(), 8891), 60) as plain:
        plain.sendall(b"GET /api HTTP/1.0\r\n\r\n")
        # Some servers say nothing to that, others end the connection.
        with suppress(ConnectionResetError):
            assert plain.recv(100) == b""
    key = host.file("/etc/gpulab/jupyter/tls/generated_private_key.pem")
    assert (key.user, oct(key.mode)) == ("lab", "0o400")


def test_what_was_deleted_is_restored(host: Host, jupyter: Any) -> None:
    assert host.service("jupyter-backup-keras.timer").is_enabled
    host.check_output("systemctl start jupyter-backup-keras.service")
    mine = host.file("/home/lab/notebooks/work.ipynb")
    before = (mine.sha256sum, mine.user, mine.group, mine.mode)
    host.check_output("mv /home/lab/notebooks/work.ipynb /home/lab/elsewhere.ipynb")
    said = jupyter(entry="restore", jupyter_restore_name="keras", jupyter_restore_paths=["work.ipynb"])
    (found,) = host.check_output("find /home/lab/notebooks -name work.ipynb").splitlines()
    assert "Restored 1 file" in said
    assert "/restored-" in found
    again = host.file(found)
    assert (again.sha256sum, again.user, again.group, again.mode) == before
    host.check_output("mv /home/lab/elsewhere.ipynb /home/lab/notebooks/work.ipynb")
    assert oct(host.file("/etc/gpulab/jupyter/keras/backup-password").mode) == "0o400"


def test_idle_notebook_is_upgraded(notebook: Notebook, two: Notebook, jupyter: Any) -> None:
    beside = alive(two)
    for kernel in notebook.kernels():
        notebook.request(f"/api/kernels/{kernel}", "DELETE")
    jupyter(**WANTED)
    assert notebook.inspect()["Config"]["Image"] == "keras:next"
    assert notebook.inspect()["HostConfig"]["PidsLimit"] == 4000
    before = alive(notebook)
    said = jupyter(**WANTED)
    assert "changed=0" in said
    assert alive(notebook) == before
    assert alive(two) == beside


def test_versions_that_do_not_become_healthy_are_rolled_back(
    host: Host, notebook: Notebook, two: Notebook, jupyter: Any
) -> None:
    """One ends at once, and one never answers."""
    ending = 'case "$ENDING" in silent) exec sleep 900 ;; *) echo something is missing; exit 3 ;; esac'
    broken = f"FROM keras:cpu\nCMD {json.dumps(['sh', '-c', ending])}\n"
    host.check_output("printf %%s %s | docker build --quiet --tag keras:broken -", broken)
    silent = {"name": "two", "port": 8890, "workdir": "~/not/there/yet", "environment": {"ENDING": "silent"}}
    wanted = {
        "jupyter_instances": [{"name": "keras"}, silent],
        "jupyter_image": "keras:broken",
        "jupyter_pids_limit": 3000,
        "jupyter_start_timeout": 8,
        "jupyter_backup": True,
    }
    said = jupyter(succeeds=False, **wanted)
    assert f"Notebook keras of {MACHINE} runs what it ran before" in said
    assert f"Notebook two of {MACHINE} runs what it ran before" in said
    assert "something is missing" in said
    assert "did not answer within 8 seconds" in said
    for one in (notebook, two):
        assert one.inspect()["Config"]["Image"] == "keras:next"
        assert one.inspect()["HostConfig"]["PidsLimit"] == 4000
    # Not tried again at the price of a running notebook, and not forgotten either.
    before = alive(notebook), alive(two)
    said = jupyter(succeeds=False, **wanted)
    assert f"Notebook keras of {MACHINE} runs what it ran before" in said
    assert f"Notebook two of {MACHINE} runs what it ran before" in said
    assert (alive(notebook), alive(two)) == before
    host.check_output(f"docker kill --signal KILL {notebook.container}")
    notebook.wait(lambda: notebook.answers() and alive(notebook)[0] != before[0][0], "it is not started again")
    assert notebook.inspect()["Config"]["Image"] == "keras:next"


def test_upgrade_can_be_forced(host: Host, notebook: Notebook, two: Notebook, jupyter: Any) -> None:
    kernel = notebook.start_cell(SLEEP)
    said = jupyter(jupyter_restart="always", jupyter_probe="auto")
    assert notebook.inspect()["Config"]["Image"] == "keras:cpu"
    assert kernel not in notebook.kernels()
    # A cell is run in what was started.
    assert re.search(r"keras: Keras 3\.\S+ on tensorflow", said), said
    # Those that are not listed stay as they are.
    assert "Instance two is on the machine and not in jupyter_instances" in said
    assert two.answers()
    # Backups are off again, and what was saved stays.
    assert not host.file("/etc/systemd/system/jupyter-backup-keras.timer").exists
    assert host.run("systemctl is-active jupyter-backup-keras.timer").rc != 0
    assert host.file("/var/backups/gpulab/jupyter/keras/config").exists


def test_instances_that_are_disabled_or_no_longer_listed(
    host: Host, notebook: Notebook, two: Notebook, jupyter: Any
) -> None:
    two.run_cell("open('/src/kept.txt', 'w').write('mine')")
    kernel = two.start_cell(SLEEP)
    said = jupyter(jupyter_instances=[{"name": "keras", "enabled": False}], jupyter_remove_unlisted=True)
    assert not host.service(notebook.unit).is_running
    assert not host.service(notebook.unit).is_enabled
    assert "Instance two is on the machine and not in jupyter_instances. It is at work" in said
    assert kernel in two.kernels()
    assert host.run("docker inspect jupyter-tls").rc != 0
    for running in two.kernels():
        two.request(f"/api/kernels/{running}", "DELETE")
    jupyter(jupyter_remove_unlisted=True)
    assert host.service(notebook.unit).is_enabled
    assert host.run("docker inspect jupyter-two").rc != 0
    for name in ("two", "tls"):
        assert not host.file(f"/etc/systemd/system/jupyter-{name}.service").exists
        assert not host.file(f"/etc/gpulab/jupyter/{name}/token").exists
    assert host.file("/home/lab/not/there/yet/kept.txt").content_string == "mine"


def test_token_is_nowhere_it_should_not_be(host: Host, notebook: Notebook, kept: dict[str, str]) -> None:
    """After all this: in no argument, environment, journal or inspection, and in no settings."""
    token = kept["token"].strip()
    assert len(token) >= 40
    assert token not in json.dumps(notebook.inspect())
    assert token not in host.check_output("journalctl --no-pager")
    notebook.request("/api/kernels", "POST")
    # Processes come and go, so grep's exit status says little; that it sees them at all is seen by a decoy.
    processes = "/proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    assert host.run(f"grep -al {notebook.container} {processes}").stdout
    assert host.run(f"grep -al -f %s {processes}", notebook.token_path).stdout == ""
    places = host.run("grep -rl -f %s /etc /var/lib/gpulab /home", notebook.token_path).stdout.split()
    assert places == [notebook.token_path]
    assert notebook.request("/api/status", token="0" * 48)[0] == 403
