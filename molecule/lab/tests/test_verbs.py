# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of docs/verbs.md, against notebooks that run; one after another in one run, as they may be.

What they refuse is in tests/unit/playbooks/test_refusals.py, and what a copy leaves alone in test_transfer.py there.
"""

from __future__ import annotations

import json
import random
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from ansible_collections.gpulab.workstation.molecule.lab.tests.conftest import MACHINES, machine
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import Said, run_playbook, words

# Of one notebook, and of two people.
MACHINE, PEOPLE = MACHINES
# A notebook's name, its port, and its machine.
NOTEBOOKS = [("keras", 8888, MACHINE), ("ada", 8888, PEOPLE), ("grace", 8889, PEOPLE)]
WORKDIR = "/home/grace/notebooks"
SEEN_AS = "/src/outputs/round-trip"
COPY = {
    "upload_to": "outputs/round-trip",
    "notebook": "{{ 'grace' if inventory_hostname == '" + PEOPLE + "' else '' }}",
}


def verbs(first: str, *others: str, **variables: object) -> Said:
    more = [f"playbooks/{name}.yml" for name in others]
    return run_playbook(first, *more, "-e", json.dumps(variables), "--limit", "workstations,localhost")


def changed(said: Said) -> list[int]:
    return [said.changed(name) for name in MACHINES]


def get(url: str) -> tuple[int, dict[str, object]]:
    """As a browser on the controller, which has no business with a proxy here."""
    client = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with client.open(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, {}


def free_port() -> int:
    """The first of a free one for each machine. Above 32767, it may be another connection's the next moment."""
    for _attempt in range(100):
        first = random.randrange(20000, 32000)  # noqa: S311
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", first))
                two.bind(("127.0.0.1", first + 1))
            except OSError:
                continue
            return first
    raise AssertionError("no two ports in a row are free on this controller")


class Runs(NamedTuple):
    first: Said
    second: Said
    url: str
    token: str


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    """The URLs are handed over and the tunnels opened, once more without an effect, and closed."""
    port = free_port()
    first = verbs("users", "tunnel", tunnel_port=port)
    try:
        second = verbs("users", "status", "tunnel", tunnel_port=port, tunnel_show_token=True)
        found = re.search(rf"^{MACHINE}: (http://127\.0\.0\.1:\d+)/lab\?token=(\w+)$", second.text, re.M)
        assert found, second.text
        yield Runs(first, second, *found.groups())
    finally:
        closed = verbs("tunnel", tunnel="down")
    assert f"{MACHINE}: no tunnel" in closed.text
    with pytest.raises(urllib.error.URLError):
        get(f"{found[1]}/api")


def test_the_second_run_has_nothing_to_do(runs: Runs) -> None:
    assert changed(runs.second) == [0, 0]


def test_tunnel_leads_to_the_notebook(runs: Runs) -> None:
    assert get(f"{runs.url}/api")[1]["version"]
    assert get(f"{runs.url}/api/status")[0] == 403
    assert get(f"{runs.url}/api/status?token={runs.token}")[0] == 200


def test_status_says_what_runs(runs: Runs) -> None:
    said = runs.second.text
    for name, port, there in NOTEBOOKS:
        assert re.search(rf"^{there}$", said, re.M)
        line = rf"^  {name} \(\w+, keras:\S+\): healthy, http://127\.0\.0\.1:{port}/lab$"
        assert re.search(line, said, re.M), said


@pytest.mark.parametrize(("name", "port", "there"), NOTEBOOKS)
def test_each_gets_their_url_and_nobody_else_does(name: str, port: int, there: str, runs: Runs) -> None:
    host = machine(there)
    found = re.search(rf"(\w+) has the URL of the notebook {name} in (/\S+)", words(runs.first.text))
    assert found, runs.first.text
    user, path = found.groups()
    token = host.check_output("cat /etc/gpulab/jupyter/%s/token", name).strip()
    # Nor does Ansible's output have it, where it was not asked for.
    assert token not in runs.first.text
    file = host.file(path)
    assert (file.user, file.mode) == (user, 0o400)
    assert f"http://127.0.0.1:{port}/lab?token={token}" in host.check_output("runuser -u %s -- cat %s", user, path)
    for other in {"nobody", "ada", "grace"} - {user} if there == PEOPLE else {"nobody"}:
        assert host.run("runuser -u %s -- cat %s", other, path).failed


def test_upload_and_download_round_trip(tmp_path: Path) -> None:
    """On the machine of two people it is for one of them."""
    lessons, results = tmp_path / "lessons", tmp_path / "results"
    (lessons / "week 1").mkdir(parents=True)
    (lessons / "digits.ipynb").write_text('{"cells": []}\n')
    (lessons / "week 1" / "größe.bin").write_bytes(bytes(range(256)))
    # That the controller's may be everybody's to read is nothing for hers.
    lessons.chmod(0o755)
    people, keras, grace = machine(PEOPLE), Notebook(machine(MACHINE)), Notebook(machine(PEOPLE), "grace", 8889)
    copies = {**COPY, "upload_from": str(lessons), "download_to": str(results)}
    before = people.file(WORKDIR).mode
    try:
        assert all(changed(verbs("upload", **copies)))
        # The notebook itself sees them, and may write there. What somebody has done there since is theirs.
        seen = keras.run_cell(
            f"import pathlib; print(len(pathlib.Path('{SEEN_AS}/week 1/größe.bin').read_bytes()));"
            f"print(pathlib.Path('{SEEN_AS}/new.txt').write_text('made in the notebook'));"
            f"pathlib.Path('{SEEN_AS}/digits.ipynb').write_text('work of a day')"
        )
        assert seen.split() == ["256", "20"]
        hers = f"{WORKDIR}/outputs/round-trip/digits.ipynb"
        assert people.file(hers).user == "grace"
        assert people.file(WORKDIR).mode == before == 0o700
        assert people.run("runuser -u ada -- cat %s", hers).failed

        again = verbs("upload", "download", **copies)
        uploaded, _play, downloaded = again.text.partition("PLAY [Download]")
        assert not re.findall(r"^changed: .*", uploaded, re.M)
        assert f"{MACHINE}: left alone, because it was changed there since" in uploaded
        assert f"changed: [{MACHINE}" in downloaded
        landed = results / MACHINE / "round-trip"
        assert (landed / "week 1" / "größe.bin").read_bytes() == bytes(range(256))
        assert (landed / "new.txt").read_text() == "made in the notebook"
        assert (landed / "digits.ipynb").read_text() == "work of a day"
        assert (results / PEOPLE / "grace/round-trip/digits.ipynb").read_text() == '{"cells": []}\n'
        assert changed(verbs("download", **copies)) == [0, 0]
    finally:
        for notebook in keras, grace:
            notebook.run_cell(f"import shutil; shutil.rmtree('{SEEN_AS}', ignore_errors=True)")
