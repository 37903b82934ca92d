# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people who share a machine: what each has, and that neither gets at the other's."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from ansible_collections.gpulab.workstation.molecule.resources.playbook import Said, run_playbook, words
from testinfra.host import Host

MACHINE = "gpulab-lab-2"
ADA, GRACE = ("ada", 8888), ("grace", 8889)
testinfra_hosts = [f"ansible://{MACHINE}"]


def verb(name: str, *arguments: str, ends: int = 0) -> Said:
    return run_playbook(name, "--limit", f"{MACHINE},localhost", *arguments, ends=ends)


@pytest.mark.parametrize(("own", "other"), [(ADA, GRACE), (GRACE, ADA)])
def test_a_token_opens_its_own_notebook_only(host: Host, own: tuple[str, int], other: tuple[str, int]) -> None:
    mine, theirs = Notebook(host, *own), Notebook(host, *other)
    assert mine.request("/api/status")[0] == 200
    assert theirs.request("/api/status", token=mine.token_path)[0] == 403
    token = host.file(theirs.token_path)
    assert (token.user, token.mode) == (other[0], 0o400)
    assert host.run("runuser -u %s -- cat %s", own[0], theirs.token_path).failed


@pytest.mark.parametrize(("own", "other"), [(ADA, GRACE), (GRACE, ADA)])
def test_files_are_their_owners(host: Host, own: tuple[str, int], other: tuple[str, int]) -> None:
    name = "whose.txt"
    Notebook(host, *own).run_cell(f"import pathlib; pathlib.Path('/src/{name}').write_text('{own[0]}')")
    file = host.file(f"/home/{own[0]}/notebooks/{name}")
    assert (file.user, file.content_string) == (own[0], own[0])
    assert host.run("runuser -u %s -- cat %s", other[0], file.path).failed
    # Nor does a kernel of the other see anything of it.
    paths = f"/home/{own[0]}", f"/home/{own[0]}/notebooks/{name}"
    assert (
        Notebook(host, *other).run_cell(f"import os; print([os.path.exists(p) for p in {paths}])") == "[False, False]"
    )


def test_each_gets_their_url_and_not_the_others(host: Host) -> None:
    said = words(verb("users").text)
    for (name, port), (other, _port) in ((ADA, GRACE), (GRACE, ADA)):
        path = f"/home/{name}/notebook-{name}.txt"
        assert f"{name} has the URL of the notebook {name} in {path}" in said
        assert f"http://127.0.0.1:{port}/lab?token=" in host.check_output("runuser -u %s -- cat %s", name, path)
        assert host.run("runuser -u %s -- cat %s", other, path).failed


def test_an_upload_is_for_one_of_them(host: Host, tmp_path: Path) -> None:
    (tmp_path / "lesson.txt").write_text("for grace\n")
    tmp_path.chmod(0o755)
    said = words(verb("upload", "-e", f"upload_from={tmp_path}", ends=2).text)
    assert "Say which one with -e notebook=NAME." in said
    directory = "/home/grace/notebooks"
    before = host.file(directory).mode
    try:
        verb("upload", "-e", f"upload_from={tmp_path}", "-e", "notebook=grace")
        assert host.file(f"{directory}/lesson.txt").user == "grace"
        # The directory of the controller may be everybody's to read, and hers is not.
        assert host.file(directory).mode == before == 0o700
        assert host.run("runuser -u ada -- cat %s/lesson.txt", directory).failed
    finally:
        host.check_output("rm -f %s/lesson.txt", directory)


def test_who_may_use_the_engine_is_refused(host: Host) -> None:
    host.check_output("gpasswd --add ada docker")
    try:
        said = words(verb("run_jupyter", ends=2).text)
        assert "ada may use Docker Engine, which equals being root" in said
        assert "jupyter_allow_docker_users" in said
    finally:
        host.check_output("gpasswd --delete ada docker")
