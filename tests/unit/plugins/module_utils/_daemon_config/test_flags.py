# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import shutil
import typing as t
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.flags import conflicts, parse_flags
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.units import Word, engine_command


def command(*words: str) -> list[Word]:
    return [Word(word, "unit", 1) for word in ("/usr/bin/dockerd", *words)]


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["-H", "fd://", "--containerd=/run/c.sock"], ["hosts", "containerd"]),
        (["-Hfd://"], ["hosts"]),
        (["-H=fd://", "-D"], ["hosts", "debug"]),
        (["--host", "--debug", "-D"], ["hosts", "debug"]),
        (["-Dl", "info", "-s", "overlay2"], ["debug", "log-level", "storage-driver"]),
        (["-Dlinfo"], ["debug", "log-level"]),
        (["-D=false"], ["debug"]),
        (["--debug=false", "--ipv6"], ["debug", "ipv6"]),
        (["--registry-mirror", "https://a", "--insecure-registry=b"], ["registry-mirrors", "insecure-registries"]),
        (["--exec-opt", "native.cgroupdriver=systemd"], ["exec-opts"]),
        (["--label=a=b", "--log-driver=local", "--log-opt", "max-size=1m"], ["labels", "log-driver", "log-opts"]),
        (["-g", "/srv"], ["data-root"]),
        (["--graph=/srv"], ["data-root"]),
        (["--dns", "10.0.0.2", "--default-ulimit", "nofile=1:2"], ["dns", "default-ulimits"]),
        (["--default-address-pool", "base=10.9.0.0/16,size=24"], ["default-address-pools"]),
        (["--feature", "cdi", "--cdi-spec-dir=/etc/cdi"], ["features", "cdi-spec-dirs"]),
        (["--http-proxy=http://p"], ["http-proxy"]),
        (["--config-file=/x", "--validate", "--unknown", "--bip=10.0.0.1/24"], ["bip"]),
        (["-Z", "stray", "--", "--debug"], []),
    ],
)
def test_parse_flags(words: list[str], keys: list[str]) -> None:
    assert [flag.option.key for flag in parse_flags(command(*words))] == keys


def test_nothing_is_read_from_another_program() -> None:
    assert parse_flags([Word("/usr/bin/containerd", "unit", 1), Word("--debug", "unit", 1)]) == []
    assert parse_flags([]) == []


def test_dockerd_behind_a_wrapper() -> None:
    words = [Word(word, "unit", 1) for word in ("/usr/bin/env", "A=b", "dockerd", "--debug")]
    assert [flag.option.key for flag in parse_flags(words)] == ["debug"]


def test_conflicts_name_key_file_line_and_flag() -> None:
    flags = parse_flags([Word("dockerd", "a.conf", 1), Word("-H", "a.conf", 3), Word("fd://", "a.conf", 3)])
    (problem,) = conflicts({"hosts": ["tcp://0.0.0.0"], "debug": True}, flags)
    assert problem.startswith("hosts is set in the file, and a.conf, line 3, starts dockerd with -H")


@pytest.mark.parametrize(
    ("config", "words", "count"),
    [
        ({"proxies": {"http-proxy": "http://p"}}, ["--http-proxy=http://q"], 1),
        ({"debug": False}, ["--debug"], 1),
        ({"debug": False, "labels": []}, ["--debug", "--label=a=b"], 2),
        ({"labels": []}, ["--debug"], 0),
        ({"runtimes": {"a": {}}}, ["--add-runtime", "b=c"], 0),
        ({"log-opts": {"debug": "x"}}, ["--debug"], 0),
    ],
)
def test_conflicts(config: dict[str, t.Any], words: list[str], count: int) -> None:
    assert len(conflicts(config, parse_flags(command(*words)))) == count


class Host:
    """A root directory to put service files into."""

    def __init__(self, root: Path, fixtures: Path) -> None:
        self.root = root
        self.fixtures = fixtures

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def install(self, fixture: str, path: str = "usr/lib/systemd/system/docker.service") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.fixtures / fixture, self.root / path)

    def drop_in(self, text: str, path: str = "etc/systemd/system/docker.service.d/override.conf") -> None:
        self.write(path, text)

    def flags(self) -> list[tuple[str, str, int]]:
        found = parse_flags(engine_command(str(self.root)))
        return [(flag.option.key, flag.word.file, flag.word.line) for flag in found]


@pytest.fixture
def host(tmp_path: Path, fixtures: Path) -> Host:
    return Host(tmp_path, fixtures)


UNIT = "/usr/lib/systemd/system/docker.service"
OVERRIDE = "/etc/systemd/system/docker.service.d/override.conf"


def test_no_service(host: Host) -> None:
    assert engine_command(str(host.root)) == []


def test_upstream_unit(host: Host) -> None:
    host.install("upstream.service")
    assert host.flags() == [("hosts", UNIT, 8), ("containerd", UNIT, 8)]


def test_old_place_of_the_unit(host: Host) -> None:
    host.install("upstream.service", "lib/systemd/system/docker.service")
    assert host.flags()[0] == ("hosts", "/lib/systemd/system/docker.service", 8)


def test_unit_of_the_administrator_wins(host: Host) -> None:
    host.install("upstream.service")
    host.write("etc/systemd/system/docker.service", "[Service]\nExecStart=/opt/dockerd --mtu=9000\n")
    assert host.flags() == [("mtu", "/etc/systemd/system/docker.service", 2)]


def test_masked_unit(host: Host) -> None:
    host.install("upstream.service")
    (host.root / "etc/systemd/system").mkdir(parents=True)
    (host.root / "etc/systemd/system/docker.service").symlink_to("/dev/null")
    assert host.flags() == []


def test_drop_in_replaces_the_command(host: Host) -> None:
    host.install("upstream.service")
    host.drop_in("[Service]\nExecStart=\nExecStart=/usr/bin/dockerd --debug\n")
    assert host.flags() == [("debug", OVERRIDE, 3)]


def test_drop_in_that_only_resets(host: Host) -> None:
    host.install("upstream.service")
    host.drop_in("[Service]\nExecStart=\n")
    assert host.flags() == []


def test_drop_ins_of_one_name_override_each_other(host: Host) -> None:
    host.install("upstream.service")
    host.drop_in("[Service]\nExecStart=\nExecStart=dockerd --debug\n", "usr/lib/systemd/system/docker.service.d/a.conf")
    host.drop_in("[Service]\nExecStart=\nExecStart=dockerd --ipv6\n", "etc/systemd/system/docker.service.d/a.conf")
    assert [key for key, _file, _line in host.flags()] == ["ipv6"]


def test_drop_ins_are_read_by_name_whatever_their_directory(host: Host) -> None:
    host.install("upstream.service")
    host.drop_in("[Service]\nExecStart=\nExecStart=dockerd --debug\n", "usr/lib/systemd/system/docker.service.d/z.conf")
    host.drop_in("[Service]\nExecStart=\nExecStart=dockerd --ipv6\n", "etc/systemd/system/docker.service.d/a.conf")
    host.drop_in("[Service]\nExecStart=\nExecStart=dockerd --mtu=1\n", "etc/systemd/system/docker.service.d/zz.txt")
    assert [key for key, _file, _line in host.flags()] == ["debug"]


def test_line_in_a_continued_command(host: Host) -> None:
    host.drop_in("")
    host.write(
        "etc/systemd/system/docker.service",
        "[Unit]\nExecStart=/not/this --ipv6\n[Service]\n"
        "ExecStart=-/usr/bin/dockerd \\\n  --debug \\\n# a comment in between\n  -H 'fd://' --label \"a=b c\"\n",
    )
    unit = "/etc/systemd/system/docker.service"
    assert host.flags() == [("debug", unit, 5), ("hosts", unit, 7), ("labels", unit, 7)]


def test_unclosed_quote(host: Host) -> None:
    host.drop_in("[Service]\nExecStart=\nExecStart=dockerd --debug '\n")
    host.install("upstream.service")
    assert host.flags() == [("debug", OVERRIDE, 3)]


def test_options_from_the_environment_file_of_debian(host: Host) -> None:
    host.install("debian.service")
    host.write("etc/default/docker", '# a comment\nDOCKER_OPTS="--dns 10.0.0.2 --debug"\n')
    assert host.flags()[-2:] == [("dns", "/etc/default/docker", 2), ("debug", "/etc/default/docker", 2)]


def test_options_from_the_units_environment(host: Host) -> None:
    host.install("debian.service")
    host.drop_in('[Service]\nEnvironment="DOCKER_OPTS=--ipv6 --mtu=9000" OTHER=x PLAIN\n')
    assert host.flags()[-2:] == [("ipv6", OVERRIDE, 2), ("mtu", OVERRIDE, 2)]


def test_upstream_unit_does_not_read_the_defaults_file(host: Host) -> None:
    host.install("upstream.service")
    host.write("etc/default/docker", 'DOCKER_OPTS="--debug"\n')
    assert "debug" not in [key for key, _file, _line in host.flags()]


def test_init_script(host: Host) -> None:
    host.write("etc/init.d/docker", "#!/bin/sh\n")
    host.write("etc/default/docker", "#DOCKER_OPTS=--ipv6\nexport DOCKER_OPTS='--debug -H tcp://x' # why\n")
    assert host.flags() == [("debug", "/etc/default/docker", 2), ("hosts", "/etc/default/docker", 2)]


def test_init_script_without_options(host: Host) -> None:
    host.write("etc/init.d/docker", "#!/bin/sh\n")
    assert host.flags() == []
