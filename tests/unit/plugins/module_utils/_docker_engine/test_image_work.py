# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.gpulab.workstation.plugins.module_utils._docker_engine import image_work
from ansible_collections.gpulab.workstation.tests.static.tree import ROOT
from ansible_collections.gpulab.workstation.tests.unit.plugins.module_utils._docker_engine.conftest import Proc
from hypothesis import given
from hypothesis import strategies as st


def commands_between_build_and_push() -> list[str]:
    """Of the role itself, without the names of images."""
    role = yaml.safe_load((ROOT / "roles/keras_image/vars/main/image.yml").read_text(encoding="utf-8"))
    commands = [role["__keras_image_smoke_command"], role["__keras_image_sbom_command"]]
    return [" ".join(re.findall(r"'([^']+)'", command)) for command in commands]


AT_IT = [
    "docker build --tag=keras:cpu .",
    "sh -c flock%9;%exec%$@ build docker build layer",
    "/usr/libexec/docker/cli-plugins/docker-buildx buildx build .",
    "docker --config /etc/gpulab/registry/push push 192.0.2.1:5001/keras:cpu",
    "timeout 1800 docker --config /etc/gpulab/registry/pull pull --quiet 192.0.2.1:5000/keras@sha256:0",
    "docker save keras:cpu",
    "docker load",
    "docker import - gpulab/base:trixie",
    "docker --debug --host unix:///run/docker.sock image load",
    "docker buildx --builder default bake",
    "docker compose -f lab.yml build",
    "/usr/libexec/docker/cli-plugins/docker-compose compose pull",
    *commands_between_build_and_push(),
]
NOT_AT_IT = [
    "",
    "/usr/sbin/dockerd",
    "/usr/bin/docker-registry serve /etc/docker/registry/push.yml",
    "docker run --pull never keras:cpu",
    "docker run --rm keras:cpu python3 train.py",
    "docker exec web npm run build",
    "docker --config /etc/gpulab/registry/pull run --name build keras:cpu load",
    "docker compose -f lab.yml exec web make build",
    "sh -c docker%build%.",
    "make build",
]
# What the module replaces: a pattern that takes time by the square of the words and more.
PATTERN = re.compile(
    rb"""(?sx) (^|\x00) ([^\x00]*/)? docker (-buildx|-compose)? \x00
    ( (-[^\x00]*\x00 ([^-\x00][^\x00]*\x00)?)*
    ( (image|builder|buildx|compose)\x00 (-[^\x00]*\x00 ([^-\x00][^\x00]*\x00)?)* )*
    (build|bake|pull|push|save|load|import)
    | run\x00 (.*\x00)? --user=12345:12345 ) \x00"""
)


def words(line: str) -> list[bytes]:
    return [word.replace("%", " ").encode() for word in line.split()]


@pytest.mark.parametrize("line", AT_IT)
def test_a_machine_is_at_an_image_in_more_ways_than_one(line: str) -> None:
    assert image_work.is_at_image(words(line))


@pytest.mark.parametrize("line", NOT_AT_IT)
def test_others_are_not(line: str) -> None:
    assert not image_work.is_at_image(words(line))


WORDS = ["docker", "/bin/docker-compose", "-x", "--y=1", "image", "compose", "build", "load", "run", "exec", "web"]


@given(st.lists(st.sampled_from([*WORDS, "--user=12345:12345", "--name"]), max_size=8))
def test_it_finds_all_that_the_pattern_found(line: list[str]) -> None:
    found = PATTERN.search(b"".join(word.encode() + b"\0" for word in line))
    assert image_work.is_at_image(words(" ".join(line))) >= bool(found)


def test_no_command_line_takes_long() -> None:
    """156 KiB of this took the pattern 7 seconds."""
    began = time.process_time()
    for word in ("docker -a", "docker run", "-a docker"):
        assert not image_work.is_at_image(words(word) * 40_000)
    assert time.process_time() - began < 2


def status(user: int, *groups: int) -> str:
    """The second of the first line's is that of a program which runs as root for whoever starts it."""
    return f"Name:\tdocker\nUid:\t{user}\t0\t0\t0\nGid:\t100\t100\t100\t100\nGroups:\t{' '.join(map(str, groups))} \n"


def test_only_whoever_may_use_the_engine_counts(proc: Proc, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/docker.sock").touch()
    group = (tmp_path / "run/docker.sock").stat().st_gid
    proc.add(12, "docker", "build", ".", status=status(0))
    proc.add(9, "docker", "build", ".", status=status(1000, 5, group))
    # Of a lab user, and by a program that becomes root: `exec -a docker su build`.
    proc.add(13, "docker", "build", ".", status=status(1001, group + 7))
    proc.add(14, "make", "build", status=status(0))
    # It has ended meanwhile.
    proc.add(15, "docker", "build", ".")
    assert image_work.find(str(tmp_path)) == [9, 12]
    (tmp_path / "run/docker.sock").unlink()
    assert image_work.find(str(tmp_path)) == [12]
