# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter import backup, backup_setup, layout
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.backup_setup import (
    prepare_all,
    value_problems,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.errors import OperatorError
from ansible_collections.gpulab.workstation.plugins.module_utils._jupyter.settings import Account
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._jupyter.conftest import (
    Docker,
    Restic,
)

Instance = dict[str, t.Any]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def test_prepares_once(restic: Restic, instance: Instance, machine: Path) -> None:
    password = layout.CONFIG / "keras" / "backup-password"
    would = prepare_all([instance], check=True)
    assert would["changed"]
    assert would["new_passwords"] == [str(password)]
    assert not password.exists()
    assert "init" not in restic.commands

    made = prepare_all([instance], check=False)
    assert made == would
    assert made["backups"] == [
        {
            "name": "keras",
            "user": instance["user"],
            "workdir": instance["workdir"],
            "directory": str(machine / "repositories" / "keras"),
            "state": str(layout.STATE / "keras" / "backup"),
            "schedule": "*-*-* 02:00:00",
            "random_delay": "2h",
        }
    ]
    for path, mode in ((password, 0o400), (backup.config_file("keras"), 0o400), (backup.known_file("keras"), 0o600)):
        assert path.stat().st_mode & 0o777 == mode
    assert len(password.read_text().strip()) > 40

    for check in (False, True):
        again = prepare_all([instance], check)
        assert not again["changed"]
        assert again["new_passwords"] == []


def test_change_of_a_setting_keeps_the_password(restic: Restic, instance: Instance) -> None:
    prepare_all([instance], check=False)
    before = backup.password_file("keras").read_text()
    changed = {**instance, "backup_keep": {"last": 1}}
    assert prepare_all([changed], check=True)["changed"]
    assert prepare_all([changed], check=False)["changed"]
    assert backup.password_file("keras").read_text() == before
    assert backup.load_backup("keras")[0].keep == {"last": 1}


def test_password_that_an_operator_put_there_is_used(restic: Restic, instance: Instance) -> None:
    path = backup.password_file("keras")
    path.parent.mkdir(parents=True)
    path.write_text("from the machine before\n")
    assert prepare_all([instance], check=False)["new_passwords"] == []
    assert path.read_text() == "from the machine before\n"
    assert path.stat().st_mode & 0o777 == 0o400


def test_repository_of_before_is_taken_over(restic: Restic, instance: Instance) -> None:
    prepare_all([instance], check=False)
    backup.known_file("keras").unlink()
    assert prepare_all([instance], check=False)["changed"]
    assert restic.commands.count("init") == 1


def test_repository_that_is_gone_is_not_begun_anew(restic: Restic, instance: Instance, machine: Path) -> None:
    prepare_all([instance], check=False)
    (machine / "repositories" / "keras").rename(machine / "unmounted")
    with pytest.raises(OperatorError, match=r"is gone; it was there on 20.*remove .*backup-repository\.json"):
        prepare_all([instance], check=False)
    assert not (machine / "repositories" / "keras").exists()
    backup.known_file("keras").unlink()
    assert prepare_all([instance], check=False)["changed"]


def test_repository_of_another_password_is_left_alone(restic: Restic, instance: Instance) -> None:
    prepare_all([instance], check=False)
    password = backup.password_file("keras")
    password.unlink()
    with pytest.raises(OperatorError, match="does not hold the password of"):
        prepare_all([instance], check=False)


def test_refused_repository_leaves_backups_as_they_were(restic: Restic, instance: Instance, machine: Path) -> None:
    prepare_all([instance], check=False)
    restic.fail(init=(1, "Fatal: unable to open repository at /mnt/k: mkdir /mnt/k: permission denied"))
    with pytest.raises(
        OperatorError, match=r"mkdir /mnt/k: permission denied\. Give that user the right to write there"
    ):
        prepare_all([{**instance, "backup_repository": str(machine / "k")}], check=False)
    assert backup.load_backup("keras")[0].repository == str(machine / "repositories" / "keras")


def test_user_who_is_to_be_created(restic: Restic, instance: Instance) -> None:
    stranger = {**instance, "user": "no-such-user", "workdir": "~/notebooks"}
    assert prepare_all([stranger], check=True)["changed"]
    with pytest.raises(OperatorError, match="no user no-such-user"):
        prepare_all([stranger], check=False)


def test_home_and_name_are_filled_in(restic: Restic, instance: Instance, machine: Path) -> None:
    made = prepare_all([{**instance, "workdir": "~/x", "backup_repository": f"{machine}/b/{{name}}"}], check=True)
    assert made["backups"][0]["workdir"] == str(Path("~/x").expanduser())
    assert made["backups"][0]["directory"] == f"{machine}/b/keras"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"backup_keep": {"daily": "seven"}}, "`daily` of its `backup_keep` is seven, and should be"),
        ({"backup_keep": {"daily": -1}}, "`daily` of its `backup_keep` is -1, and should be"),
        ({"backup_keep": {"daily": True}}, "`daily` of its `backup_keep` is True, and should be"),
        ({"backup_keep": "A=b"}, "its `backup_keep` is A=b, and should be periods with numbers"),
        ({"backup_environment": "A=b"}, "its `backup_environment` should be names with their values"),
        ({"backup_environment": {"A": ["x"]}}, "its `backup_environment` has for A what is not one line"),
        ({"backup_environment": {"A": "x\0"}}, "its `backup_environment` has for A what is not one line"),
        ({"backup_environment": {"A B": "x"}}, "its `backup_environment` has for A B what is not one line"),
        ({"backup_exclude_larger_than": "big"}, "its `backup_exclude_larger_than` big is no size"),
        ({"backup_random_delay": "2 fortnights"}, "its `backup_random_delay` 2 fortnights is no time"),
        ({"backup_random_delay": ""}, "its `backup_random_delay`  is no time"),
        ({"backup_schedule": "daily\nOnBootSec=1"}, "its `backup_schedule` has a line's end"),
        ({"backup_exclude": ["a\0"]}, "its `backup_exclude` has a line's end"),
        ({"backup_repository": "/srv/a\nb"}, "its `backup_repository` has a line's end"),
        ({"backup_repository": '/srv/"a'}, "has a quote or a backslash, which units of systemd do not take"),
        ({"backup_keep": {"dayly": 1}}, "`backup_keep` has dayly; it knows last, hourly"),
        ({"backup_repository": "backups"}, "neither an absolute path nor one of restic's URLs"),
        ({"backup_repository": "/home/ada/n/backups", "workdir": "/home/ada/n"}, "lies in the work directory"),
    ],
)
def test_problems(change: Instance, expected: str, restic: Restic, instance: Instance) -> None:
    with pytest.raises(OperatorError, match=expected):
        prepare_all([{**instance, **change}], check=False)
    assert restic.calls == []


@pytest.mark.parametrize("span", ["2h", "1h 30min", "90", "0", "1.5 hours", " 2 d ", "1w2d"])
def test_spans_that_systemd_knows(span: str, instance: Instance) -> None:
    assert not list(value_problems({**instance, "backup_random_delay": span}))


def test_schedule_that_systemd_refuses(restic: Restic, docker: Docker, instance: Instance) -> None:
    (docker.directory / "calendar").unlink()
    with pytest.raises(OperatorError, match="`backup_schedule` every night is nothing that systemd could repeat"):
        prepare_all([{**instance, "backup_schedule": "every night"}], check=False)


def test_instances_share_no_repository(restic: Restic, instance: Instance) -> None:
    both = [{**instance, "name": name, "backup_repository": "rest:https://x:secret@host/"} for name in ("ada", "grace")]
    with pytest.raises(
        OperatorError, match="Several instances have the `backup_repository` rest:https://host/, "
    ) as raised:
        prepare_all(both, check=False)
    assert "{name}" in str(raised.value)


def test_far_repository_has_a_cache_and_its_environment(restic: Restic, instance: Instance, machine: Path) -> None:
    restic.fail(cat=(1, "Fatal: no connection"))
    far = {**instance, "backup_repository": "s3:host/{name}", "backup_environment": {"AWS_ACCESS_KEY_ID": "lab"}}
    with pytest.raises(OperatorError, match=r"cannot be backed up: no connection \(repository s3:host/keras\)"):
        prepare_all([far], check=False)
    (call,) = restic.calls
    assert call["arguments"][:2] == ["--cache-dir", str(layout.STATE / "keras" / "backup" / "cache")]
    assert call["environment"]["AWS_ACCESS_KEY_ID"] == "lab"
    assert "s3:host" not in json.dumps(call["arguments"])


@as_root
def test_new_user_has_a_new_repository_and_a_new_password(
    restic: Restic, instance: Instance, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever had the instance knows the old ones. Root keeps that password, for the snapshots of before."""
    password = backup.password_file("keras")
    prepare_all([instance], check=False)
    before = password.read_text()
    # As if the one who runs this were the next.
    monkeypatch.setattr(backup_setup, "former_user", lambda path, _account: "ada" if path.read_text() == before else "")
    for check in (True, False):
        with pytest.raises(OperatorError) as caught:
            prepare_all([instance], check)
        assert "its password are still ada's, who would read every backup there" in str(caught.value)
    assert password.read_text() == before

    moved = {**instance, "backup_repository": str(machine / "another")}
    result = prepare_all([moved], check=False)
    assert result["new_passwords"] == [str(password)]
    assert password.read_text() != before
    kept = password.with_name("backup-password-ada")
    assert (kept.read_text(), kept.stat().st_uid, kept.stat().st_mode & 0o777) == (before, 0, 0o400)
    assert backup.state("keras").with_name("backup-ada").is_dir()
    assert not prepare_all([moved], check=False)["changed"]

    backup_setup.set_aside(backup.Backup.parse(json.loads(backup.config_file("keras").read_text())), "ada")
    assert kept.read_text() == before, "one that is kept is never replaced"
    assert password.with_name("backup-password-ada-1").exists()


@as_root
def test_former_user_is_the_one_whose_the_password_is(machine: Path) -> None:
    grace = Account("grace", 1235, 1235, "/")
    (machine / "password").touch()
    assert backup_setup.former_user(machine / "none", grace) == ""
    os.chown(machine / "password", 1235, -1)
    assert backup_setup.former_user(machine / "password", grace) == ""
    os.chown(machine / "password", 65534, -1)
    assert backup_setup.former_user(machine / "password", grace) == "nobody"
    os.chown(machine / "password", 0, -1)
    assert backup_setup.former_user(machine / "password", grace) == ""


def test_one_key_for_several_people_is_named() -> None:
    accounts: list[Account | None] = [Account(name, 1, 1, "/") for name in ("ada", "grace", "ada")]
    same = {"AWS_SECRET_ACCESS_KEY": "s3cret"}

    def make(*environments: dict[str, str]) -> list[backup.Backup]:
        return [backup.Backup("x", "/", "/", "daily", {}, [], "", environment) for environment in environments]

    said = backup_setup.shared_credentials(make(same, same, {}), accounts)
    assert said.startswith("ada, grace have the same `backup_environment`")
    assert "s3cret" not in said
    # One person's own two, and nobody's.
    assert not backup_setup.shared_credentials(make(same, {"A": "b"}, same), accounts)
    assert not backup_setup.shared_credentials(make({}, {}, {}), accounts)
