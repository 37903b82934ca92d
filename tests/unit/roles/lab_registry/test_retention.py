# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry keeps and what goes, in a storage directory as the registry itself lays it out."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[4] / "roles/lab_registry/files/retention.py"
NOW = 1_795_000_000.0
DAY = 86400.0


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("retention", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


retention = _load()


class Storage:
    def __init__(self, path: Path) -> None:
        self.registry = path / "docker/registry/v2"
        (self.registry / "repositories").mkdir(parents=True)

    def manifest(self, repository: str, content: dict[str, Any], age: float = 2 * DAY) -> str:
        data = json.dumps(content).encode()
        name = hashlib.sha256(data).hexdigest()
        self._write(self.registry / "blobs/sha256" / name[:2] / name / "data", data, age)
        link = self._manifests(repository) / "revisions/sha256" / name / "link"
        self._write(link, f"sha256:{name}".encode(), age)
        return f"sha256:{name}"

    def tag(self, repository: str, name: str, digest: str, age: float = 2 * DAY) -> None:
        self._write(self._manifests(repository) / "tags" / name / "current/link", digest.encode(), age)

    def image(self, repository: str, tag: str, age: float = 2 * DAY) -> str:
        digest = self.manifest(repository, {"config": {"digest": "sha256:0"}, "layers": [], "name": tag}, age)
        self.tag(repository, tag, digest, age)
        return digest

    def tags(self, repository: str) -> set[str]:
        return set(os.listdir(self._manifests(repository) / "tags"))

    def revisions(self, repository: str) -> set[str]:
        return {f"sha256:{name}" for name in os.listdir(self._manifests(repository) / "revisions/sha256")}

    def expire(self, keep: int = 10, grace: float = DAY) -> list[str]:
        return list(retention.expire_all(str(self.registry), keep, NOW - grace))

    def _manifests(self, repository: str) -> Path:
        return self.registry / "repositories" / repository / "_manifests"

    @staticmethod
    def _write(path: Path, data: bytes, age: float) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (NOW - age, NOW - age))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def test_nothing_to_do(storage: Storage) -> None:
    storage.image("keras", "cpu-0")
    assert storage.expire() == []


def test_the_newest_by_push_stay(storage: Storage) -> None:
    """Names say nothing of the order: they end in a hash."""
    old, new = storage.image("keras", "cpu-ff", 9 * DAY), storage.image("keras", "cpu-00", 3 * DAY)
    said = storage.expire(keep=1)
    assert storage.tags("keras") == {"cpu-00"}
    assert storage.revisions("keras") == {new}
    assert said == [
        "keras:cpu-ff is older than the 1 newest of its kind, and was removed.",
        f"keras@{old} has no tag, and was removed.",
    ]


def test_kinds_do_not_drive_each_other_out(storage: Storage) -> None:
    storage.image("keras", "gpu-0", 90 * DAY)
    for age in range(1, 5):
        storage.image("keras", f"cpu-{age}", age * DAY)
    storage.expire(keep=2)
    assert storage.tags("keras") == {"gpu-0", "cpu-1", "cpu-2"}


def test_what_a_kept_tag_shares_with_an_expired_one_stays(storage: Storage) -> None:
    digest = storage.image("keras", "cpu-0", 9 * DAY)
    storage.tag("keras", "cpu-1", digest, 1 * DAY)
    storage.expire(keep=1)
    assert (storage.tags("keras"), storage.revisions("keras")) == ({"cpu-1"}, {digest})


def test_what_an_index_names_stays(storage: Storage) -> None:
    """The collector's own --delete-untagged takes it."""
    image = storage.manifest("keras", {"layers": []})
    inner = storage.manifest("keras", {"manifests": [{"digest": image}]})
    outer = storage.manifest("keras", {"manifests": [{"digest": inner}, {"digest": "sha256:elsewhere"}]})
    storage.tag("keras", "cpu-0", outer)
    assert storage.expire() == []
    assert storage.revisions("keras") == {image, inner, outer}


def test_an_index_without_a_tag_goes_with_all_that_it_names(storage: Storage) -> None:
    image = storage.manifest("keras", {"layers": []})
    storage.manifest("keras", {"manifests": [{"digest": image}]})
    assert len(storage.expire()) == 2
    assert storage.revisions("keras") == set()


def test_somebody_may_be_about_to_tag_it(storage: Storage) -> None:
    young, old = storage.manifest("keras", {"layers": [1]}, 60), storage.manifest("keras", {"layers": [2]}, 2 * DAY)
    assert storage.expire() == [f"keras@{old} has no tag, and was removed."]
    assert storage.revisions("keras") == {young}


def test_repositories_within_repositories(storage: Storage) -> None:
    for repository in ("lab", "lab/keras", "a/b/c"):
        storage.image(repository, "v-1", 9 * DAY)
        storage.image(repository, "v-2", 3 * DAY)
    storage.expire(keep=1)
    assert [storage.tags(one) for one in ("lab", "lab/keras", "a/b/c")] == [{"v-2"}] * 3


def test_a_push_that_was_broken_off(storage: Storage) -> None:
    """A tag without a link, and one whose manifest is not there."""
    digest = storage.image("keras", "cpu-0")
    (storage.registry / "repositories/keras/_manifests/tags/cpu-1/index").mkdir(parents=True)
    storage.tag("keras", "cpu-2", "sha256:" + 64 * "0")
    (storage.registry / "repositories/other/_uploads").mkdir(parents=True)
    assert storage.expire() == []
    assert storage.revisions("keras") == {digest}


@pytest.mark.parametrize("content", [b"", b"[]", b'{"manifests": [{}]}', b'{"manifests": 3}', b"\xff"])
def test_in_doubt_nothing_goes(storage: Storage, content: bytes) -> None:
    """Else an index that cannot be read would take its images with it."""
    digest = storage.image("keras", "cpu-0")
    orphan = storage.manifest("keras", {"layers": [2]})
    name = digest.split(":")[1]
    (storage.registry / "blobs/sha256" / name[:2] / name / "data").write_bytes(content)
    with pytest.raises(retention.DoubtError, match="should be a manifest"):
        storage.expire()
    assert storage.revisions("keras") == {digest, orphan}


def test_a_link_that_is_no_digest(storage: Storage) -> None:
    storage.tag("keras", "cpu-0", "../../etc")
    with pytest.raises(retention.DoubtError, match="should name a SHA-256 digest"):
        storage.expire()


# When


def part(storage: Storage, path: str, age: float) -> None:
    file = storage.registry / "repositories/lab/keras" / path
    file.parent.mkdir(parents=True)
    file.write_bytes(b"sha256:")
    os.utime(file, (NOW - age, NOW - age))


def reason(storage: Storage) -> str:
    return str(retention.why_not_now(str(storage.registry), NOW))


@pytest.mark.parametrize("path", ["_uploads/1-2/data", "_uploads/1-2/startedat", "_layers/sha256/a1/link"])
@pytest.mark.parametrize(
    ("age", "waits"), [(0, True), (14 * 60, True), (16 * 60, False), (-60, True), (-DAY, False), (9 * DAY, False)]
)
def test_who_pushes_is_waited_for_and_an_old_part_is_not(storage: Storage, path: str, age: float, waits: bool) -> None:
    storage.image("keras", "cpu-0", 0)
    part(storage, path, age)
    said = "Somebody pushes to lab/keras: a part of an image came in the last 15 minutes."
    assert reason(storage).startswith(said) is waits
    assert bool(reason(storage)) is waits


def test_a_push_that_ended_is_not_waited_for(storage: Storage) -> None:
    storage.manifest("lab/keras", {"config": {"digest": "sha256:c0"}, "layers": [{"digest": "sha256:a1"}]}, 0)
    part(storage, "_layers/sha256/c0/link", 0)
    part(storage, "_layers/sha256/a1/link", 0)
    assert reason(storage) == ""
    # Of the next one.
    part(storage, "_layers/sha256/a2/link", 0)
    assert reason(storage).startswith("Somebody pushes to lab/keras")


def test_a_manifest_that_cannot_be_read_names_nothing(storage: Storage) -> None:
    digest = storage.manifest("lab/keras", {"layers": [{"digest": "sha256:a1"}]}, 0)
    name = digest.split(":")[1]
    (storage.registry / "blobs/sha256" / name[:2] / name / "data").write_bytes(b"[1]")
    part(storage, "_layers/sha256/a1/link", 0)
    assert reason(storage).startswith("Somebody pushes")


def test_nothing_was_pushed_yet(tmp_path: Path) -> None:
    assert "Nothing was pushed" in retention.why_not_now(str(tmp_path / "missing"), NOW)


# Space


@pytest.mark.parametrize(("free", "warned"), [(20, False), (15, False), (14, True)])
def test_a_disk_that_fills_is_a_warning_in_the_journal(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free: int, warned: bool
) -> None:
    """At the limit of the role, and a service that did its work has not failed by it."""
    path = str(storage.registry)
    # Ten of a hundred and ten blocks are root's.
    blocks = SimpleNamespace(f_blocks=110, f_bfree=free + 10, f_bavail=free, f_frsize=10**9)
    monkeypatch.setattr(retention.os, "statvfs", {path: blocks}.__getitem__)
    monkeypatch.setattr(sys, "argv", ["retention.py", "space", path, "--limit", "85"])
    assert retention.main() == 0
    said = capsys.readouterr().out
    assert bool(said) is warned
    assert not warned or said.startswith(f"<4>86 % of the file system of {path} are in use, more than lab_registry")
