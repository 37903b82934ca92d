# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After side_effect.yml: Debian's driver is installed, pinned and held, and nothing has taken it away."""

from __future__ import annotations

import re
import typing as t

DRIVER = ["nvidia-kernel-dkms", "nvidia-smi", "libcuda1", "libnvidia-ml1", "firmware-nvidia-gsp"]


def test_driver_is_installed_in_one_version(host: t.Any) -> None:
    versions = {host.package(name).version for name in DRIVER}
    assert len(versions) == 1, versions
    assert versions.pop().startswith("550.")
    assert "nvidia-current/550." in host.check_output("dkms status")


def test_all_of_it_is_held(host: t.Any) -> None:
    assert set(DRIVER) <= set(host.check_output("apt-mark showhold").split())


def test_components_are_those_of_the_hosts_own_archive(host: t.Any) -> None:
    own = host.file("/etc/apt/sources.list").content_string.split()
    added = host.file("/etc/apt/sources.list.d/gpulab-nvidia-driver.sources").content_string
    assert f"URIs: {own[own.index('deb') + 1]}" in added
    assert "Components: contrib non-free non-free-firmware" in added
    assert "non-free" not in own


def test_other_branches_are_pinned_away(host: t.Any) -> None:
    assert "Candidate: (none)" in host.check_output("LC_ALL=C apt-cache policy nvidia-tesla-535-smi")
    assert "Candidate: 550." in host.check_output("LC_ALL=C apt-cache policy nvidia-open-kernel-dkms")


def test_nouveau_is_kept_from_loading(host: t.Any) -> None:
    lines = host.file("/etc/modprobe.d/gpulab-nvidia-driver.conf").content_string.splitlines()
    assert {"blacklist nouveau", "options nouveau modeset=0"} <= set(lines)


def test_the_process_that_holds_the_gpu_runs_on(host: t.Any) -> None:
    assert host.service("training").is_running


def test_toolkit_that_was_refused_left_nothing(host: t.Any) -> None:
    for package in ("nvidia-container-toolkit-base", "libnvidia-container1", "docker.io"):
        assert not host.package(package).is_installed, package
    assert not host.file("/etc/apt/sources.list.d/nvidia-container-toolkit.sources").exists
    assert not host.file("/etc/apt/keyrings/nvidia-container-toolkit.asc").exists


def test_unattended_upgrades_leave_it_alone(host: t.Any) -> None:
    """Seen against a newer version in the archive: the status is set back by one revision, and once the hold is off."""

    def upgraded() -> list[str]:
        said = host.run("LC_ALL=C unattended-upgrade --dry-run --debug")
        found = re.search(r"should be upgraded:(.*)", said.stdout + said.stderr)
        return found[1].split() if found else []

    status = "/var/lib/dpkg/status"
    older = f"sed -i '/^Package: nvidia-smi$/,/^$/s/^Version: .*/Version: 550.1-1/' {status}"
    host.check_output(f"cp {status} /root/status && {older}")
    try:
        assert "nvidia-smi" not in upgraded()
        host.check_output("apt-mark unhold nvidia-smi")
        assert "nvidia-smi" in upgraded()
    finally:
        host.check_output(f"cp /root/status {status}")
