# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module from its arguments to its result, in this process, on a root directory of its own."""

from __future__ import annotations

import codecs
import json
import multiprocessing
import os
import stat
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.files import alone
from ansible_collections.gpulab.workstation.plugins.modules import docker_daemon_config

Result = dict[str, t.Any]

UPSTREAM_UNIT = "[Service]\nExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock\n"

# Engines as far as the module asks them: they judge the file that they are given.
ACCEPTS = """#!/bin/sh
case "$1 $2" in "--validate --config-file="*) ;; *) exit 3 ;; esac
cat "${2#--config-file=}" >> "$(dirname "$0")/seen"
echo "configuration OK" >&2
"""
REFUSES = """#!/bin/sh
echo "unable to configure the Docker daemon with file ${2#--config-file=}: http://user:secret@proxy is wrong" >&2
exit 1
"""
TOO_OLD = """#!/bin/sh
printf "Status: unknown flag: --validate\\nSee 'dockerd --help'., Code: 125\\n" >&2
exit 125
"""


class Host:
    """A host whose file system is a directory of the test."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys
        self.file = root / "etc/docker/daemon.json"
        self.record = root / "var/lib/gpulab/docker/daemon.json.acknowledged"
        self.warnings: list[str] = []

    def run(self, check: bool = False, diff: bool = False, **arguments: t.Any) -> Result:
        arguments = {"root": str(self.root), "_ansible_check_mode": check, "_ansible_diff": diff, **arguments}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            docker_daemon_config.main()
        return t.cast("Result", json.loads(self.capsys.readouterr().out))

    def change(self, **arguments: t.Any) -> Result:
        result = self.run(**arguments)
        assert not result.get("failed"), result.get("msg")
        return result

    def fail(self, **arguments: t.Any) -> str:
        before = self.tree()
        result = self.run(**arguments)
        assert result.get("failed"), result
        assert self.tree() == before, "a failed run left a trace"
        return str(result["msg"])

    def tree(self) -> dict[str, t.Any]:
        """Everything below the root, to see that nothing was touched."""
        found: dict[str, t.Any] = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
            found[str(path)] = (content, status.st_mode, status.st_uid, status.st_gid, status.st_ino)
        return found

    def write(self, text: str | bytes, path: str = "etc/docker/daemon.json") -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def config(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.file.read_text()))

    def install(self, dockerd: str) -> None:
        self.write(dockerd, "usr/bin/dockerd").chmod(0o755)

    def start(self, start_time: int = 100) -> None:
        """Run an engine; another start time makes it another engine."""
        self.write("b007\n", "proc/sys/kernel/random/boot_id")
        self.write("dockerd\0-H\0fd://\0", "proc/42/cmdline")
        self.write(f"42 (dockerd) S {'0 ' * 18}{start_time} 0\n", "proc/42/stat")
        self.write("Name:\tdockerd\nUid:\t0\t0\t0\t0\n", "proc/42/status")

    def stop(self) -> None:
        (self.root / "proc/42/stat").unlink()


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host(tmp_path, capsys)
    # Ansible collects warnings per process, and every run of these tests is in one.
    monkeypatch.setattr(AnsibleModule, "warn", lambda _module, warning: host.warnings.append(warning))
    return host


# Several at once


def test_merges_at_once_lose_nothing(host: Host) -> None:
    """Each begins before the others have ended. Without the lock, some of them undo others, or fail."""
    host.write('{"debug": true}')
    barrier = multiprocessing.get_context("fork").Barrier(8)

    def merge(number: int) -> None:
        barrier.wait()
        arguments = {"root": str(host.root), "settings": {"labels-of": {}, f"key{number}": number}, "validate": False}
        with patch_module_args(arguments):
            docker_daemon_config.main()

    running = [multiprocessing.get_context("fork").Process(target=merge, args=(number,)) for number in range(8)]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * 8
    assert host.config() == {"debug": True, "labels-of": {}, **{f"key{number}": number for number in range(8)}}
    assert not list(host.root.rglob("*.lock"))


def test_a_run_that_does_not_end_is_named(tmp_path: Path) -> None:
    with alone(str(tmp_path)):
        (lock,) = tmp_path.glob(".*.lock")
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600, "no other user can hold it"
        with pytest.raises(DaemonConfigError, match="Another run changes"), alone(str(tmp_path), 0.1):
            raise AssertionError("two are alone")
    with alone(str(tmp_path), 0.1):
        pass
    assert not list(tmp_path.iterdir())


def test_lock_of_a_run_that_was_killed_is_free(tmp_path: Path) -> None:
    (tmp_path / ".gpulab-daemon.json.lock").touch()
    with alone(str(tmp_path), 0.1):
        pass
    assert not list(tmp_path.iterdir())


# The file


def test_create(host: Host) -> None:
    result = host.change(settings={"live-restore": True, "log-opts": {"max-size": "10m"}})
    assert result["changed"]
    assert result["changed_keys"] == [["live-restore"], ["log-opts", "max-size"]]
    assert host.file.read_text() == '{\n  "live-restore": true,\n  "log-opts": {\n    "max-size": "10m"\n  }\n}\n'
    assert stat.S_IMODE(host.file.stat().st_mode) == 0o644
    assert stat.S_IMODE(host.file.parent.stat().st_mode) == 0o755
    assert result["real_path"] == str(host.file)


def test_create_again_changes_nothing(host: Host) -> None:
    settings = {"live-restore": True, "log-opts": {"max-size": "10m"}}
    host.change(settings=settings)
    before = host.tree()
    result = host.change(settings=settings, backup=True)
    assert not result["changed"]
    assert result["changed_keys"] == []
    assert result["validated_by"] == "none"
    assert host.tree() == before


def test_update_and_delete(host: Host) -> None:
    host.write('{\n    "x-other-tool": {"kept": [1, 2]},\n    "debug": true,\n    "log-opts": {"max-size": "10m"}\n}\n')
    result = host.change(
        settings={"log-opts": {"max-file": "3"}}, absent=[["debug"], ["missing", "path"]], validate=False
    )
    assert result["changed_keys"] == [["debug"], ["log-opts", "max-file"]]
    assert host.file.read_text() == (
        '{\n    "x-other-tool": {"kept": [1, 2]},\n    "log-opts": {"max-size": "10m", "max-file": "3"}\n}\n'
    )
    assert not host.change(absent=[["debug"]], validate=False)["changed"]


def test_unchanged_file_stays_byte_for_byte(host: Host) -> None:
    text = '\n{"mtu":9000 ,"labels":[ ],\t"debug":false}'
    host.write(text)
    assert not host.change(settings={"mtu": 9000, "labels": []}, absent=[["dns"]])["changed"]
    assert host.file.read_text() == text


@pytest.mark.parametrize("content", ["", " \n", "{}"])
def test_empty_file(host: Host, content: str) -> None:
    host.write(content)
    assert not host.change(settings={}, absent=[["debug"]])["changed"]
    assert host.file.read_text() == content
    assert host.change(settings={"debug": True})["changed"]
    assert host.config() == {"debug": True}


def test_bom_is_dropped_once(host: Host) -> None:
    host.write(codecs.BOM_UTF8 + b'{"debug": true}\n')
    assert not host.change()["changed"]
    result = host.change(settings={"debug": True})
    assert result["changed"]
    assert result["changed_keys"] == []
    assert host.file.read_bytes() == b'{"debug": true}\n'
    assert not host.change(settings={"debug": True})["changed"]


def test_mode_and_owner_stay(host: Host) -> None:
    host.write("{}").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(host.file, 12, 34)
    before = host.file.stat()
    host.change(settings={"debug": True})
    after = host.file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino, "the file was written in place, not replaced"


def test_symbolic_link_stays(host: Host) -> None:
    target = host.write("{}", "srv/docker/daemon.json")
    target.chmod(0o600)
    host.file.parent.mkdir(parents=True)
    host.file.symlink_to("/srv/docker/daemon.json")
    result = host.change(settings={"debug": True}, backup=True)
    assert os.readlink(host.file) == "/srv/docker/daemon.json"
    assert json.loads(target.read_text()) == {"debug": True}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert result["real_path"] == str(target)
    assert Path(result["backup_file"]).parent == target.parent


def test_dangling_link(host: Host) -> None:
    host.file.parent.mkdir(parents=True)
    host.file.symlink_to("/srv/daemon.json")
    assert "which does not exist" in host.fail(settings={"debug": True})


def test_nothing_is_left_beside_the_file(host: Host) -> None:
    host.write("{}")
    host.change(settings={"debug": True})
    assert [path.name for path in host.file.parent.iterdir()] == ["daemon.json"]
    assert [path.name for path in host.record.parent.iterdir()] == [host.record.name]


def test_backup(host: Host) -> None:
    host.write('{"debug": true}').chmod(0o600)
    result = host.change(settings={"debug": False}, backup=True)
    backup = Path(result["backup_file"])
    assert backup.read_text() == '{"debug": true}'
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_no_backup_of_no_file(host: Host) -> None:
    assert "backup_file" not in host.change(settings={"debug": True}, backup=True)


def test_check_mode_leaves_no_trace(host: Host) -> None:
    before = host.tree()
    result = host.change(check=True, settings={"debug": True}, backup=True)
    assert result["changed"]
    assert result["changed_keys"] == [["debug"]]
    assert result["validated_by"] == "builtin"
    assert "backup_file" not in result
    assert host.tree() == before
    host.write("{}")
    before = host.tree()
    assert host.change(check=True, settings={"debug": True})["changed"]
    assert not host.change(check=True, acknowledge="started", diff=True)["pending"]
    host.change(check=True)
    assert host.tree() == before


@pytest.mark.parametrize("check", [True, False])
def test_diff(host: Host, check: bool) -> None:
    host.write('{"debug": true}\n')
    diff = host.change(check=check, diff=True, settings={"debug": False})["diff"]
    assert diff == {
        "before_header": "/etc/docker/daemon.json",
        "after_header": "/etc/docker/daemon.json",
        "before": '{"debug": true}\n',
        "after": '{"debug": false}\n',
    }


def test_diff_masks_passwords(host: Host) -> None:
    host.write('{"proxies": {"http-proxy": "http://user:old@proxy"}}')
    settings = {"proxies": {"http-proxy": "http://user:new@proxy"}}
    result = host.change(diff=True, settings=settings)
    assert result["changed"]
    assert "old" not in json.dumps(result["diff"])
    assert "new" not in json.dumps(result["diff"])
    assert host.config() == settings


def test_no_diff_without_a_change(host: Host) -> None:
    host.write('{"debug": true}')
    assert "diff" not in host.change(diff=True, settings={"debug": True})


def test_another_path(host: Host) -> None:
    host.change(path="/srv/d.json", settings={"debug": True}, state_path="/srv/d.acknowledged")
    assert (host.root / "srv/d.json").exists()
    assert (host.root / "srv/d.acknowledged").exists()
    assert "is the record for /srv/d.json" in host.fail(settings={"debug": True}, state_path="/srv/d.acknowledged")


def test_a_file_that_changes_under_the_run(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("{}")
    host.install(f"#!/bin/sh\nprintf '{{\"mtu\": 9000}}' > {host.file}\n")
    result = host.run(settings={"debug": True})
    assert "was changed by another process" in result["msg"]
    assert host.config() == {"mtu": 9000}


@pytest.mark.parametrize("place", ["etc", "var"])
def test_directory_that_cannot_be_made(host: Host, place: str) -> None:
    host.write("", place)
    assert "Not a directory" in host.fail(settings={"debug": True})


def test_directory_that_cannot_be_written(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("{}")

    def refuse(**_arguments: object) -> None:  # root, as whom the tests may run, is never refused
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    assert f"{host.file.parent} cannot be written to: Read-only file system" in host.fail(settings={"debug": True})


# Bad input


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"debug: true", "line 1, column 1"),
        (b'{\n// no\n"debug": true}', "line 2, column 1: a comment (//)"),
        (b'{"debug": true,\n"debug": false}', 'line 2, column 1: the key "debug" appears twice'),
        (b"[]", "the top level is an array"),
        (b'{"x": "\xff"}', "is not UTF-8"),
        (b"{}\0", "a NUL byte"),
        (b'{"debug": true', "truncated"),
        ('{"debug": true}'.encode("utf-16"), "UTF-16"),
    ],
)
@pytest.mark.parametrize("arguments", [{"settings": {"mtu": 1400}}, {}, {"acknowledge": "started"}])
def test_bad_file_stays_untouched(host: Host, content: bytes, says: str, arguments: Result) -> None:
    host.write(content)
    message = host.fail(**arguments)
    assert message.startswith("/etc/docker/daemon.json")
    assert says in message


def test_directory_instead_of_a_file(host: Host) -> None:
    host.file.mkdir(parents=True)
    assert "is a directory" in host.fail(settings={"debug": True})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"settings": {"debug": True}, "absent": [["debug"]]}, "debug is in settings and in absent"),
        ({"absent": ["runtimes", "nvidia"]}, "found the entry 'runtimes'"),
        ({"settings": {"data-root": None}}, "data-root is null"),
        ({"settings": {}, "acknowledge": "started"}, "mutually exclusive"),
        ({"absent": [], "acknowledge": "reloaded"}, "mutually exclusive"),
        ({"acknowledge": "yes"}, "value of acknowledge must be one of"),
        ({"settings": "debug"}, "settings"),
    ],
)
def test_bad_arguments(host: Host, arguments: Result, says: str) -> None:
    host.write("{}")
    assert says in host.fail(**arguments)


# Validation


def test_engine_accepts(host: Host) -> None:
    host.install(ACCEPTS)
    assert host.change(settings={"some-future-key": 1})["validated_by"] == "engine"
    assert host.config() == {"some-future-key": 1}
    assert json.loads((host.root / "usr/bin/seen").read_text()) == {"some-future-key": 1}


def test_engine_accepts_in_check_mode(host: Host) -> None:
    host.install(ACCEPTS)
    assert host.change(check=True, settings={"debug": True})["validated_by"] == "engine"
    assert not host.file.parent.exists()


@pytest.mark.parametrize("check", [True, False])
def test_engine_refuses(host: Host, check: bool) -> None:
    host.install(REFUSES)
    host.write("{}")
    message = host.fail(check=check, settings={"debug": True})
    assert "with file /etc/docker/daemon.json: http://xxxxx:xxxxx@proxy is wrong" in message


def test_engine_refuses_and_the_table_knows_where(host: Host) -> None:
    host.install(REFUSES)
    host.write('{\n  "debug": true\n}')
    message = host.fail(settings={"log-opts": {"max-file": 3}})
    assert "is wrong. In the file as it would have been, line 4: log-opts.max-file must be a string" in message


def test_old_engine(host: Host) -> None:
    host.install(TOO_OLD)
    assert host.change(settings={"debug": True})["validated_by"] == "builtin"
    message = host.fail(settings={"log-opts": {"max-file": 3}, "some-future-key": 1})
    assert "log-opts.max-file must be a string, not a number (put it in quotes)" in message
    assert "some-future-key is not an option of the installed dockerd" in message


def test_no_engine(host: Host) -> None:
    result = host.change(settings={"some-future-key": 1, "debug": True})
    assert result["validated_by"] == "builtin"
    (warning,) = host.warnings
    assert "line 2: some-future-key is no option of dockerd" in warning
    assert "debug must be true or false" in host.fail(settings={"debug": "on"})


def test_engine_of_another_architecture(host: Host) -> None:
    host.install("\x7fELF no program of this machine")
    assert host.change(settings={"debug": True})["validated_by"] == "builtin"


def test_validation_can_be_switched_off(host: Host) -> None:
    host.install(REFUSES)
    host.write(UPSTREAM_UNIT, "usr/lib/systemd/system/docker.service")
    result = host.change(settings={"hosts": ["fd://"], "debug": "on"}, validate=False)
    assert result["validated_by"] == "none"


# Conflicts with the command line of the service


def test_conflict_with_a_flag(host: Host) -> None:
    host.install(ACCEPTS)
    host.write(UPSTREAM_UNIT, "usr/lib/systemd/system/docker.service")
    message = host.fail(settings={"hosts": ["tcp://127.0.0.1:2375"]})
    for part in ("hosts is set", "/usr/lib/systemd/system/docker.service, line 2", "-H", "drop-in", "absent"):
        assert part in message
    assert host.change(settings={"debug": True})["changed"]


def test_conflict_that_was_there_before(host: Host) -> None:
    host.write(UPSTREAM_UNIT, "usr/lib/systemd/system/docker.service")
    host.write('{"hosts": ["fd://"]}')
    assert "hosts is set" in host.fail(settings={"debug": True})
    assert host.change(settings={"debug": True}, absent=[["hosts"]])["changed"]


def test_conflict_resolved_by_a_drop_in(host: Host) -> None:
    host.write(UPSTREAM_UNIT, "usr/lib/systemd/system/docker.service")
    host.write(
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd\n", "etc/systemd/system/docker.service.d/override.conf"
    )
    assert host.change(settings={"hosts": ["fd://"]})["changed"]


# What the engine has to do


def test_fresh_host_needs_nothing(host: Host) -> None:
    assert host.change(settings={"mtu": 9000})["requires"] == "none"
    host.start()
    # The first start has read the file; a later change is measured against it.
    assert host.change()["requires"] == "none"
    assert host.change(settings={"live-restore": True})["requires"] == "reload"


def test_host_with_an_engine_of_its_own(host: Host) -> None:
    host.write('{"mtu": 9000}')
    host.start()
    assert host.change(settings={"mtu": 9000})["requires"] == "none"
    result = host.change(settings={"debug": True, "mtu": 1400})
    assert result["requires"] == "restart"
    assert result["pending"] == [{"key": ["mtu"], "requires": "restart"}, {"key": ["debug"], "requires": "reload"}]


@pytest.mark.parametrize(("settings", "requires"), [({"debug": True}, "reload"), ({"mtu": 9000}, "restart")])
def test_broken_off_run_is_completed(host: Host, settings: Result, requires: str) -> None:
    host.start()
    assert host.change(settings=settings)["requires"] == requires
    # No handler ran.
    again = host.change(settings=settings)
    assert not again["changed"]
    assert again["requires"] == requires
    assert host.change(settings=settings, check=True)["requires"] == requires
    assert host.change()["requires"] == requires


@pytest.mark.parametrize(("after_the_move", "requires"), [(False, "none"), (True, "restart")])
def test_broken_off_while_replacing(
    host: Host, monkeypatch: pytest.MonkeyPatch, after_the_move: bool, requires: str
) -> None:
    # The first run ever on a host is the one that has no earlier record to fall back on.
    host.start()
    host.write("{}")
    move = AnsibleModule.atomic_move

    def die(self: AnsibleModule, source: str, target: str, **arguments: t.Any) -> None:
        if target != str(host.file) or after_the_move:
            move(self, source, target, **arguments)
        if target == str(host.file):
            self.fail_json(msg="the power went off")

    monkeypatch.setattr(AnsibleModule, "atomic_move", die)
    assert "power" in host.run(settings={"mtu": 9000})["msg"]
    monkeypatch.setattr(AnsibleModule, "atomic_move", move)
    assert host.config() == ({"mtu": 9000} if after_the_move else {})
    assert host.change()["requires"] == requires
    assert host.change(settings={"mtu": 9000})["requires"] == "restart"


def test_check_mode_predicts(host: Host) -> None:
    host.start()
    host.write("{}")
    assert host.change(check=True, settings={"mtu": 9000})["requires"] == "restart"
    assert host.change(settings={"debug": True}, check=True)["requires"] == "reload"


def test_reload_is_acknowledged(host: Host) -> None:
    host.start()
    host.change(settings={"debug": True, "mtu": 9000})
    result = host.change(acknowledge="reloaded")
    assert result["changed"]
    assert result["requires"] == "restart"
    assert result["pending"] == [{"key": ["mtu"], "requires": "restart"}]
    assert not host.change(acknowledge="reloaded")["changed"]
    # Deferred: it stays, and goes with the next start, whoever makes it.
    assert host.change(settings={"debug": True, "mtu": 9000})["requires"] == "restart"
    host.start(start_time=200)
    assert host.change(settings={"debug": True, "mtu": 9000})["requires"] == "none"


def test_start_is_acknowledged(host: Host) -> None:
    host.start()
    host.change(settings={"mtu": 9000})
    assert host.change(check=True, acknowledge="started")["requires"] == "none"
    assert host.change()["requires"] == "restart"
    assert host.change(acknowledge="started")["requires"] == "none"
    assert host.change()["requires"] == "none"


def test_change_taken_back(host: Host) -> None:
    host.start()
    host.write('{"mtu": 1500}')
    assert host.change(settings={"mtu": 9000})["requires"] == "restart"
    assert host.change(settings={"mtu": 1500})["requires"] == "none"


def test_edit_by_somebody_else(host: Host) -> None:
    host.start()
    host.write("{}")
    host.change()
    host.write('{"mtu": 9000}')
    host.start(start_time=200)
    # The start may have been before the edit.
    assert host.change()["requires"] == "restart"
    host.start(start_time=300)
    assert host.change()["requires"] == "none"


def test_edit_by_somebody_else_that_is_undone(host: Host) -> None:
    """The engine may have been started with the edit, so that taking it back is a change for it."""
    host.start()
    host.write('{"mtu": 1400}')
    host.change()
    host.write('{"mtu": 9000}')
    host.start(start_time=200)
    assert host.change(settings={"mtu": 1400})["requires"] == "restart"
    host.start(start_time=300)
    assert host.change(settings={"mtu": 1400})["requires"] == "none"


def test_stopped_engine_needs_nothing(host: Host) -> None:
    host.start()
    host.change(settings={"mtu": 9000})
    host.stop()
    assert host.change()["requires"] == "none"
    host.start(start_time=200)
    assert host.change()["requires"] == "none"


def test_two_roles_in_one_run(host: Host) -> None:
    host.start()
    host.change(settings={"default-address-pools": [{"base": "10.201.0.0/16", "size": 24}]})
    result = host.change(settings={"runtimes": {"nvidia": {"path": "nvidia-container-runtime"}}})
    assert result["requires"] == "restart"
    assert len(result["pending"]) == 2


def test_engine_that_starts_during_the_run(host: Host) -> None:
    host.start()
    host.write("{}")
    host.change()
    # It starts while its file is being validated, so it may still have read the old one.
    host.install(f"#!/bin/sh\nsed -i 's/ 100 / 200 /' {host.root}/proc/42/stat\n")
    assert host.change(settings={"mtu": 9000})["requires"] == "restart"
    assert host.change()["requires"] == "restart"


def test_record_is_private(host: Host) -> None:
    host.change(settings={"proxies": {"http-proxy": "http://user:secret@proxy"}})
    assert stat.S_IMODE(host.record.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.record.parent.stat().st_mode) == 0o755


def test_damaged_record(host: Host) -> None:
    host.start()
    host.write('{"mtu": 9000}')
    host.write(b"\xff{", "var/lib/gpulab/docker/daemon.json.acknowledged")
    result = host.change()
    assert result["requires"] == "none"
    host.change()
    (warning,) = host.warnings
    assert "daemon.json.acknowledged is damaged" in warning


# Options of log drivers, which `dockerd --validate` does not look at


@pytest.mark.parametrize(
    ("before", "settings", "after"),
    [
        # Field case 01: nothing of the former driver stays.
        ({"log-driver": "json-file", "log-opts": {"max-size": "1m"}}, {"log-driver": "journald"}, None),
        ({"log-opts": {"max-size": "1m"}}, {"log-driver": "local", "log-opts": {"max-file": "2"}}, {"max-file": "2"}),
        ({"log-opts": {"max-size": "1m"}}, {"log-driver": "json-file"}, {"max-size": "1m"}),
        (
            {"log-driver": "loki", "log-opts": {"loki-url": "x"}},
            {"log-opts": {"mode": "y"}},
            {"loki-url": "x", "mode": "y"},
        ),
    ],
)
def test_log_options_do_not_outlive_their_driver(
    host: Host, before: Result, settings: Result, after: Result | None
) -> None:
    host.write(json.dumps(before))
    host.install(ACCEPTS)
    host.change(settings=settings)
    assert host.config().get("log-opts") == after
    assert not host.change(settings=settings)["changed"]


def test_log_options_of_another_driver_are_refused(host: Host) -> None:
    host.install(ACCEPTS)
    host.write('{"log-driver": "journald"}')
    said = host.fail(settings={"log-opts": {"max-size": "1m", "tag": "x", "cache-disabled": "true"}})
    assert "log-opts.max-size is no option of the log driver journald" in said
    assert host.change(settings={"log-opts": {"max-size": "1m"}}, validate=False)["changed"]


# The way back


def test_restore(host: Host) -> None:
    host.start()
    host.write('{"debug": true,\n "mtu": 1400}\n')
    host.change(settings={"bip": "300.1.1.1/24", "mtu": 9000})
    refused = host.file.read_text()
    host.stop()
    result = host.change(restore=True)
    assert (result["changed"], result["restored"]) == (True, True)
    assert sorted(result["changed_keys"]) == [["bip"], ["mtu"]]
    assert host.file.read_text() == '{"debug": true,\n "mtu": 1400}\n'
    assert Path(result["backup_file"]).read_text() == refused
    host.start(start_time=200)
    assert not host.change(restore=True)["changed"]
    assert host.change()["requires"] == "none"


def test_restore_in_check_mode(host: Host) -> None:
    host.start()
    host.write("{}")
    host.change(settings={"mtu": 9000})
    host.stop()
    before = host.tree()
    assert host.change(restore=True, check=True)["changed"]
    assert host.tree() == before


def test_restore_returns_to_a_file_with_which_an_engine_ran(host: Host) -> None:
    """Not to the one before the last change, which no engine has taken either."""
    host.start()
    host.change(settings={"mtu": 1400})
    host.start(start_time=200)
    host.change(settings={"bip": "300.1.1.1/24"})
    host.change(settings={"mtu": 9000})
    host.stop()
    host.change(restore=True)
    assert host.config() == {"mtu": 1400}


def test_restore_knows_what_a_reload_has_brought(host: Host) -> None:
    host.start()
    host.change(settings={"debug": True})
    host.change(acknowledge="reloaded")
    host.change(settings={"bip": "300.1.1.1/24"})
    host.stop()
    host.change(restore=True)
    assert host.config() == {"debug": True}


def test_restore_of_no_file_is_one_that_others_can_read(host: Host) -> None:
    host.start()
    host.change(settings={"mtu": 9000})
    host.stop()
    host.change(restore=True)
    assert host.file.read_text() == "{}\n"


def test_no_engine_has_ever_run(host: Host) -> None:
    host.change(settings={"bip": "300.1.1.1/24"})
    result = host.change(restore=True)
    assert (result["changed"], result["restored"]) == (False, False)
    assert host.config() == {"bip": "300.1.1.1/24"}


def test_the_file_of_a_record_of_an_earlier_version_is_not_known(host: Host) -> None:
    host.start()
    host.change(settings={"mtu": 9000})
    record = json.loads(host.record.read_text())
    del record["proven"]
    host.record.write_text(json.dumps(record))
    host.stop()
    assert not host.change(restore=True)["changed"]


def test_restore_excludes_settings(host: Host) -> None:
    assert "mutually exclusive" in host.fail(restore=True, settings={"mtu": 9000})
