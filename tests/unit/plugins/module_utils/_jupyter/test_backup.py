# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup, cli, layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_setup import prepare_all
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_status import (
    backup_status,
    longest_gap,
    timers,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    Restic,
)

Instance = dict[str, t.Any]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def workdir(restic: Restic, instance: Instance, machine: Path) -> Path:
    """Of an instance that is backed up by itself, with one notebook."""
    prepare_all([instance], check=False)
    (machine / "units" / "jupyter-backup-keras.timer").touch()
    workdir = Path(instance["workdir"])
    (workdir / "a.ipynb").write_text("{}")
    return workdir


def problem(at: datetime | None = None) -> str:
    return str(backup_status("keras", at)["problem"])


def test_backs_up_and_says_so(workdir: Path, restic: Restic, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backup", "keras"]) == 0
    assert f"Snapshot 00010000 of {workdir}: 1 file, 2 B, 1 B of them new" in capsys.readouterr().out
    found = backup_status("keras")
    assert found["problem"] == ""
    assert found["snapshot"] == {**found["snapshot"], "id": "00010000", "files": 1, "bytes": 2, "added": 1}
    assert found["schedule"] == "*-*-* 02:00:00"


def test_what_restic_is_told(workdir: Path, restic: Restic, instance: Instance) -> None:
    backup.back_up("keras")
    saved, unlocked, forgotten = restic.calls[-3:]
    assert saved["arguments"] == [
        *("backup", "--json", "--tag", "jupyter-keras", "--one-file-system", "--exclude-caches"),
        *("--exclude=*.tmp", "--exclude-larger-than=1g", "."),
    ]
    assert saved["environment"]["RESTIC_PASSWORD_FILE"] == str(layout.CONFIG / "keras" / "backup-password")
    assert unlocked["arguments"][0] == "unlock"
    assert forgotten["arguments"] == [
        *("forget", "--quiet", "--tag", "jupyter-keras", "--group-by", "tags"),
        *("--keep-daily=7", "--keep-last=2", "--prune"),
    ]
    password = (layout.CONFIG / "keras" / "backup-password").read_text().strip()
    assert all(password not in json.dumps(call) for call in restic.calls)


def test_nothing_is_deleted_where_all_is_kept(workdir: Path, restic: Restic, instance: Instance) -> None:
    prepare_all([{**instance, "backup_keep": {}}], check=False)
    backup.back_up("keras")
    assert "forget" not in restic.commands


def test_a_new_work_directory_may_be_empty_and_a_used_one_may_not(workdir: Path, restic: Restic) -> None:
    (workdir / "a.ipynb").unlink()
    backup.back_up("keras")
    assert problem() == ""
    (workdir / "a.ipynb").write_text("{}")
    backup.back_up("keras")
    (workdir / "a.ipynb").unlink()
    with pytest.raises(OperatorError, match="is empty, and had 1 files at the last backup"):
        backup.back_up("keras")
    assert "is empty" in problem()
    assert "The last snapshot is of 20" in problem()


def test_what_could_not_be_read_is_named(workdir: Path, restic: Restic) -> None:
    restic.leave_out("error: open c: permission denied\nWarning: at least one source file could not be read")
    with pytest.raises(
        OperatorError, match="snapshot 00010000 lacks what could not be read: open c: permission denied"
    ):
        backup.back_up("keras")
    assert "lacks what could not be read" in problem()
    assert backup_status("keras")["snapshot"]["id"] == "00010000", "incomplete, and better than none"


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"backup": (1, "Fatal: unable to save snapshot: no space left on device")}, "no space left on device"),
        ({"backup": (12, "Fatal: wrong password or no key found")}, "does not hold the password of"),
        ({"backup": (10, "Fatal: repository does not exist")}, "see whether its file system is mounted"),
        ({"forget": (1, "Fatal: unable to create lock: locked")}, "old snapshots could not be removed"),
    ],
)
def test_failure_is_noted(failure: dict[str, t.Any], expected: str, workdir: Path, restic: Restic) -> None:
    restic.fail(**failure)
    assert cli.main(["backup", "keras"]) == 1
    assert expected in problem()
    restic.fail()
    assert cli.main(["backup", "keras"]) == 0
    assert problem() == ""


def test_work_directory_that_is_gone(workdir: Path) -> None:
    (workdir / "a.ipynb").unlink()
    workdir.rmdir()
    with pytest.raises(OperatorError, match="is not there"):
        backup.back_up("keras")


def test_password_of_a_url_is_not_shown(workdir: Path, restic: Restic) -> None:
    loaded, _account = backup.load_backup("keras")
    assert loaded._replace(repository="rest:https://ada:secret@host/ada").shown_repository == "rest:https://host/ada"


@pytest.mark.parametrize(
    ("record", "unit", "expected"),
    [
        ({"started": "T1"}, "ActiveState=inactive", "at T1 was broken off. There is no snapshot yet."),
        ({"started": "T1"}, "ActiveState=activating", ""),
        ({}, "ActiveState=failed\nResult=resources", "did not start (resources)"),
        ({"started": "T1", "ended": "T2", "snapshot": 3}, "ActiveState=inactive", "cannot be judged"),
        ({"succeeded": "2026-11-20T02:00:00+00:00"}, "ActiveState=inactive", ""),
        ({"succeeded": "2026-11-18T02:00:00+00:00"}, "ActiveState=inactive", "not backed up since 2026-11-18T02:00:00"),
    ],
)
def test_problems(record: dict[str, t.Any], unit: str, expected: str, workdir: Path, docker: Docker) -> None:
    docker.unit.write_text(f"{unit}\n")
    (backup.state("keras") / "record.json").write_text(json.dumps(record))
    known = json.loads(backup.known_file("keras").read_text())
    backup.known_file("keras").write_text(json.dumps({**known, "since": "2026-11-21T00:00:00+00:00"}))
    assert expected in problem(NOW)
    assert bool(problem(NOW)) is bool(expected)


def test_a_first_backup_that_never_came(workdir: Path) -> None:
    assert problem() == ""
    assert "There is no snapshot yet" in problem(datetime.now(UTC) + timedelta(days=3))


def test_a_record_that_leads_elsewhere_is_not_followed(workdir: Path, machine: Path) -> None:
    (machine / "secret").write_text('{"failure": "secret", "started": "T1"}')
    (backup.state("keras") / "record.json").symlink_to(machine / "secret")
    assert backup.read_record("keras", backup.load_backup("keras")[1]) == {}
    (backup.state("keras") / "record.json").unlink()
    os.mkfifo(backup.state("keras") / "record.json")
    assert backup.read_record("keras", backup.load_backup("keras")[1]) == {}


def test_only_what_has_a_timer_is_backed_up_by_itself(workdir: Path, machine: Path) -> None:
    assert timers() == ["keras"]
    (machine / "units" / "jupyter-backup-keras.timer").unlink()
    assert backup_status("keras") == {}


def test_a_configuration_that_is_broken(workdir: Path) -> None:
    path = backup.config_file("keras")
    path.unlink()
    path.write_text("{")
    assert "Run the role jupyter again" in problem()
    path.unlink()
    assert "no backups of an instance keras" in problem()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (
            "  Original form: Mon..Fri 02:00\n    Next elapse: Fri 2026-11-20 02:00:00 UTC\n       From now: 2 days\n"
            "   Iteration #2: Mon 2026-11-23 02:00:00 UTC\n   Iteration #3: Tue 2026-11-24 02:00:00 UTC\n",
            timedelta(days=3),
        ),
        # systemd 252
        (
            "    Next elapse: Fri 2026-11-20 02:00:00 UTC\n       Iter. #2: Fri 2026-11-20 08:00:00 UTC\n",
            timedelta(hours=6),
        ),
        ("    Next elapse: Fri 2027-01-01 00:00:00 UTC\n", None),
        ("    Next elapse: never\n", None),
        ("", None),
    ],
)
def test_longest_gap(shown: str, expected: timedelta | None) -> None:
    assert longest_gap(shown) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2.5e9, "2.5 GB"), (3e16, "30000.0 TB")]
)
def test_sizes(size: float, expected: str) -> None:
    assert backup.in_words(size) == expected
