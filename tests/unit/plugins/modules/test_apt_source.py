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
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._apt_sources import keys

URI = "https://download.docker.com/linux/debian"
KEY = keys.ONE.strip()


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
        (
            {"uri": URI, "suites": ["trixie"], "key": KEY, "fingerprint": "0EBFCD88"},
            "0EBFCD88 is no fingerprint",
        ),
        (
            {"uri": URI, "suites": ["trixie"], "key": KEY, "fingerprint": keys.TWO_FINGERPRINT},
            f"The key in `key` has the key {keys.ONE_FINGERPRINT}, and should have {keys.TWO_FINGERPRINT} only",
        ),
        (
            {"uri": URI, "suites": ["trixie"], "key_url": "http://mirror.lab.example/gpg"},
            "Whoever is between this host and http://mirror.lab.example/gpg can replace the signing key",
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


def test_fetched_key_is_compared(host: Host, tmp_path: Path) -> None:
    """A refused one leaves the sources as they are, and one that is there is compared, too."""
    older = host.parts / "docker.list"
    older.write_text(f"deb {URI} trixie stable\n")
    url = (tmp_path / "key.asc").as_uri()
    (tmp_path / "key.asc").write_text(keys.ONE + keys.TWO)
    given: dict[str, t.Any] = {"uri": URI, "suites": ["trixie"], "key_url": url}
    refused = host.run(**given, fingerprint=keys.ONE_FINGERPRINT)
    assert f"What {url} answers has the key {keys.TWO_FINGERPRINT}, and should" in refused["msg"]
    assert not host.keyring.exists()
    assert older.read_text() == f"deb {URI} trixie stable\n"

    assert host.present(key_url=url)["changed"]
    assert host.run(**given, fingerprint=keys.ONE_FINGERPRINT)["failed"]
    assert host.keyring.read_text() == keys.ONE + keys.TWO
    (tmp_path / "key.asc").write_text(keys.ONE)
    assert host.run(check=True, **given, fingerprint=keys.ONE_FINGERPRINT)["changed"]
    assert host.present(key_url=url, fingerprint=keys.ONE_FINGERPRINT)["changed"]
    assert host.keyring.read_text() == keys.ONE
    assert not host.present(key_url=url, fingerprint=keys.ONE_FINGERPRINT)["changed"]


def test_answer_without_an_end_is_no_key(host: Host, tmp_path: Path) -> None:
    (tmp_path / "key.asc").write_text(keys.ONE * 2000)
    result = host.run(uri=URI, suites=["trixie"], key_url=(tmp_path / "key.asc").as_uri())
    assert "is no signing key: it has more than 1048576 bytes" in result["msg"]


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
