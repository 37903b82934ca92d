# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import load
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.validation import (
    check_by_table,
    validate_by_engine,
)


def runner(code: int, out: str = "", err: str = "") -> t.Callable[[list[str]], tuple[int, str, str]]:
    def run(command: list[str]) -> tuple[int, str, str]:
        assert command == ["/usr/bin/dockerd", "--validate", "--config-file=/etc/docker/.tmp"]
        return code, out, err

    return run


def by_engine(run: t.Callable[[list[str]], tuple[int, str, str]]) -> bool:
    return validate_by_engine("/usr/bin/dockerd", "/etc/docker/.tmp", "/etc/docker/daemon.json", run)


def test_engine_accepts() -> None:
    assert by_engine(runner(0, err="configuration OK\n"))


def test_engine_too_old() -> None:
    # As 20.10.24 says it.
    assert not by_engine(runner(125, err="Status: unknown flag: --validate\nSee 'dockerd --help'., Code: 125\n"))


def test_engine_that_cannot_run_here() -> None:
    def run(command: list[str]) -> tuple[int, str, str]:
        raise OSError(8, "Exec format error")

    assert not by_engine(run)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "unable to configure the Docker daemon with file /etc/docker/.tmp: the following directives don't "
            "match any configuration option: foo\n",
            "with file /etc/docker/daemon.json: the following directives don't match any configuration option: foo",
        ),
        ("invalid proxy http://user:secret@proxy:1", "http://xxxxx:xxxxx@proxy:1"),
        ("", "nothing, with exit status 1"),
    ],
)
def test_engine_refuses(said: str, shown: str) -> None:
    with pytest.raises(DaemonConfigError) as error:
        by_engine(runner(1, err=said))
    assert shown in str(error.value)
    assert "secret" not in str(error.value)
    assert "left as it is" in str(error.value)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"debug": "yes"}, "debug must be true or false, not a string"),
        ({"debug": 1}, "debug must be true or false, not a number"),
        ({"mtu": "9000"}, "mtu must be an integer, not a string"),
        ({"mtu": 9000.0}, "mtu must be an integer, not a number"),
        ({"mtu": True}, "mtu must be an integer, not a boolean"),
        ({"bip": 1}, "bip must be a string, not a number"),
        ({"dns": "10.0.0.2"}, "dns must be a list, not a string"),
        ({"dns": ["10.0.0.2", 3]}, "dns[1] must be a string, not a number (put it in quotes)"),
        ({"labels": [None]}, "labels[0] must be a string, not null"),
        ({"log-opts": {"max-file": 3}}, "log-opts.max-file must be a string, not a number (put it in quotes)"),
        ({"log-opts": ["a=b"]}, "log-opts must be an object, not a list"),
        ({"features": {"cdi": "true"}}, "features.cdi must be true or false, not a string"),
        ({"runtimes": {"nvidia": "path"}}, "runtimes.nvidia must be an object, not a string"),
        ({"default-address-pools": [{}, "10.0.0.0/8"]}, "default-address-pools[1] must be an object"),
        ({"builder": []}, "builder must be an object, not a list"),
        ({"proxies": {"http-proxy": 3}}, "proxies.http-proxy must be a string"),
    ],
)
def test_types(config: dict[str, t.Any], says: str) -> None:
    errors, warnings = check_by_table(load(json.dumps(config, indent=1).encode(), "x"), engine_before_23=False)
    assert len(errors) == 1
    assert says in errors[0]
    assert errors[0].startswith("line ")
    assert warnings == []


def test_a_good_configuration() -> None:
    config = {
        "live-restore": True,
        "log-driver": "local",
        "log-opts": {"max-size": "10m"},
        "default-address-pools": [{"base": "10.201.0.0/16", "size": 24}],
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1, "Hard": 2}},
        "runtimes": {"nvidia": {"path": "nvidia-container-runtime", "runtimeArgs": []}},
        "features": {"buildkit": True},
        "max-concurrent-downloads": 3,
        "builder": {"gc": {"enabled": True}},
        "dns": None,
    }
    for engine_before_23 in (True, False):
        assert check_by_table(load(json.dumps(config).encode(), "x"), engine_before_23) == ([], [])


def test_unknown_options() -> None:
    document = load(b'{\n"proxies": {"http-proxy": "http://p"},\n"new-option": 1}', "x")
    errors, warnings = check_by_table(document, engine_before_23=True)
    assert [error.split(" is not")[0] for error in errors] == ["line 2: proxies.http-proxy", "line 3: new-option"]
    assert warnings == []
    # An engine that is not there yet may know more than the table.
    errors, warnings = check_by_table(document, engine_before_23=False)
    assert errors == []
    assert warnings == ["line 3: new-option is no option of dockerd that this module knows"]
