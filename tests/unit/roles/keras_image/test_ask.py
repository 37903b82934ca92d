# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host asks a registry for its image, and what it says where that has no answer.

The registry is a stand-in on the loopback, with a certificate and an account. Ansible's own module `uri` asks it,
with what the role's task gives it. The scenario `lab` has a real registry.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.roles.keras_image.role import ROLE, Role

TAG, DIGEST = "cpu-aaaaaaaaaaaa", "sha256:" + 64 * "d"
LOGIN = "pull:right"
ASK = ROLE / "tasks/ask.yml"
(TASK,) = [task for task in yaml.safe_load(ASK.read_text(encoding="utf-8")) if "ansible.builtin.uri" in task]
QUESTION: dict[str, Any] = TASK["ansible.builtin.uri"]
# Without those of the tests' own environment.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "no_proxy": "*"}
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificates")


class Registry(NamedTuple):
    address: str
    authority: Path


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        allowed = self.headers["Authorization"] == f"Basic {base64.b64encode(LOGIN.encode()).decode()}"
        has_it = self.path == f"/v2/keras/manifests/{TAG}" and "application/vnd.oci.image" in self.headers["Accept"]
        self.send_response(401 if not allowed else 200 if has_it else 404)
        if allowed and has_it:
            self.send_header("Docker-Content-Digest", DIGEST)
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """Nothing."""


def certificate(path: Path) -> Path:
    """One that is its own authority, for the loopback."""
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, "-keyout", f"{path}.key", "-out", path], check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    authority = certificate(tmp_path_factory.mktemp("registry") / "ca.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, f"{authority}.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Registry(f"127.0.0.1:{server.server_port}", authority)
        server.shutdown()


@contextlib.contextmanager
def silent() -> Iterator[str]:
    """Where somebody takes every connection, and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """Where nobody listens, nor begins to."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


class Asked:
    """What the task asked, and what the next ones make of the answer."""

    def __init__(self, role: Role, address: str, authority: Path, login: str = LOGIN, tag: str = TAG) -> None:
        self.role = role
        auth = base64.b64encode(login.encode()).decode()
        config = json.dumps({"auths": {address: {"auth": auth}}}).encode()
        self.given: dict[str, Any] = {
            "groups": {"all": ["reg01", "lab01"], "registry": ["reg01"], "workstations": ["lab01"]},
            "hostvars": {"reg01": {}, "lab01": {}},
            "keras_image_wanted": f"keras:{tag}",
            "keras_image_registry": address,
            "__keras_image_account": {"content": base64.b64encode(config).decode()},
            "__keras_image_list": {"stdout_lines": ["keras:cpu 1"]},
        }
        arguments = {
            name: role.evaluator.text(ROLE, value, **self.given) if "{{" in str(value) else value
            for name, value in QUESTION.items()
            if name != "headers"
        }
        headers = {name: role.evaluator.text(ROLE, value, **self.given) for name, value in QUESTION["headers"].items()}
        # What the host has is the same; here it is elsewhere.
        assert arguments["ca_path"] == f"/etc/docker/certs.d/{address}/ca.crt"
        assert arguments["timeout"] == 20
        given = arguments | {"headers": headers, "ca_path": str(authority), "timeout": 1}
        done = subprocess.run(
            [sys.executable, "-m", "ansible.modules.uri"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
        assert done.stdout, done.stderr
        self.given["__keras_image_answer"] = json.loads(done.stdout)

    def says(self, task: str) -> str | None:
        return self.role.says("ask", f"Refuse to go on without an {task}", **self.given)


def test_digest_of_what_is_there(role: Role, registry: Registry) -> None:
    asked = Asked(role, *registry)
    assert role.evaluate("__keras_image_digest", **asked.given) == DIGEST
    assert asked.says("answer") is None
    assert asked.says("image") is None


def test_a_tag_that_nobody_built(role: Role, registry: Registry) -> None:
    asked = Asked(role, *registry, tag="cpu-bbbbbbbbbbbb")
    assert asked.says("answer") is None
    said = str(asked.says("image"))
    assert f"The registry {registry.address} has no keras:cpu-bbbbbbbbbbbb, which lab01 should have." in said
    assert "--limit reg01`" in said
    assert said.endswith("keras:cpu on lab01 is still what it was, and running notebooks go on.")
    # Who builds is about to.
    asked.given["inventory_hostname"] = "reg01"
    assert asked.says("image") is None


def refusal(*given: Any, **more: Any) -> str:
    said = str(Asked(*given, **more).says("answer"))
    assert said.startswith("lab01 asked the registry 127.0.0.1:")
    assert said.endswith("keras:cpu on lab01 is still what it was, and running notebooks go on.")
    return said


def test_a_wrong_password(role: Role, registry: Registry) -> None:
    assert "it refuses the account of /etc/gpulab/registry/pull" in refusal(role, *registry, login="pull:wrong")


def test_another_authority(role: Role, registry: Registry, tmp_path: Path) -> None:
    said = refusal(role, registry.address, certificate(tmp_path / "other.crt"))
    assert f"its certificate is not one of the authority in /etc/docker/certs.d/{registry.address}/ca.crt" in said


def test_a_registry_that_hangs(role: Role, registry: Registry) -> None:
    with silent() as address:
        assert "timed out" in refusal(role, address, registry.authority)


def test_a_registry_that_is_down(role: Role, registry: Registry) -> None:
    with nobody() as address:
        assert "Connection refused. See `systemctl status docker-registry`" in refusal(
            role, address, registry.authority
        )
