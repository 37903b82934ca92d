# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The driver in packages: what is installed, what apt has, and how Debian and Ubuntu name the parts."""

from __future__ import annotations

import re
import typing as t

from .generations import OPEN, PROPRIETARY

# What the driver is built from. Its libraries, firmware and modules share version and fate; nvidia-settings,
# nvidia-modprobe and NVIDIA's container toolkit have other sources.
_SOURCE = re.compile(r"nvidia-(graphics-drivers|open-gpu-kernel-modules)(-[\w.-]+)?", re.ASCII)
_TOOLS = ("nvidia-detect", "nvidia-legacy-check")  # of the same source; they only look
_DEBIAN_MODULE = re.compile(r"nvidia-(?:(?P<stem>tesla-\d+)-)?(?P<open>open-)?kernel-dkms", re.ASCII)
_UBUNTU_MODULE = re.compile(
    r"(?:nvidia-dkms|linux-modules-nvidia)-(?P<branch>\d{3})(?P<server>-server)?(?P<open>-open)?(?:-(?P<kernel>\d\S*))?",
    re.ASCII,
)
# Packages of NVIDIA's own repository for CUDA, and what is not the driver there.
_NVIDIA = "@nvidia.com"
_DRIVER_NAME = re.compile(
    r"cuda-drivers.*|nvidia-open.*|(lib)?nvidia-(?!container|docker|fs).*|libcuda1|libnvcuvid1|xserver-.*-nvidia.*"
)
_GONE = ("not-installed", "config-files")
# All other states are those of an installation that broke off, say when a module could not be built.
_CONFIGURED = ("installed", "triggers-awaited", "triggers-pending")
_IMAGE = re.compile(r"linux-image-([a-z][\w.+-]*)", re.ASCII)


class Package(t.NamedTuple):
    name: str
    version: str
    source: str
    maintainer: str
    architecture: str
    held: bool
    configured: bool = True

    @property
    def branch(self) -> int | None:
        return branch_of(self.version)


class Offer(t.NamedTuple):
    """A kernel module that can be had or is there."""

    branch: int
    flavour: str
    version: str
    package: str
    stem: str = ""  # Debian's: tesla-535, or empty for the branch of the release
    server: bool = False  # Ubuntu's


def branch_of(version: str) -> int | None:
    """550.163.01-2 is of branch 550. Debian's epochs are no part of it."""
    found = re.match(r"(?:\d+:)?(\d{2,4})\.\d", version, re.ASCII)
    return int(found[1]) if found else None


def upstream(version: str) -> str:
    """550.163.01 of 550.163.01-2, as the module itself writes it."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", version, re.ASCII)
    return found[1] if found else version


def branch_in(name: str, version: str) -> int | None:
    """The branch of a package. Ubuntu's built modules have it in their names, and the kernel's version."""
    found = re.match(r"linux-modules-nvidia-(\d{3})-", name, re.ASCII)
    return int(found[1]) if found else branch_of(version)


def newer(installed: t.Mapping[str, Package], available: t.Mapping[str, t.Sequence[str]]) -> str | None:
    """The newest version of an installed part that apt has and the host has not, of any branch."""
    found = [
        upstream(version)
        for package in of_driver(installed)
        for version in available.get(package.name, [])
        if branch_of(version) and _numbers(version) > _numbers(package.version)
    ]
    return max(found, key=_numbers, default=None)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", upstream(version))]


def parse_status(text: str) -> dict[str, Package]:
    """/var/lib/dpkg/status: what is installed, by name. Of a foreign architecture's copy, only one is kept."""
    found: dict[str, Package] = {}
    for block in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if line[:1].isalpha())
        status = fields.get("Status", "").split()
        if len(status) != 3 or status[2] in _GONE or not fields.get("Package"):
            continue
        name = fields["Package"]
        # `Source: nvidia-graphics-drivers (550.163.01-2)` where versions differ.
        source = fields.get("Source", name).split(" ")[0]
        given = (fields.get(field, "") for field in ("Version", "Maintainer", "Architecture"))
        version, maintainer, architecture = given
        found[name] = Package(
            name, version, source, maintainer, architecture, status[0] == "hold", status[2] in _CONFIGURED
        )
    return found


def of_driver(installed: t.Mapping[str, Package]) -> list[Package]:
    """The distribution's packages that are the driver: those which may only change together."""
    return [
        package for package in installed.values() if _SOURCE.fullmatch(package.source) and package.name not in _TOOLS
    ]


def foreign(installed: t.Mapping[str, Package]) -> list[str]:
    """Driver packages of NVIDIA's own repository."""
    return sorted(
        package.name
        for package in installed.values()
        if _NVIDIA in package.maintainer and _DRIVER_NAME.fullmatch(package.name)
    )


def module_of(name: str, version: str) -> Offer | None:
    """Whether a package has the kernel module, and which."""
    debian = _DEBIAN_MODULE.fullmatch(name)
    if debian:
        branch = branch_of(version)
        flavour = OPEN if debian["open"] else PROPRIETARY
        return Offer(branch, flavour, version, name, debian["stem"] or "") if branch else None
    ubuntu = _UBUNTU_MODULE.fullmatch(name)
    if ubuntu:
        flavour = OPEN if ubuntu["open"] else PROPRIETARY
        return Offer(int(ubuntu["branch"]), flavour, version, name, "", bool(ubuntu["server"]))
    return None


def parse_madison(text: str, backports: bool = False) -> dict[str, list[str]]:
    """apt-cache madison: the versions that can be had, newest first, by name.

    apt itself takes none from backports unasked.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 3 or not fields[2].endswith("Packages") or ("-backports/" in fields[2] and not backports):
            continue
        if fields[1] not in found.setdefault(fields[0], []):
            found[fields[0]].append(fields[1])
    return found


def parse_ubuntu_drivers(text: str) -> set[tuple[int, bool, str]]:
    """`ubuntu-drivers list [--gpgpu]`: branch, server, flavour.

    nvidia-driver-570-server-open, (kernel modules provided by linux-modules-nvidia-570-server-open-generic)
    """
    found = set()
    for line in text.splitlines():
        name = re.match(r"nvidia-driver-(\d{3})(-server)?(-open)?(?=[,\s]|$)", line.strip(), re.ASCII)
        if name:
            found.add((int(name[1]), bool(name[2]), OPEN if name[3] else PROPRIETARY))
    return found


def offers(available: t.Mapping[str, t.Sequence[str]]) -> list[Offer]:
    """Every kernel module that can be built or had, the newest branch first.

    Ubuntu keeps transitional packages of branches that it has given up; their nvidia-dkms is gone.
    """
    found = []
    for name, versions in available.items():
        if not name.startswith("linux-modules-"):
            # A branch that was replaced in a point release may still be there in an older version.
            by_branch = {branch_of(version): version for version in reversed(versions)}
            found += [offer for offer in (module_of(name, version) for version in by_branch.values()) if offer]
    return sorted(found, key=lambda offer: (-offer.branch, offer.package))


def ubuntu_name(offer: Offer, prefix: str, flavoured: bool = True) -> str:
    parts = [prefix, str(offer.branch), "server" if offer.server else "", OPEN if flavoured else ""]
    if offer.flavour != OPEN:
        parts[3] = ""
    return "-".join(filter(None, parts))


def wanted(
    distribution: str,
    offer: Offer,
    kernel: str,
    images: t.Sequence[str],
    available: t.Collection[str],
    graphics: bool,
) -> tuple[list[str], bool]:
    """The packages of a driver, and whether its module comes built and signed by the distribution.

    images: the installed metapackages of kernels, such as `amd64` or `generic-hwe-24.04`; their headers, or modules,
    come along with each new kernel.
    """
    if distribution == "debian":
        stem = f"nvidia-{offer.stem}" if offer.stem else "nvidia"
        cuda = f"libnvidia-{offer.stem}-cuda1" if offer.stem else "libcuda1"
        parts = [offer.package, f"{stem}-smi", cuda] + ([f"{stem}-driver"] if graphics else [])
        return parts + _headers(kernel, images, available), False
    modules = ubuntu_name(offer, "linux-modules-nvidia")
    top = "nvidia-driver" if graphics else "nvidia-headless-no-dkms"
    parts = [ubuntu_name(offer, top), ubuntu_name(offer, "nvidia-utils", flavoured=False)]
    if f"{modules}-{kernel}" in available:
        follow = [f"{modules}-{image}" for image in images if f"{modules}-{image}" in available]
        return [f"{modules}-{kernel}", *follow, *parts], True
    if offer.package.startswith("linux-modules-"):
        return [offer.package, *parts], True
    return [offer.package, *parts, *_headers(kernel, images, available)], False


def _headers(kernel: str, images: t.Sequence[str], available: t.Collection[str]) -> list[str]:
    names = [f"linux-headers-{name}" for name in (kernel, *images)]
    return [name for name in names if name in available]


def images(installed: t.Iterable[str]) -> list[str]:
    """What is left of linux-image-* for those that bring each new kernel, which have no number there."""
    found = [_IMAGE.fullmatch(name) for name in sorted(installed)]
    return [name[1] for name in found if name and not re.search(r"unsigned|-dbg|\d+\.\d+\.\d+", name[1])]
