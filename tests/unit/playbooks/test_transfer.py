# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""upload and download with a notebook's user of this machine: what somebody has changed since is never lost."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.tests.unit.ansible_playbook import ansible_playbook

ROOT = Path(__file__).resolve().parents[3]
# One who exists everywhere, and owns nothing.
USER = "nobody"
# Not UTF-8: as a zip file from Windows leaves them.
LATIN_1 = os.fsdecode(b"caf\xe9.csv")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="another user's files take root"),
    pytest.mark.skipif(not shutil.which("rsync"), reason="rsync copies"),
]


@pytest.fixture
def workdir() -> Iterator[Path]:
    """Of the notebook; below a directory that USER gets through, which tmp_path is not. Beside it, `programs`."""
    top = Path("/var/tmp", f"gpulab-test-{os.getpid()}")
    programs, path = top / "programs", top / "workdir"
    programs.mkdir(parents=True)
    path.mkdir(mode=0o700)
    account = pwd.getpwnam(USER)
    os.chown(path, account.pw_uid, account.pw_gid)
    # Without sudo: a machine that root connects to may have none.
    found = {file.name: file for folder in ("/usr/sbin", "/usr/bin") for file in Path(folder).iterdir()}
    for name in found.keys() - {"sudo"}:
        (programs / name).symlink_to(found[name])
    yield path
    shutil.rmtree(top)


def run(tmp_path: Path, workdir: Path, name: str, *arguments: str) -> str:
    """The real playbook, but for the two tasks that want SSH and a notebook that runs."""
    plays = yaml.safe_load((ROOT / f"playbooks/{name}.yml").read_text(encoding="utf-8"))
    plays = [play for play in plays if "tasks" in play]
    for play in plays:
        play["tasks"] = [
            task
            for task in play["tasks"]
            if task.get("ansible.builtin.import_tasks") not in ("tasks/become.yml", "tasks/notebook.yml")
        ]
        for task in play["tasks"]:
            for include in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
                if include in task:
                    task[include] = str(ROOT / "playbooks" / task[include])
    playbook = tmp_path / f"{name}.yml"
    playbook.write_text(yaml.safe_dump(plays, allow_unicode=True))
    host = {
        "ansible_connection": "local",
        # USER cannot get at the tests' Python.
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_remote_tmp": str(workdir / ".ansible"),
        "chosen_notebooks": [{"name": "ada", "user": USER, "workdir": str(workdir)}],
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(yaml.safe_dump({"workstations": {"hosts": {"lab07": host}}}))
    environment = {"NO_COLOR": "1", "PATH": str(workdir.with_name("programs"))}
    said = ansible_playbook("-i", inventory, playbook, *arguments, environment=environment).stdout
    used = re.findall(r"item=(/var/tmp/gpulab-transit-\w+)\)", said)
    assert used
    assert not any(Path(path).exists() for path in used)
    return said


def earlier(directory: Path, name: str) -> str:
    (found,) = directory.glob(f"{name}.before-*")
    assert re.fullmatch(rf"{re.escape(name)}\.before-\d{{8}}-\d{{6}}", found.name)
    return found.read_text()


def write(path: Path, text: str, time: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time, time))


def test_upload(tmp_path: Path, workdir: Path) -> None:
    lessons = tmp_path / "lessons"
    write(lessons / "week 1/größe.txt", "lesson", 1000)
    write(lessons / "digits.ipynb", "lesson", 1000)
    write(lessons / LATIN_1, "lesson", 1000)
    write(lessons / "notes", "lesson", 1000)
    write(workdir / "notes/mine.txt", "work of a day", 500)
    write(workdir / "digits.ipynb", "work of a day", 2000)
    write(workdir / LATIN_1, "an older lesson", 500)
    write(workdir / "week 1/größe.txt", "an older lesson", 500)
    subprocess.run(["chown", "-R", USER, workdir], check=True)
    arguments = ("upload", "-e", f"upload_from={lessons}")

    said = run(tmp_path, workdir, *arguments)
    assert (workdir / "digits.ipynb").read_text() == "work of a day"
    assert "lab07: left alone, because it was changed there since" in said
    assert (workdir / "week 1/größe.txt").read_text() == "lesson"
    assert (workdir / "week 1/größe.txt").owner() == USER
    assert earlier(workdir / "week 1", "größe.txt") == "an older lesson"
    assert (workdir / LATIN_1).read_text() == "lesson"
    assert earlier(workdir, LATIN_1) == "an older lesson"
    assert re.search(r"^  caf\?\.csv, whose earlier one is kept as caf\?\.csv\.before-\d", said, re.M)

    said = run(tmp_path, workdir, *arguments, "-e", "upload_replace=true")
    assert (workdir / "digits.ipynb").read_text() == "lesson"
    # Not even this takes somebody's directory away.
    assert (workdir / "notes/mine.txt").read_text() == "work of a day"
    assert "something of another kind is in its place there (move that away first)\n  notes\n" in said
    assert earlier(workdir, "digits.ipynb") == "work of a day"


def test_download(tmp_path: Path, workdir: Path) -> None:
    results = tmp_path / "results"
    write(workdir / "outputs/model.keras", "trained", 1000)
    write(workdir / "outputs/notes.txt", "theirs", 1000)
    write(workdir / "outputs" / LATIN_1, "theirs", 1000)
    write(workdir / "outputs/plots", "a file", 1000)
    for number, target in enumerate(("/etc/passwd", "..", "../there", "plots/..", "plots/../../there")):
        (workdir / f"outputs/out{number}").symlink_to(target)
    (workdir / "outputs/range").symlink_to("epochs 1..9")
    # Such as lost+found, where a disk is the work directory.
    write(workdir / "outputs/closed/theirs.txt", "root's", 1000)
    (workdir / "outputs/closed").chmod(0o700)
    write(workdir / "outputs/names only/theirs.txt", "root's", 1000)
    (workdir / "outputs/names only").chmod(0o744)
    write(results / "lab07/notes.txt", "marked", 2000)
    write(results / "lab07" / LATIN_1, "marked", 2000)
    write(results / "lab07/plots/marked.png", "marked", 500)
    write(results / "lab07/model.keras", "trained yesterday", 500)
    arguments = ("download", "-e", f"download_to={results}")

    said = run(tmp_path, workdir, *arguments)
    assert (results / "lab07/notes.txt").read_text() == "marked"
    assert "lab07: left alone, because it was changed here since" in said
    assert (results / "lab07/model.keras").read_text() == "trained"
    assert earlier(results / "lab07", "model.keras") == "trained yesterday"
    assert sorted(path.name for path in (results / "lab07").iterdir() if "before" not in path.name) == [
        LATIN_1,
        "model.keras",
        "notes.txt",
        "plots",
        "range",
    ]

    # Who names a notebook gets its files apart from all others.
    run(tmp_path, workdir, *arguments, "-e", "notebook=ada")
    assert (results / "lab07/ada/notes.txt").read_text() == "theirs"
    said = run(tmp_path, workdir, *arguments, "-e", "download_replace=true")
    assert (results / "lab07/plots/marked.png").read_text() == "marked"
    assert "something of another kind is in its place here (move that away first)\n  plots\n" in said
    assert earlier(results / "lab07", "notes.txt") == "marked"
    assert (results / "lab07" / LATIN_1).read_text() == "theirs"
    assert earlier(results / "lab07", LATIN_1) == "marked"
