# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of docs/verbs.md, against a notebook that runs: each test leaves things as it found them."""

from __future__ import annotations

import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import Said, run_playbook, words
from testinfra.host import Host

MACHINE = "gpulab-lab-1"
ONLY = ("--limit", f"{MACHINE},localhost")
testinfra_hosts = [f"ansible://{MACHINE}"]


def verb(name: str, *arguments: str, ends: int = 0) -> Said:
    return run_playbook(name, *ONLY, *arguments, ends=ends)


def get(url: str) -> tuple[int, dict[str, object]]:
    """As a browser on the controller, which has no business with a proxy here."""
    client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with client.open(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, {}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def first_port() -> Iterator[int]:
    """What was opened is closed again."""
    yield free_port()
    verb("tunnel", "-e", "tunnel=down")


def test_status_says_what_runs() -> None:
    said = verb("status").text
    assert re.search(rf"^{MACHINE}$", said, re.M)
    assert re.search(r"^  keras \(\w+, keras:\S+\): healthy, http://127\.0\.0\.1:8888/lab$", said, re.M), said


def test_tunnel_leads_to_the_notebook(first_port: int) -> None:
    opened = verb("tunnel", "-e", f"tunnel_port={first_port}", "-e", "tunnel_show_token=true").text
    found = re.search(rf"^{MACHINE}: (http://127\.0\.0\.1:\d+)/lab\?token=(\w+)$", opened, re.M)
    assert found, opened
    url, token = found.groups()
    assert get(f"{url}/api")[1]["version"]
    assert get(f"{url}/api/status")[0] == 403
    assert get(f"{url}/api/status?token={token}")[0] == 200

    again = verb("tunnel", "-e", f"tunnel_port={first_port}")
    assert again.changed(MACHINE) == 0
    assert token not in again.text
    assert "leads to 127.0.0.1:8888 there" in verb("tunnel", "-e", "tunnel=status").text
    verb("tunnel", "-e", "tunnel=down")
    with pytest.raises(urllib.error.URLError):
        get(f"{url}/api")
    assert f"{MACHINE}: no tunnel" in verb("tunnel", "-e", "tunnel=status").text


def test_a_busy_port_is_a_clear_error(first_port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", first_port))
        other.listen()
        said = words(verb("tunnel", "-e", f"tunnel_port={first_port}", ends=2).text)
    assert f"Port {first_port} of this controller cannot be used" in said
    assert "-e tunnel_port=" in said


def test_upload_and_download_round_trip(host: Host, tmp_path: Path) -> None:
    lessons = tmp_path / "lessons"
    (lessons / "week 1").mkdir(parents=True)
    (lessons / "digits.ipynb").write_text('{"cells": []}\n')
    (lessons / "week 1" / "größe.bin").write_bytes(bytes(range(256)))
    src = "/src/outputs/round-trip"
    try:
        upload = ("upload", "-e", f"upload_from={lessons}", "-e", "upload_to=outputs/round-trip")
        assert verb(*upload).changed(MACHINE) > 0
        assert verb(*upload).changed(MACHINE) == 0
        # The notebook itself sees them, and may write there.
        seen = Notebook(host).run_cell(
            f"import pathlib; print(len(pathlib.Path('{src}/week 1/größe.bin').read_bytes()));"
            f"print(pathlib.Path('{src}/new.txt').write_text('made in the notebook'))"
        )
        assert seen.split() == ["256", "20"]

        results = tmp_path / "results"
        download = ("download", "-e", f"download_to={results}")
        assert verb(*download).changed(MACHINE) > 0
        assert verb(*download).changed(MACHINE) == 0
        landed = results / MACHINE / "round-trip"
        assert (landed / "week 1" / "größe.bin").read_bytes() == bytes(range(256))
        assert (landed / "new.txt").read_text() == "made in the notebook"
    finally:
        Notebook(host).run_cell(f"import shutil; shutil.rmtree('{src}', ignore_errors=True)")


@pytest.mark.parametrize(
    ("name", "variable"), [("upload", "upload_from"), ("download", "download_to"), ("pip_install", "requirements")]
)
def test_missing_variables_are_named_before_anything_runs(name: str, variable: str) -> None:
    said = verb(name, ends=2).text
    assert f"-e {variable}=" in words(said)
    assert "jupyter_info" not in said
    assert said.count("TASK [") == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = words(verb("upload", "-e", f"upload_from={tmp_path}/none", ends=2).text)
    assert f"There is no {tmp_path}/none on this controller" in said


def test_a_notebook_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = words(verb("download", "-e", f"download_to={tmp_path}", "-e", "notebook=nobody", ends=2).text)
    assert "There is no nobody among them." in said


def test_users_get_their_url_and_nobody_else_does(host: Host) -> None:
    said = verb("users").text
    found = re.search(r"(\w+) has the URL of the notebook keras in (/\S+)", words(said))
    assert found, said
    user, path = found.groups()
    token = host.check_output("cat /etc/gpulab/jupyter/keras/token").strip()
    # Nor does Ansible's output have it.
    assert token not in said
    file = host.file(path)
    assert (file.user, file.mode) == (user, 0o400)
    assert f"/lab?token={token}" in file.content_string
    assert verb("users").changed(MACHINE) == 0
    assert host.run("runuser -u nobody -- cat %s", path).failed
