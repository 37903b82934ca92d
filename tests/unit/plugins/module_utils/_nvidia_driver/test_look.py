# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is seen of trees on disk, and of the words of programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import files, programs
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Machine, t4
from ansible_collections.gpulab.workstation.molecule.resources.gpu.programs import Reply
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.system import System
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver import (
    observe,
    packages,
    secure_boot,
    sources,
    usage,
)

STATUS = """Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.22.22

Package: nvidia-kernel-dkms
Status: hold ok installed
Maintainer: Debian NVIDIA Maintainers <pkg-nvidia-devel@lists.alioth.debian.org>
Architecture: amd64
Source: nvidia-graphics-drivers (550.163.01-2)
Version: 550.163.01-2

Package: nvidia-smi
Status: deinstall ok config-files
Architecture: amd64
Version: 535.1-1
"""
CONTAINER = "0123456789ab" + "c" * 52


def process(root: Path, pid: int, command: str, nodes: tuple[str, ...] = (), container: str | None = None) -> None:
    folder = root / f"proc/{pid}"
    files.write(folder / "comm", command + "\n")
    files.write(folder / "cgroup", f"0::/system.slice/docker-{container}.scope\n" if container else "0::/user.slice\n")
    files.link(folder / "ns/pid", f"pid:[{4026532000 if container else 4026531836}]")
    for number, node in enumerate(nodes, 3):
        files.link(folder / f"fd/{number}", node)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files.link(tmp_path / "proc/self/ns/pid", "pid:[4026531836]")
    return tmp_path


def test_processes_that_hold_a_gpu(root: Path) -> None:
    process(root, 1, "systemd")
    process(root, 50, "nvidia-persiste", ("/dev/nvidia0", "/dev/nvidiactl"))
    process(root, 4711, "python3", ("/dev/null", "/dev/nvidia-uvm", "/dev/nvidia0"))
    (user,) = usage.users(System(str(root)))
    assert user.sentence == "python3 (process 4711) holds /dev/nvidia-uvm, /dev/nvidia0"


def test_a_virtual_machine_has_a_driver_of_its_own(root: Path) -> None:
    process(root, 300, "qemu-system-x86", ("/dev/vfio/vfio", "/dev/vfio/12"))
    (user,) = usage.users(System(str(root)))
    assert user.sentence == "qemu-system-x86 (process 300) holds /dev/vfio/12"
    assert not user.uses_driver
    assert user._replace(nodes=["/dev/nvidia0", "/dev/vfio/12"]).uses_driver
    assert user._replace(nodes=[]).uses_driver


def test_containers_with_gpus_count_once_even_if_idle(root: Path) -> None:
    for pid in (100, 101):
        process(root, pid, "sh", container=CONTAINER)
        files.write(
            root / f"proc/{pid}/mountinfo", "36 35 0:5 / /usr/lib/libnvidia-ml.so.550.163.01 ro - ext4 /dev/sda1 ro\n"
        )
    process(root, 200, "sleep", container="f" * 64)
    (user,) = usage.users(System(str(root)))
    assert user.sentence == "sh (process 100, container 0123456789ab) runs with GPUs"


def test_a_device_without_libraries_counts_too(root: Path) -> None:
    process(root, 100, "sh", container=CONTAINER)
    files.write(root / "proc/100/root/dev/nvidia0", "")
    assert [user.pid for user in usage.users(System(str(root)))] == [100]


def test_status_of_dpkg() -> None:
    found = packages.parse_status(STATUS)
    assert set(found) == {"dpkg", "nvidia-kernel-dkms"}
    assert found["nvidia-kernel-dkms"].held
    assert [package.name for package in packages.of_driver(found)] == ["nvidia-kernel-dkms"]


@pytest.mark.parametrize(
    ("state", "configured"), [("installed", True), ("half-configured", False), ("unpacked", False)]
)
def test_an_installation_that_broke_off(state: str, configured: bool) -> None:
    found = packages.parse_status(STATUS.replace("hold ok installed", f"hold ok {state}"))
    assert found["nvidia-kernel-dkms"].configured is configured


def test_a_newer_driver() -> None:
    installed = packages.parse_status(STATUS)
    for versions, newer in (
        (["550.163.01-2", "550.90.07-1"], None),
        (["550.163.01-3"], None),
        (["550.200.2-1", "550.163.01-2"], "550.200.2"),
        (["560.1-1", "550.163.01-2"], "560.1"),
        ([], None),
    ):
        assert packages.newer(installed, {"nvidia-kernel-dkms": versions}) == newer, versions


def test_backports_are_for_those_who_name_them() -> None:
    text = (
        "nvidia-kernel-dkms | 550.1-1~bpo12+1 | http://mirror.lab.example/debian bookworm-backports/non-free Packages\n"
        "nvidia-kernel-dkms | 535.1-1 | http://mirror.lab.example/debian bookworm/non-free amd64 Packages\n"
    )
    assert packages.parse_madison(text) == {"nvidia-kernel-dkms": ["535.1-1"]}
    assert [offer.branch for offer in packages.offers(packages.parse_madison(text, backports=True))] == [550, 535]


def test_archives() -> None:
    uri = "http://mirror.lab.example/debian/"
    text = f"{uri}|trixie|main|Debian|/k.pgp\n{uri}|trixie|contrib|Debian|/k.pgp\nhttp://x/|stable|main|Docker|$(SIGNED_BY)\n"
    (archive,) = sources.missing(sources.parse(text), ["contrib", "non-free"])
    assert archive == sources.Archive(uri, "trixie", "/k.pgp", ("non-free",))
    assert not sources.missing([archive._replace(components=("main", "non-free"))], ["non-free"])


@pytest.mark.parametrize(
    ("answer", "enrolled"),
    [
        ("/var/lib/dkms/mok.pub is already enrolled", True),
        ("/var/lib/dkms/mok.pub is not enrolled", False),
        ("/var/lib/dkms/mok.pub is already in the enrollment request", False),
        ("EFI variables are not supported on this system", None),
    ],
)
def test_mokutil(answer: str, enrolled: bool | None) -> None:
    assert secure_boot.is_enrolled(answer) is enrolled


@pytest.mark.parametrize(
    ("distribution", "version", "making", "certificate"),
    [
        ("debian", "13", "dkms generate_mok", "/var/lib/dkms/mok.pub"),
        ("debian", "12", "openssl req -new -x509", "/var/lib/dkms/mok.pub"),
        ("ubuntu", "24.04", "update-secureboot-policy --new-key", "/var/lib/shim-signed/mok/MOK.der"),
    ],
)
def test_enrolment(distribution: str, version: str, making: str, certificate: str) -> None:
    used = secure_boot.key(distribution, "")
    steps = secure_boot.steps(distribution, version, used, ["dkms", "mokutil", "certificate"], False)
    assert steps[0] == "apt install dkms mokutil"
    assert steps[1].startswith(making)
    assert steps[2].startswith(f"mokutil --import {certificate} ")
    assert len(secure_boot.steps(distribution, version, used, [], True)) == 3


def test_a_key_of_ones_own() -> None:
    used = secure_boot.key(
        "ubuntu", "# mok_certificate=/no\nmok_signing_key=/root/lab.key\nmok_certificate='/root/lab.der'\n"
    )
    assert used == ("/root/lab.key", "/root/lab.der", True)


def test_a_whole_host(root: Path) -> None:
    machine = Machine(gpus=t4(1), secure_boot=True)
    files.build(root, machine)
    files.write(root / "etc/os-release", 'ID=debian\nVERSION_ID="13"\n')
    files.write(root / "var/lib/dpkg/status", STATUS)
    files.write(root / f"lib/modules/{machine.kernel}/modules.dep", "updates/dkms/nvidia-current.ko.xz:\n")
    files.write(root / "var/lib/dkms/mok.pub", "")
    for kernel in (machine.kernel, "7.0.1-amd64", "7.0.12-amd64", "7.0.9-amd64"):
        files.write(root / f"boot/vmlinuz-{kernel}", "")
    programs.replayer(root / "usr/bin/mokutil", [Reply("--test-key *", "mok.pub is not enrolled\n")])
    host = observe.look(System(str(root)))
    assert (host.distribution, host.version, host.architecture) == ("debian", "13", "amd64")
    assert host.kernel == machine.kernel
    assert host.module_is_built
    assert sorted(host.kernels_without_module) == ["7.0.1-amd64", "7.0.12-amd64", "7.0.9-amd64"]
    assert host.next_kernel == "7.0.12-amd64"
    assert host.driver_works
    assert (host.secure_boot, host.key_enrolled, host.key_lacks) == (True, False, ["dkms"])


@pytest.mark.parametrize(
    ("driver", "status", "manager", "expected"),
    [
        ("nouveau", "connected", True, ["0000:3b:00.0"]),
        ("nouveau", "disconnected", True, []),
        ("nouveau", "connected", False, []),
        ("nvidia", "connected", True, []),
    ],
)
def test_a_desktop_on_nouveau(root: Path, driver: str, status: str, manager: bool, expected: list[str]) -> None:
    files.build(root, Machine(gpus=t4(1), driver=None))
    device = root / "sys/bus/pci/devices/0000:3b:00.0"
    (device / "driver").unlink(missing_ok=True)
    files.link(device / "driver", f"../../../../bus/pci/drivers/{driver}")
    files.write(device / "drm/card0/card0-DP-1/status", status + "\n")
    files.write(device / "drm/card0/dev", "226:0\n")
    if manager:
        files.write(root / "etc/systemd/system/display-manager.service", "")
    assert observe.look(System(str(root))).screens == expected
