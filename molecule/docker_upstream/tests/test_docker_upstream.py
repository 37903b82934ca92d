# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After side_effect.yml: the container never noticed, and apt has one entry for upstream's repository."""

from __future__ import annotations

import itertools
import json
import typing as t

import pytest

SOURCES = "/etc/apt/sources.list.d"


def test_container_is_the_one_that_was_started(host: t.Any) -> None:
    now = host.check_output("docker inspect --format '{{.State.StartedAt}} {{.State.Pid}}' counter")
    assert now == host.file("/srv/counter.before").content_string.strip()


def test_container_counted_every_second(host: t.Any) -> None:
    seconds = [int(line) for line in host.file("/srv/seconds").content_string.split()]
    assert len(seconds) > 30, "the container counted hardly at all, so its gaps mean nothing"
    gaps = [later - earlier for earlier, later in itertools.pairwise(seconds)]
    assert max(gaps) <= 2, f"the container stood still for {max(gaps)} s, {gaps.index(max(gaps))} s after its start"
    now = int(host.check_output("date +%s"))
    assert now - seconds[-1] <= 2, "the container no longer counts"


def test_engine_comes_from_upstreams_packages(host: t.Any) -> None:
    assert host.check_output("dpkg-query --search /usr/sbin/dockerd").startswith("docker-ce:")
    version = json.loads(host.check_output("docker version --format json"))
    assert version["Server"]["Version"].startswith("26.1")


@pytest.mark.parametrize("package", ["docker-ce", "docker-ce-cli"])
def test_pin_is_kept_and_held(host: t.Any, package: str) -> None:
    assert host.package(package).version == "5:26.1.5-1~debian.13~trixie"
    assert package in host.check_output("apt-mark showhold").split()


def test_engine_was_restarted_no_more_than_needed(host: t.Any) -> None:
    """Installation, one setting, one upgrade, the toolkit's keys, the operator's restart, the kill."""
    journal = host.check_output("journalctl --unit=docker.service --output=cat")
    starts = journal.count("Daemon has completed initialization")
    assert starts == 6, f"{starts} starts; `journalctl -u docker` on the machine says when"


def test_apt_works_again(host: t.Any) -> None:
    update = host.run("LC_ALL=C apt-get update")
    assert update.rc == 0, update.stderr
    assert "Conflicting values" not in update.stderr
    sources = host.check_output("apt-get indextargets --format '$(SITE) $(SOURCESENTRY)' 'Created-By: Packages'")
    entries = {line for line in sources.splitlines() if line.startswith("http://127.0.0.1:8099")}
    assert len(entries) == 1, sources
    assert "docker.sources" in entries.pop()


def test_older_entries_are_switched_off_and_kept(host: t.Any) -> None:
    one_line = host.file(f"{SOURCES}/archive_uri-docker.list").content_string.splitlines()
    assert all(line.startswith("#") for line in one_line)
    assert "signed-by=/usr/share/keyrings/docker-archive-keyring.gpg" in one_line[1]
    assert "Enabled: no" in host.file(f"{SOURCES}/docker-ce.sources").content_string
    backups = host.check_output(f"ls {SOURCES}").split()
    assert sum(name.endswith("~") for name in backups) == 2, backups


def test_settings_of_all_steps_are_in_daemon_json(host: t.Any) -> None:
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert settings["live-restore"] is True
    assert settings["max-concurrent-downloads"] == 7
    assert settings["default-address-pools"] == [{"base": "198.18.0.0/16", "size": 26}]
    assert settings["features"] == {"cdi": True}
    assert "nvidia" in settings["runtimes"]
    assert "data-root" not in settings
