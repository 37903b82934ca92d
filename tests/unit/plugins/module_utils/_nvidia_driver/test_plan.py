# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is decided from what was seen, without a host."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import proc_driver
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.seen import PciGpu
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver import (
    packages,
    plan,
    report,
    secure_boot,
    sources,
)
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver.observe import Host
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver.packages import Package
from ansible_collections.gpulab.workstation.plugins.module_utils._nvidia_driver.plan import Options

T4, P100, K80, RTX_5090 = 0x1EB8, 0x15F8, 0x102D, 0x2B85
KERNEL = "6.12.48+deb13-amd64"
TRIXIE = {
    "nvidia-kernel-dkms": ["550.163.01-2"],
    "nvidia-open-kernel-dkms": ["550.163.01-2"],
    "nvidia-tesla-535-kernel-dkms": ["535.274.02-1~deb13u1"],
    "nvidia-smi": ["550.163.01-2"],
    "libcuda1": ["550.163.01-2"],
    f"linux-headers-{KERNEL}": ["6.12.48-1"],
    "linux-headers-amd64": ["6.12.48-1"],
}
NOBLE_KERNEL = "6.8.0-88-generic"
NOBLE = {
    "nvidia-dkms-570-server": ["570.211.01-0ubuntu1"],
    "nvidia-dkms-570-server-open": ["570.211.01-0ubuntu1"],
    "nvidia-dkms-580-server": ["580.126.09-0ubuntu1"],
    "nvidia-dkms-580-server-open": ["580.126.09-0ubuntu1"],
    "nvidia-dkms-590-open": ["590.48.01-0ubuntu1"],
    f"linux-modules-nvidia-580-server-open-{NOBLE_KERNEL}": ["6.8.0-88.89"],
    "linux-modules-nvidia-580-server-open-generic": ["6.8.0-88.89"],
}


def gpu(device: int, number: int = 0, driver: str | None = None) -> PciGpu:
    return PciGpu(f"0000:{0x3B + number:02x}:00.0", device, driver)


def package(name: str, version: str = "550.163.01-2", maintainer: str = "Debian", held: bool = False) -> Package:
    return Package(name, version, "nvidia-graphics-drivers", maintainer, "amd64", held)


def debian(*devices: int, installed: t.Iterable[Package] = (), **more: t.Any) -> Host:
    known = {one.name: one for one in installed}
    known["linux-image-amd64"] = Package(
        "linux-image-amd64", "6.12.48-1", "linux-signed-amd64", "Debian", "amd64", False
    )
    return Host(
        **{
            "distribution": "debian",
            "version": "13",
            "architecture": "amd64",
            "kernel": KERNEL,
            "gpus": [gpu(device, number) for number, device in enumerate(devices)],
            "installed": known,
            "has_lists": True,
            "available": TRIXIE,
            **more,
        }
    )


def ubuntu(*devices: int, **more: t.Any) -> Host:
    image = Package("linux-image-generic", "6.8.0-88.89", "linux-meta", "Ubuntu", "amd64", False)
    return debian(
        *devices,
        **{
            "distribution": "ubuntu",
            "version": "24.04",
            "kernel": NOBLE_KERNEL,
            "available": NOBLE,
            "installed": [image],
            **more,
        },
    )


def ids(host: Host, **options: t.Any) -> list[str]:
    return [problem.id for problem in plan.make(host, Options(**options))[1]]


def test_turing_on_debian() -> None:
    made, problems = plan.make(debian(T4), Options())
    assert not problems
    headers = [f"linux-headers-{KERNEL}", "linux-headers-amd64"]
    assert made.packages == made.missing == ["nvidia-kernel-dkms", "nvidia-smi", "libcuda1", *headers]
    assert made.swaps


def test_open_when_asked_for() -> None:
    made, _problems = plan.make(debian(T4), Options(flavour="open", graphics=True))
    assert {"nvidia-open-kernel-dkms", "nvidia-driver"} <= set(made.packages)


def test_older_branch_when_asked_for() -> None:
    made, _problems = plan.make(debian(T4), Options(branch=535))
    assert made.packages[:3] == ["nvidia-tesla-535-kernel-dkms", "nvidia-tesla-535-smi", "libnvidia-tesla-535-cuda1"]


@pytest.mark.parametrize(
    ("devices", "options", "words"),
    [
        (
            (RTX_5090,),
            {},
            "0000:3b:00.0 10de:2b85 that the proprietary module of branch 550 cannot drive: it (Blackwell",
        ),
        ((K80,), {}, "needs branch 470 or older"),
        ((P100,), {"flavour": "open"}, "needs the proprietary module"),
        ((T4,), {"branch": 999}, "has no branch 999 in its packages, which have 550, 535"),
    ],
)
def test_gpus_that_the_packages_do_not_fit(devices: tuple[int, ...], options: dict[str, t.Any], words: str) -> None:
    made, problems = plan.make(debian(*devices), Options(**options))
    assert made.offer is None
    assert words in problems[0].message


def test_gpus_that_no_driver_has_together() -> None:
    host = ubuntu(P100, RTX_5090)
    assert set(ids(host)) == {"gpu_misfit"}


def test_ubuntu_takes_the_signed_module() -> None:
    made, problems = plan.make(ubuntu(T4, secure_boot=True, key=secure_boot.key("ubuntu", "")), Options())
    assert not problems
    assert made.prebuilt
    assert made.packages == [
        f"linux-modules-nvidia-580-server-open-{NOBLE_KERNEL}",
        "linux-modules-nvidia-580-server-open-generic",
        "nvidia-headless-no-dkms-580-server-open",
        "nvidia-utils-580-server",
    ]


def test_ubuntu_builds_where_there_is_none() -> None:
    made, problems = plan.make(ubuntu(P100), Options(branch=570))
    assert made.packages[:2] == ["nvidia-dkms-570-server", "nvidia-headless-no-dkms-570-server"]
    assert [problem.id for problem in problems] == ["no_kernel_headers"]


def test_ubuntu_drivers_is_heard() -> None:
    text = "nvidia-driver-570-server-open, (kernel modules provided by linux-modules-nvidia-570-server-open-generic)\n"
    recommended = packages.parse_ubuntu_drivers(text)
    made, _problems = plan.make(ubuntu(T4, recommended=recommended), Options())
    assert made.offer
    assert (made.offer.branch, made.offer.flavour) == (570, "open")


def test_desktop_branches_are_not_taken_for_servers() -> None:
    made, _problems = plan.make(ubuntu(T4), Options(server=False))
    assert made.offer
    assert made.offer.branch == 590


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"distribution": "fedora", "version": "42"}, "unsupported_distribution"),
        ({"architecture": "i386"}, "unsupported_architecture"),
        ({"platform": "container"}, "container"),
        ({"platform": "wsl"}, "wsl"),
        ({"platform": "jetson"}, "jetson"),
        ({"gpus": []}, "no_device"),
        ({"runfile": "/usr/bin/nvidia-uninstall"}, "runfile_driver"),
        ({"kernel": "6.1.0-old"}, "no_kernel_headers"),
        ({"available": {}}, "branch_not_offered"),
        ({"secure_boot": True, "key": secure_boot.key("debian", "")}, "secure_boot"),
        ({"screens": ["0000:3b:00.0"]}, "desktop"),
        (
            {"installed": {"nvidia-driver-cuda": package("nvidia-driver-cuda", "580.1-1", "x <cudatools@nvidia.com>")}},
            "foreign_packages",
        ),
    ],
)
def test_each_problem_has_a_name(more: dict[str, t.Any], expected: str) -> None:
    host = debian(T4)
    for name, value in more.items():
        setattr(host, name, value)
    assert expected in ids(host)


def test_all_problems_come_at_once() -> None:
    host = debian(platform="container", runfile="/usr/bin/nvidia-uninstall", kernel="6.1.0-old")
    assert ids(host) == ["container", "no_device", "runfile_driver", "no_kernel_headers"]


def test_the_container_toolkit_is_no_foreign_driver() -> None:
    toolkit = package("nvidia-container-toolkit", "1.20.0-1", "x <cudatools@nvidia.com>")
    assert ids(debian(T4, installed=[toolkit])) == []


def test_what_is_installed_stays() -> None:
    old = [package(name, "535.274.02-1~deb13u1") for name in ("nvidia-tesla-535-kernel-dkms", "nvidia-tesla-535-smi")]
    made, problems = plan.make(debian(T4, installed=old), Options())
    assert not problems
    assert made.offer
    assert made.offer.branch == 535
    assert ids(debian(T4, installed=old), branch=550) == ["other_branch"]
    made, problems = plan.make(debian(T4, installed=old), Options(branch=550, upgrade=True))
    assert not problems
    assert made.swaps
    assert "nvidia-kernel-dkms" in made.missing


def test_an_upgrade_stays_in_the_branch() -> None:
    names = ("nvidia-kernel-dkms", "nvidia-smi", "libcuda1")
    host = debian(T4, installed=[package(name, "550.100-1") for name in names])
    assert not plan.make(host, Options())[0].swaps
    made, _problems = plan.make(host, Options(upgrade=True))
    assert set(made.upgrades) == set(names)
    assert made.swaps


def test_another_part_of_the_same_version_is_no_swap() -> None:
    host = debian(T4, installed=[package("nvidia-kernel-dkms"), package("libcuda1")])
    made, _problems = plan.make(host, Options())
    assert "nvidia-smi" in made.missing
    assert not made.swaps


def test_before_the_sources_the_release_is_known() -> None:
    own = sources.Archive("http://mirror.lab.example/debian/", "trixie", "", ("main",))
    host = debian(T4, available={f"linux-headers-{KERNEL}": ["1"]}, archives=[own])
    components = ("contrib", "non-free")
    made, problems = plan.make(host, Options(components=components, before_sources=True))
    assert not problems
    assert made.provisional
    assert made.sources == [own._replace(components=components)]
    assert ids(host, components=components) == ["branch_not_offered"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"loaded": proc_driver.Version("550.163.01", "proprietary")}, None),
        ({"loaded": proc_driver.Version("535.1", "proprietary")}, "driver 535.1 is loaded and 550.163.01 is installed"),
        ({"loaded": proc_driver.Version("550.163.01", "open")}, "the open module is loaded"),
        ({"nouveau_is_loaded": True}, "nouveau has the GPUs"),
        ({}, "has no module for the running kernel"),
        ({"module_is_built": True}, None),
    ],
)
def test_reboot(more: dict[str, t.Any], words: str | None) -> None:
    host = debian(T4, installed=[package("nvidia-kernel-dkms")], **more)
    reasons = plan.reboot_reasons(host)
    assert bool(reasons) is (words is not None)
    assert words is None or words in reasons[0]
    assert plan.is_loadable(host) is (more == {"module_is_built": True})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"next_kernel": KERNEL}, None),
        ({"next_kernel": None}, None),
        ({"next_kernel": KERNEL, "kernels_without_module": ["6.1.0-old"]}, None),
        ({"next_kernel": KERNEL, "kernels_without_module": [KERNEL]}, f"no module for {KERNEL}, which would be booted"),
        ({"secure_boot": True}, "whose key a person enrols"),
        ({"secure_boot": True, "key_enrolled": True}, None),
        ({"secure_boot": True, "loaded": proc_driver.Version("535.1", "proprietary")}, None),
    ],
)
def test_no_reboot_that_ends_without_a_driver(more: dict[str, t.Any], words: str | None) -> None:
    obstacles = plan.reboot_obstacles(debian(T4, installed=[package("nvidia-kernel-dkms")], **more))
    assert len(obstacles) == (words is not None), obstacles
    assert words is None or words in obstacles[0]


@pytest.mark.parametrize("more", [{"gpus": []}, {"gpus": [gpu(T4, driver="vfio-pci")]}, {"platform": "container"}])
def test_nothing_is_loaded_without_a_gpu_of_its_own(more: dict[str, t.Any]) -> None:
    host = debian(installed=[package("nvidia-kernel-dkms")], module_is_built=True, **{"gpus": [gpu(T4)], **more})
    assert not plan.is_loadable(host)


def test_a_desktop_with_what_it_needs() -> None:
    assert ids(debian(T4, screens=["0000:3b:00.0"]), graphics=True) == []


def test_a_package_that_could_not_be_configured_is_missing() -> None:
    broken = package("nvidia-kernel-dkms")._replace(configured=False)
    made, _problems = plan.make(debian(T4, installed=[broken, package("nvidia-smi"), package("libcuda1")]), Options())
    assert "nvidia-kernel-dkms" in made.missing
    assert "nvidia-smi" not in made.missing


def test_an_upgrade_on_ubuntu_takes_the_built_modules_along() -> None:
    names = (f"linux-modules-nvidia-580-server-open-{NOBLE_KERNEL}", "linux-modules-nvidia-580-server-open-generic")
    modules = {
        name: Package(name, "6.8.0-88.80", "linux-restricted-modules", "Ubuntu", "amd64", False)
        for name in (*names, "linux-image-generic")
    }
    made, _problems = plan.make(ubuntu(T4, installed=modules.values()), Options(upgrade=True))
    assert set(made.upgrades) == set(names)


def test_nothing_installed_needs_no_reboot() -> None:
    assert plan.reboot_reasons(debian(T4, nouveau_is_loaded=True)) == []


def test_report_is_plain_data() -> None:
    made = report.of(debian(T4, installed=[package("nvidia-smi", held=True)]), Options())
    assert made["gpus"][0]["generation"] == "Turing"
    assert made["driver"]["held"] == ["nvidia-smi"]
