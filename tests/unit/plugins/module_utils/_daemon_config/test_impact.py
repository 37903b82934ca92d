# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.impact import (
    after_reload,
    pending,
    strongest,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.options import BY_FLAG, OPTIONS, flatten
from hypothesis import given
from hypothesis import strategies as st

Config = dict[str, t.Any]

NVIDIA = {"nvidia": {"path": "nvidia-container-runtime"}}


@pytest.mark.parametrize(
    ("acknowledged", "current", "requires"),
    [
        ({}, {}, "none"),
        ({"debug": True}, {"debug": True}, "none"),
        # Taken by a reload while the key is in the file.
        ({}, {"debug": True}, "reload"),
        ({}, {"labels": ["a=b"]}, "reload"),
        ({}, {"live-restore": True}, "reload"),
        ({"live-restore": True}, {"live-restore": False}, "reload"),
        ({}, {"shutdown-timeout": 60}, "reload"),
        ({}, {"insecure-registries": ["lab:5000"]}, "reload"),
        ({}, {"allow-nondistributable-artifacts": ["lab:5000"]}, "reload"),
        ({"registry-mirrors": ["https://a"]}, {"registry-mirrors": []}, "reload"),
        ({}, {"runtimes": NVIDIA}, "reload"),
        ({"runtimes": NVIDIA}, {"runtimes": {}}, "reload"),
        ({}, {"default-runtime": "nvidia"}, "reload"),
        ({}, {"default-shm-size": "1G"}, "reload"),
        ({}, {"default-ipc-mode": "private"}, "reload"),
        ({}, {"default-cgroupns-mode": "host"}, "reload"),
        # Their removal is not noticed by a reload.
        ({"debug": True}, {}, "restart"),
        ({"live-restore": True}, {}, "restart"),
        ({"registry-mirrors": ["https://a"]}, {}, "restart"),
        ({"runtimes": NVIDIA}, {}, "restart"),
        ({"default-runtime": "nvidia"}, {"default-runtime": ""}, "restart"),
        # Reset by a reload.
        ({"max-concurrent-downloads": 9}, {}, "reload"),
        ({"max-concurrent-uploads": 9}, {}, "reload"),
        ({"max-download-attempts": 9}, {}, "reload"),
        ({"authorization-plugins": ["a"]}, {}, "reload"),
        ({"network-diagnostic-port": 9}, {}, "reload"),
        # Read at start-up only.
        ({}, {"log-driver": "local"}, "restart"),
        ({"log-opts": {"max-size": "1m"}}, {"log-opts": {"max-size": "2m"}}, "restart"),
        ({}, {"default-address-pools": [{"base": "10.9.0.0/16", "size": 24}]}, "restart"),
        ({}, {"default-ulimits": {"nofile": {"Soft": 1}}}, "restart"),
        ({}, {"data-root": "/srv/docker"}, "restart"),
        ({}, {"proxies": {"http-proxy": "http://p"}}, "restart"),
        ({}, {"log-level": "debug"}, "restart"),
        ({}, {"some-future-key": 1}, "restart"),
        # Features, one by one.
        ({}, {"features": {"buildkit": True}}, "reload"),
        ({"features": {"buildkit": True}}, {}, "reload"),
        ({}, {"features": {"cdi": True}}, "restart"),
        ({}, {"features": {"containerd-snapshotter": True}}, "restart"),
        ({}, {"features": {"buildkit": True, "cdi": True}}, "restart"),
        ({"features": {"cdi": True}}, {"features": {}}, "restart"),
        ({}, {"features": "on"}, "restart"),
        # An empty object means the same as none.
        ({}, {"features": {}, "log-opts": {}, "runtimes": {}}, "none"),
        ({"features": {}}, {}, "none"),
        # The strongest of several wins.
        ({}, {"debug": True, "bip": "10.0.0.1/24"}, "restart"),
    ],
)
def test_requires(acknowledged: Config, current: Config, requires: str) -> None:
    assert strongest(pending(acknowledged, current)) == requires


def test_each_key_says_what_it_needs() -> None:
    changes = pending({"debug": True}, {"debug": False, "features": {"buildkit": True, "cdi": True}, "mtu": 9000})
    assert changes == [
        (("debug",), "reload"),
        (("features", "buildkit"), "reload"),
        (("features", "cdi"), "restart"),
        (("mtu",), "restart"),
    ]


def test_a_reload_leaves_what_it_cannot_take() -> None:
    acknowledged = {"mtu": 1500, "live-restore": False, "registry-mirrors": ["https://a"], "max-download-attempts": 3}
    current = {"mtu": 9000, "live-restore": True, "features": {"buildkit": True, "cdi": True}}
    held = after_reload(acknowledged, current)
    assert held == {
        "mtu": 1500,
        "live-restore": True,
        "registry-mirrors": ["https://a"],
        "features": {"buildkit": True},
    }
    assert {change.key for change in pending(held, current)} == {("mtu",), ("registry-mirrors",), ("features", "cdi")}


CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "debug": st.booleans(),
        "runtimes": st.dictionaries(st.sampled_from("ab"), st.fixed_dictionaries({"path": st.sampled_from("xy")})),
        "features": st.dictionaries(st.sampled_from(["buildkit", "cdi", "new"]), st.booleans()),
        "max-download-attempts": st.integers(1, 3),
        "log-opts": st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy")),
        "default-runtime": st.sampled_from(["", "a"]),
    },
)


@given(CONFIGS, CONFIGS)
def test_after_a_reload_only_restarts_are_pending(acknowledged: Config, current: Config) -> None:
    before = pending(acknowledged, current)
    after = pending(after_reload(acknowledged, current), current)
    assert set(after) == {change for change in before if change.requires == "restart"}


def test_the_table_is_consistent() -> None:
    keys = [option.key for option in OPTIONS]
    assert keys == sorted(set(keys))
    assert all(re.fullmatch(r"--[a-z0-9-]+|-[A-Za-z]", flag) for flag in BY_FLAG)


def test_flatten_looks_into_objects_as_dockerd_does() -> None:
    config = {"proxies": {"http-proxy": "x"}, "log-opts": {"a": "b"}, "debug": True}
    assert list(flatten(config)) == [
        (("proxies", "http-proxy"), "http-proxy", "x"),
        (("log-opts",), "log-opts", {"a": "b"}),
        (("debug",), "debug", True),
    ]
