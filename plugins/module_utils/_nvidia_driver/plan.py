# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done with the driver of a host, what stands in the way, and what waits for a reboot."""

from __future__ import annotations

import dataclasses
import typing as t

from . import generations, packages, secure_boot, sources
from .generations import OPEN, PROPRIETARY, Generation
from .observe import Host
from .packages import Offer

SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04", "26.04")}
ARCHITECTURES = ("amd64", "arm64")
ACCEPTABLE = ("no_device", "container", "no_kernel_headers", "secure_boot", "desktop")
# What Debian's releases have, for hosts whose sources do not show it yet. From then on, apt is asked.
_DEBIAN = {
    "12": (
        Offer(535, OPEN, "535", "nvidia-open-kernel-dkms"),
        Offer(535, PROPRIETARY, "535", "nvidia-kernel-dkms"),
        Offer(470, PROPRIETARY, "470", "nvidia-tesla-470-kernel-dkms", "tesla-470"),
    ),
    "13": (
        Offer(550, OPEN, "550", "nvidia-open-kernel-dkms"),
        Offer(550, PROPRIETARY, "550", "nvidia-kernel-dkms"),
        Offer(535, PROPRIETARY, "535", "nvidia-tesla-535-kernel-dkms", "tesla-535"),
    ),
}


class Options(t.NamedTuple):
    branch: int | None = None  # None: auto
    flavour: str | None = None
    server: bool = True
    graphics: bool = False
    extra_packages: t.Sequence[str] = ()
    upgrade: bool = False
    components: t.Sequence[str] = ()  # those that the sources are to have
    before_sources: bool = False  # whether what apt does not list may still come


class Problem(t.NamedTuple):
    id: str
    message: str
    steps: t.Sequence[str] = ()


@dataclasses.dataclass
class Plan:
    offer: Offer | None = None
    packages: list[str] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)
    upgrades: list[str] = dataclasses.field(default_factory=list)  # installed, and not in the newest version
    swaps: bool = False  # whether libraries or modules of the driver change
    prebuilt: bool = False  # built and signed by the distribution
    provisional: bool = False  # not what apt said
    sources: list[sources.Archive] = dataclasses.field(default_factory=list)


def make(host: Host, options: Options) -> tuple[Plan, list[Problem]]:
    plan = Plan()
    problems = _platform(host)
    if host.distribution == "debian":
        plan.sources = sources.missing(host.archives, options.components)
        problems += [
            Problem(
                "sources_with_key",
                f"the sources of {archive.uri} hold its key itself, and lack {', '.join(archive.components)}; add "
                "these there and set nvidia_driver_manage_sources to false",
            )
            for archive in plan.sources
            if archive.key_is_inside
        ]
    offered = packages.offers(host.available)
    is_incomplete = options.before_sources and bool(plan.sources or not host.has_lists)
    if is_incomplete and host.distribution == "debian" and not offered:
        offered = list(_DEBIAN.get(host.version, ()))
        plan.provisional = True
    offered = [offer for offer in offered if offer.server == (options.server and host.distribution == "ubuntu")]
    current = installed(host)
    problems += _others(host, options, current)
    problems += _desktop(host, options, current)
    # Without packages for this distribution, what follows would only repeat that.
    if not any(problem.id in ("unsupported_distribution", "wsl", "jetson") for problem in problems):
        plan.offer, more = _choose(host, options, offered, current)
        problems += more if offered or current or not is_incomplete else []
    if plan.offer:
        _list(host, options, plan, current)
        problems += _module(host, options, plan)
    return plan, problems


def installed(host: Host) -> Offer | None:
    """The kernel module that is installed. Of Ubuntu's, which come per kernel, the one for the running kernel."""
    found = []
    for package in host.installed.values():
        offer = packages.module_of(package.name, package.version)
        if offer:
            found.append(offer)
    found.sort(key=lambda offer: (not offer.package.endswith(host.kernel), -offer.branch, offer.package))
    return found[0] if found else None


def version_installed(host: Host) -> str | None:
    """As the module would call itself. Ubuntu's built modules have the kernel's version; the libraries know better."""
    current = installed(host)
    if current is None:
        return None
    if not current.package.startswith("linux-modules-"):
        return packages.upstream(current.version)
    versions = {
        packages.upstream(one.version) for one in packages.of_driver(host.installed) if one.branch == current.branch
    }
    return versions.pop() if len(versions) == 1 else host.library_version


def reboot_reasons(host: Host) -> list[str]:
    """Why the installed driver is not in use before a reboot."""
    version, current = version_installed(host), installed(host)
    if version is None or current is None:
        return []
    if host.loaded:
        if host.loaded.version != version:
            return [f"driver {host.loaded.version} is loaded and {version} is installed"]
        if host.loaded.flavor != current.flavour:
            return [f"the {host.loaded.flavor} module is loaded and the {current.flavour} one is installed"]
        return []
    if host.nouveau_is_loaded:
        return [f"nouveau has the GPUs, and driver {version} is installed"]
    if not host.module_is_built:
        return [f"driver {version} is installed and not loaded, and has no module for the running kernel {host.kernel}"]
    return []


def reboot_obstacles(host: Host) -> list[str]:
    """Why a reboot would end without a driver. By then, nouveau is kept away."""
    found = []
    version = version_installed(host)
    if version is not None and host.next_kernel in host.kernels_without_module:
        found.append(f"driver {version} has no module for {host.next_kernel}, which would be booted")
    if host.loaded is None and host.secure_boot and host.key_enrolled is not True and not _is_prebuilt(host):
        found.append("Secure Boot refuses its module, whose key a person enrols during the reboot")
    return found


def is_loadable(host: Host) -> bool:
    """Whether the module can be loaded now, with nothing in its place."""
    free = host.loaded is None and not host.nouveau_is_loaded and host.module_is_built
    can_have = host.platform != "container" and any(gpu.driver != "vfio-pci" for gpu in host.gpus)
    if not free or not can_have or installed(host) is None:
        return False
    return not host.secure_boot or host.key_enrolled is True or _is_prebuilt(host)


def _is_prebuilt(host: Host) -> bool:
    current = installed(host)
    return current is not None and current.package.startswith("linux-modules-")


def _platform(host: Host) -> list[Problem]:
    found = []
    release = f"{host.distribution} {host.version}".strip() or "an unknown distribution"
    if host.platform == "wsl":
        return [Problem("wsl", "is WSL, where the driver is that of Windows; a Linux driver would break it")]
    if host.platform == "jetson":
        return [Problem("jetson", "is a Jetson, whose driver is part of its own system (JetPack)")]
    if host.version not in SUPPORTED.get(host.distribution, ()):
        names = "; ".join(f"{name.capitalize()} {', '.join(known)}" for name, known in SUPPORTED.items())
        found.append(Problem("unsupported_distribution", f"runs {release}; this role knows {names}"))
    elif host.architecture not in ARCHITECTURES:
        found.append(
            Problem(
                "unsupported_architecture",
                f"is {host.architecture}; the driver is there for {' and '.join(ARCHITECTURES)}",
            )
        )
    if host.platform == "container":
        found.append(
            Problem("container", "is a container, and the driver belongs to the kernel of the machine that it runs on")
        )
    if not host.gpus:
        found.append(Problem("no_device", "shows no GPU of NVIDIA on its PCI bus: `lspci -d 10de:` is empty"))
    return found


def _others(host: Host, options: Options, current: Offer | None) -> list[Problem]:
    """Drivers that came another way, or are others than asked for."""
    found = []
    if host.runfile:
        found.append(
            Problem(
                "runfile_driver",
                f"has a driver from NVIDIA's .run file ({host.runfile}), which apt does not know and would mix with",
                ["nvidia-uninstall    # when nothing uses the GPUs", "systemctl reboot"],
            )
        )
    foreign = packages.foreign(host.installed)
    if foreign:
        found.append(
            Problem(
                "foreign_packages",
                f"has driver packages of NVIDIA's own repository: {', '.join(foreign)}. Leave the driver to "
                "that repository (nvidia_driver_install: false), or remove them and the repository, when nothing uses "
                "the GPUs",
                [f"apt purge {' '.join(foreign)}"],
            )
        )
    elif current and not options.upgrade:
        if options.branch not in (None, current.branch):
            found.append(
                Problem(
                    "other_branch",
                    f"has branch {current.branch} ({current.package}), and nvidia_driver_branch is {options.branch}. "
                    "nvidia_driver_upgrade: true replaces it",
                )
            )
        elif options.flavour not in (None, current.flavour):
            found.append(
                Problem(
                    "other_flavour",
                    f"has the {current.flavour} module ({current.package}), and nvidia_driver_flavour is "
                    f"{options.flavour}. nvidia_driver_upgrade: true replaces it",
                )
            )
    return found


def _desktop(host: Host, options: Options, current: Offer | None) -> list[Problem]:
    if not host.screens or options.graphics or current:
        return []
    return [
        Problem(
            "desktop",
            f"shows a desktop through nouveau on {', '.join(host.screens)}, and would have none with a driver "
            "without its parts for screens. nvidia_driver_graphics: true installs those",
        )
    ]


def _choose(
    host: Host, options: Options, offered: list[Offer], current: Offer | None
) -> tuple[Offer | None, list[Problem]]:
    if current and not options.upgrade and options.branch in (None, current.branch):
        return current, _misfits(host, current, keeps=True)
    if not offered:
        return None, [Problem("branch_not_offered", _nothing_offered(host, options))]
    candidates = [offer for offer in offered if options.branch in (None, offer.branch)]
    if not candidates:
        branches = ", ".join(str(branch) for branch in sorted({offer.branch for offer in offered}, reverse=True))
        return None, [
            Problem("branch_not_offered", f"has no branch {options.branch} in its packages, which have {branches}")
        ]
    if options.branch is None and current:
        # An upgrade stays with what is there, as long as that fits.
        same = [offer for offer in candidates if (offer.branch, offer.flavour) == (current.branch, current.flavour)]
        if same and options.flavour in (None, current.flavour) and not _misfits(host, same[0]):
            return same[0], []
    if options.branch is None and host.recommended:
        named = [offer for offer in candidates if (offer.branch, offer.server, offer.flavour) in host.recommended]
        candidates = named or candidates
    flavoured = [offer for offer in candidates if options.flavour in (None, offer.flavour)]
    if not flavoured:
        return None, [Problem("flavour_not_offered", f"has no {options.flavour} module in its packages of that branch")]
    flavoured.sort(key=lambda offer: (-offer.branch, generations.by_preference(offer.branch).index(offer.flavour)))
    fitting = next((offer for offer in flavoured if not _misfits(host, offer)), None)
    if fitting:
        return fitting, []
    # None fits all GPUs. Said of the newest that was asked for, in the flavour that fits most of them.
    newest = [offer for offer in flavoured if offer.branch == flavoured[0].branch]
    return None, _misfits(host, min(newest, key=lambda offer: len(_misfits(host, offer))))


def _nothing_offered(host: Host, options: Options) -> str:
    if host.distribution == "debian":
        return (
            "has no driver in its packages. Its archive needs the components contrib and non-free: "
            "nvidia_driver_manage_sources adds them where the archive has them"
        )
    kind = "-server packages, which nvidia_driver_server asks for" if options.server else "packages"
    return f"has no driver in its {kind}. It needs the component restricted, and `apt update`"


def _misfits(host: Host, offer: Offer, keeps: bool = False) -> list[Problem]:
    found: dict[str, list[str]] = {}
    for gpu in host.gpus:
        generation: Generation = generations.of(gpu.device)
        reason = generations.misfit(generation, offer.branch, offer.flavour)
        if reason:
            found.setdefault(f"({generation.name}) {reason}", []).append(f"{gpu.bus_id} {gpu.device_id}")
    way = (
        "Set nvidia_driver_upgrade to true to have another"
        if keeps
        else "Choose with nvidia_driver_branch and nvidia_driver_flavour"
    )
    return [
        Problem(
            "gpu_misfit",
            f"has a GPU at {', '.join(gpus)} that the {offer.flavour} module of branch {offer.branch} cannot drive: "
            f"it {reason}. {way}",
        )
        for reason, gpus in found.items()
    ]


def _list(host: Host, options: Options, plan: Plan, current: Offer | None) -> None:
    offer = plan.offer
    if offer is None:
        return
    names = packages.images(host.installed)
    plan.packages, plan.prebuilt = packages.wanted(
        host.distribution, offer, host.kernel, names, host.available, options.graphics
    )
    plan.packages += [name for name in options.extra_packages if name not in plan.packages]
    plan.missing = [name for name in plan.packages if name not in host.installed or not host.installed[name].configured]
    if options.upgrade:
        ours = {package.name for package in packages.of_driver(host.installed)}
        for name in sorted(ours | set(plan.packages)):
            of_branch = [
                version for version in host.available.get(name, []) if packages.branch_in(name, version) == offer.branch
            ]
            if name in host.installed and of_branch and of_branch[0] != host.installed[name].version:
                plan.upgrades.append(name)
    plan.swaps = bool(plan.upgrades) or _missing_swaps(host, plan, current)


def _missing_swaps(host: Host, plan: Plan, current: Offer | None) -> bool:
    """Another part in the version of the rest changes nothing for those who use the GPUs."""
    version = version_installed(host)
    new = [name for name in plan.missing if not name.startswith("linux-headers-")]
    if current is None or plan.offer is None:
        return bool(new)
    branch = plan.offer.branch
    for name in new:
        of_branch = [one for one in host.available.get(name, []) if packages.branch_of(one) == branch]
        if not of_branch or packages.upstream(of_branch[0]) != version:
            return True
    return False


def _module(host: Host, options: Options, plan: Plan) -> list[Problem]:
    """Whether the module could be built for the running kernel, and loaded."""
    found = []
    if not plan.prebuilt and not host.module_is_built:
        headers = f"linux-headers-{host.kernel}"
        unknown = options.before_sources and not host.has_lists
        if not host.has_build_folder and headers not in host.available and not unknown:
            found.append(
                Problem(
                    "no_kernel_headers",
                    f"runs kernel {host.kernel}, whose headers are not installed, nor is {headers} in its packages; "
                    "without them no module is built. Mostly a newer kernel is installed: boot that",
                    ["apt update && apt full-upgrade", "systemctl reboot"],
                )
            )
    if host.key and not plan.prebuilt and host.loaded is None and host.key_enrolled is not True:
        state = "is to be enrolled at the next boot" if host.key_requested else "is not enrolled"
        lacks = host.key_enrolled is None and "certificate" not in host.key_lacks
        state = "cannot be asked for without mokutil" if lacks and "mokutil" in host.key_lacks else state
        found.append(
            Problem(
                "secure_boot",
                f"has Secure Boot enabled, and the key of modules built here ({host.key.certificate}) {state}: "
                "the kernel would refuse the driver",
                secure_boot.steps(host.distribution, host.version, host.key, host.key_lacks, host.key_requested),
            )
        )
    return found
