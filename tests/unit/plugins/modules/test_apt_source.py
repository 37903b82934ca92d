# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module from its arguments to its result, in this process, on a root directory of its own."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.gpulab.workstation.plugins.modules import apt_source

URI = "https://download.docker.com/linux/debian"
KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQINBFit2ioBEADhWpZ8\n-----END PGP PUBLIC KEY BLOCK-----"


class Host:
    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys
        self.parts = root / "etc/apt/sources.list.d"
        self.parts.mkdir(parents=True)
        self.source = self.parts / "docker.sources"
        self.keyring = root / "etc/apt/keyrings/docker.asc"

    def run(self, check: bool = False, **arguments: t.Any) -> dict[str, t.Any]:
        given = {"name": "docker", "root": str(self.root), "_ansible_check_mode": check, **arguments}
        with patch_module_args(given), pytest.raises(SystemExit):
            apt_source.main()
        return t.cast("dict[str, t.Any]", json.loads(self.capsys.readouterr().out))

    def present(self, **arguments: t.Any) -> dict[str, t.Any]:
        wanted: dict[str, t.Any] = {"uri": URI, "suites": ["trixie"], "components": ["stable"]}
        if "key_url" not in arguments:
            wanted["key"] = KEY
        result = self.run(**{**wanted, **arguments})
        assert not result.get("failed"), result.get("msg")
        return result


@pytest.fixture
def host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(tmp_path, capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "missing"),
        ({"uri": URI, "suites": ["trixie"]}, "key, key_url"),
        ({"uri": URI, "suites": ["trixie"], "key": KEY, "key_url": URI}, "mutually exclusive"),
        (
            {"uri": URI, "suites": ["trixie"], "key": "<html>"},
            "not an armored OpenPGP public key: it begins with '<html>",
        ),
    ],
)
def test_wrong_arguments(host: Host, arguments: dict[str, t.Any], words: str) -> None:
    result = host.run(**arguments)
    assert result["failed"]
    assert words in result["msg"]
    assert not host.source.exists()


def test_check_create_again_change_again_delete_again(host: Host) -> None:
    assert host.present(check=True)["changed"]
    assert not host.source.exists()
    assert not host.keyring.exists()

    assert host.present()["changed"]
    assert "Suites: trixie\n" in host.source.read_text()
    assert host.keyring.read_text() == KEY + "\n"
    assert host.source.stat().st_mode & 0o777 == 0o644
    assert not host.present()["changed"]

    assert host.present(suites=["bookworm"])["changed"]
    assert "Suites: bookworm\n" in host.source.read_text()
    assert not host.present(suites=["bookworm"])["changed"]

    assert host.run(state="absent", check=True)["changed"]
    assert host.source.exists()
    assert host.run(state="absent")["changed"]
    assert not host.source.exists()
    assert not host.keyring.exists()
    assert not host.run(state="absent")["changed"]


def test_older_entries_are_switched_off_backed_up_and_named(host: Host) -> None:
    old = f"deb [signed-by=/usr/share/keyrings/docker.gpg] {URI}/ trixie stable\n"
    (host.parts / "docker.list").write_text("# by hand\n" + old)
    (host.root / "etc/apt/sources.list").write_text(
        f"deb https://deb.example/debian trixie main\ndeb {URI} trixie stable\n"
    )
    (host.parts / "docker-ce.sources").write_text(f"Types: deb\nURIs: {URI}\nSuites: trixie\nComponents: stable\n")
    (host.parts / "docker.list.save").write_text(old)

    foreseen = host.present(check=True)["migrated"]
    assert (host.parts / "docker.list").read_text() == "# by hand\n" + old
    result = host.present()
    found = [(one["file"].rpartition("/")[2], one["line"]) for one in result["migrated"]]
    assert found == [("sources.list", 2), ("docker-ce.sources", 1), ("docker.list", 2)]
    assert [(one["file"], one["line"]) for one in foreseen] == [
        (one["file"], one["line"]) for one in result["migrated"]
    ]
    assert Path(result["migrated"][2]["backup_file"]).read_text() == "# by hand\n" + old
    assert (host.root / "etc/apt/sources.list").read_text().startswith("deb https://deb.example/debian trixie main\n# ")
    assert (host.parts / "docker.list.save").read_text() == old
    assert host.present()["migrated"] == []


def test_what_a_mirror_replaces_is_switched_off_too(host: Host) -> None:
    (host.parts / "docker.list").write_text(f"deb {URI} trixie stable\n")
    result = host.present(uri="http://mirror.lab.example/docker/debian", replaces=[URI])
    assert [one["entry"] for one in result["migrated"]] == [f"deb {URI} trixie stable"]


def test_key_is_fetched_once_and_again_when_it_comes_from_elsewhere(host: Host, tmp_path: Path) -> None:
    first, second = tmp_path / "first.asc", tmp_path / "second.asc"
    first.write_text(KEY + "\n")
    second.write_text("Comment: renewed\n" + KEY + "\n")
    assert host.present(key_url=first.as_uri())["changed"]
    assert host.keyring.read_text() == first.read_text()

    first.unlink()
    assert not host.present(key_url=first.as_uri())["changed"], "a key that is there is not fetched again"
    assert host.present(key_url=second.as_uri())["changed"]
    assert host.keyring.read_text() == second.read_text()

    second.write_text(KEY + "\n")
    assert not host.present(key_url=second.as_uri())["changed"]
    assert host.present(key_url=second.as_uri(), refresh_key=True)["changed"]
    assert host.keyring.read_text() == KEY + "\n"


def test_key_that_cannot_be_fetched(host: Host, tmp_path: Path) -> None:
    url = (tmp_path / "none.asc").as_uri()
    result = host.run(uri=URI, suites=["trixie"], key_url=url)
    assert result["failed"]
    assert f"cannot be fetched from {url}" in result["msg"]


def test_own_file_under_a_mode_of_the_operators(host: Host) -> None:
    host.present()
    host.source.chmod(0o600)
    host.present(suites=["bookworm"])
    assert host.source.stat().st_mode & 0o777 == 0o600
