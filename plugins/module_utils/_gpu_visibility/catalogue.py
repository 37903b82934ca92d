# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every fault that this collection can name: what is said, why, and what to do. docs/gpu_failures.md is made of it.

`rows` are numbers of failures that were measured or reported before this was written; entries without one have been
added for what is left over. Texts name in braces what the detection found.
"""

from __future__ import annotations

import re
import typing as t

from .detect import Hit, host
from .detect import containers as inside
from .seen import Seen

# What a program printed goes into messages, and must not steer the terminal of who reads them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TOOLKIT = "https://github.com/NVIDIA/nvidia-container-toolkit/issues/"
_OPEN = "https://github.com/NVIDIA/open-gpu-kernel-modules/issues/"
_NVIDIA_DOCKER = "https://github.com/NVIDIA/nvidia-docker/issues/"
_XIDS = "https://docs.nvidia.com/deploy/xid-errors/"
_CDI_DOCS = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/cdi-support.html"
_INSTALL_DOCS = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
_KERNEL_CAUSES = (
    "other_driver_bound",
    "gpu_reserved_for_guests",
    "module_signature_rejected",
    "module_not_built",
    "open_module_without_gsp",
    "blackwell_needs_open_module",
    "gpu_unsupported_by_driver",
    "wsl_without_adapter",
)
_NVML_CAUSES = (
    "driver_not_communicating",
    "driver_library_missing",
    "nvml_driver_library_mismatch",
    "nvidia_smi_library_mismatch",
    "no_devices_found",
    "device_nodes_not_readable",
    "gpu_lost",
    "gpu_requires_reset",
    "gpu_unavailable",
    "power_or_thermal",
)
_CONTAINER_CAUSES = (
    "docker_ignores_gpus",
    "cdi_vendor_unknown",
    "runtime_not_registered",
    "docker_cdi_disabled",
    "cdi_spec_missing",
    "cdi_spec_stale",
    "container_lost_devices",
    "cuda_requirement_unsatisfied",
    "rootless_cgroups_denied",
    "selinux_denies_devices",
    "nvidia_smi_absent_in_container",
    "driver_libraries_in_image",
    "toolkit_cannot_load_library",
)
_FRAMEWORK_CAUSES = ("cuda_compatibility", "framework_without_cuda", "framework_without_kernels", "fabric_not_ready")


class Remedy(t.NamedTuple):
    text: str
    commands: tuple[str, ...] = ()
    requires_reboot: bool = False
    docs_url: str | None = None


class Entry(t.NamedTuple):
    id: str
    rows: tuple[int, ...]
    layer: str
    severity: str  # error, warning, info
    detect: t.Callable[[Seen], t.Iterable[Hit]]
    signal: str  # what the detection goes by, for the page
    message: str
    cause: str
    remedy: Remedy
    source: str
    confidence: str = "certain"
    unless: tuple[str, ...] = ()  # of no interest beside one of these, which say more


ENTRIES: tuple[Entry, ...] = (
    Entry(
        id="gpus_missing",
        rows=(),
        layer="pci",
        severity="error",
        detect=host.gpus_missing,
        signal="`expected_gpus`, else what the loaded driver knows, and what is on the PCI bus",
        message="{there} of {expected} expected GPUs are there",
        cause="The firmware does not see the card: power, seat or riser; a slot or link that is switched off; a"
        " virtual machine that"
        " was not given it; or `expected_gpus` is wrong.",
        remedy=Remedy(
            "Compare with what the firmware and `lspci` list; switch the machine off, reseat the card and its power.",
            ("lspci -nn -d 10de:",),
        ),
        source="own",
    ),
    Entry(
        id="other_driver_bound",
        rows=(3,),
        layer="kernel_driver",
        severity="error",
        detect=host.other_driver_bound,
        signal="/sys/bus/pci/devices/*/driver is nouveau or another than nvidia; kernel log `probe routine was not"
        " called`, `already bound to`",
        message="{driver} has {buses}, so the driver of NVIDIA cannot have it",
        cause="Another kernel driver took the GPU first, as nouveau does at boot.",
        remedy=Remedy(
            "Blacklist it, rebuild the initramfs and reboot.",
            (
                "printf 'blacklist nouveau\\noptions nouveau modeset=0\\n' > /etc/modprobe.d/blacklist-nouveau.conf",
                "update-initramfs -u",
                "reboot",
            ),
            requires_reboot=True,
        ),
        source="sources of NVIDIA/open-gpu-kernel-modules",
    ),
    Entry(
        id="gpu_reserved_for_guests",
        rows=(3,),
        layer="kernel_driver",
        severity="error",
        detect=host.reserved_for_guests,
        signal="/sys/bus/pci/devices/*/driver is vfio-pci or another that gives devices to virtual machines",
        message="{driver} keeps {buses} for a virtual machine",
        cause="The GPU was set apart for a guest. Where that is meant, `expected_gpus` says how many GPUs the host is"
        " to have for itself.",
        remedy=Remedy(
            "If this host is to use it: take its ids out of vfio-pci's, on the kernel's command line and in"
            " /etc/modprobe.d, rebuild the initramfs and reboot. A guest that has the GPU now loses it.",
            ("grep -rn 'vfio' /etc/modprobe.d /proc/cmdline", "update-initramfs -u", "reboot"),
            requires_reboot=True,
        ),
        source="sources of NVIDIA/open-gpu-kernel-modules",
    ),
    Entry(
        id="gpu_without_driver",
        rows=(),
        layer="kernel_driver",
        severity="error",
        detect=host.without_driver,
        signal="/sys/bus/pci/devices/*/driver is absent, while the driver is loaded",
        message="no kernel driver has {buses}, although the one of NVIDIA is loaded",
        cause="The driver refused this GPU or failed to start it, or it was taken from the driver (drained, unbound).",
        remedy=Remedy(
            "Read what the kernel says of it; a GPU that was unbound by hand is bound again by the second command.",
            (
                "journalctl --dmesg --boot --grep 'NVRM|nvidia'",
                "echo BUS_ID > /sys/bus/pci/drivers/nvidia/bind",
            ),
        ),
        source="own",
        unless=("open_module_without_gsp", "gpu_unsupported_by_driver", "blackwell_needs_open_module", "gpu_lost"),
    ),
    Entry(
        id="driver_loaded_late",
        rows=(),
        layer="kernel_driver",
        severity="info",
        detect=host.loaded_late,
        signal="no /proc/driver/nvidia/version until nvidia-smi was run as root",
        message="the kernel module nvidia was not loaded before this look",
        cause="Nothing loads it at boot: the first program of root that asks for a GPU does, and what runs in a"
        " container cannot.",
        remedy=Remedy("Have it loaded at each boot.", ("systemctl enable --now nvidia-persistenced",)),
        source="own",
    ),
    Entry(
        id="module_signature_rejected",
        rows=(4,),
        layer="kernel_driver",
        severity="error",
        detect=host.signature_rejected,
        signal="Secure Boot is on (efivars) and nvidia.ko is there and not loaded; kernel log `Key was rejected by"
        " service`",
        message="the kernel does not take nvidia.ko, which is {signer}",
        cause="Secure Boot is on, and the key that the module is signed with is not enrolled in the firmware.",
        remedy=Remedy(
            "Enrol the key: choose a password now, and give it to the blue screen of MOK management at the next"
            " boot, on the machine's"
            " own console. Or switch Secure Boot off in the firmware.",
            ("mokutil --import /var/lib/shim-signed/mok/MOK.der || mokutil --import /var/lib/dkms/mok.pub", "reboot"),
            requires_reboot=True,
            docs_url="https://wiki.debian.org/SecureBoot",
        ),
        source="linux-surface#906",
    ),
    Entry(
        id="module_not_built",
        rows=(5,),
        layer="kernel_driver",
        severity="error",
        detect=host.module_not_built,
        signal="no nvidia.ko under /lib/modules/$(uname -r)",
        message="kernel {kernel} has no module nvidia ({others} has one)",
        cause="The driver is not installed, or its module was not built for the kernel that runs: its headers were"
        " missing when the"
        " kernel was upgraded.",
        remedy=Remedy(
            "Install the headers of this kernel and build the module, or install the driver.",
            ("apt-get install linux-headers-$(uname -r)", "dkms autoinstall", "modprobe nvidia"),
            docs_url=_NVIDIA_DOCKER + "365",
        ),
        source="NVIDIA/nvidia-docker#365",
    ),
    Entry(
        id="open_module_without_gsp",
        rows=(6,),
        layer="kernel_driver",
        severity="error",
        detect=host.open_module_without_gsp,
        signal="kernel log `not supported by open nvidia.ko because it does not include the required GPU System"
        " Processor`",
        message="{buses} is too old for the open kernel modules",
        cause="The open modules need a GPU System Processor, which GPUs before Turing (2018) do not have.",
        remedy=Remedy(
            "Install the proprietary modules of a branch that still knows this GPU (580 at the latest), and hold them.",
            ("ubuntu-drivers list",),
            requires_reboot=True,
            docs_url=_OPEN + "322",
        ),
        source="NVIDIA/open-gpu-kernel-modules#322",
    ),
    Entry(
        id="blackwell_needs_open_module",
        rows=(7,),
        layer="kernel_driver",
        severity="error",
        detect=host.blackwell_needs_open_module,
        signal="a PCI id of Blackwell, proprietary modules in /proc/driver/nvidia/version; kernel log `RmInitAdapter"
        " failed!`",
        message="{buses} needs the open kernel modules, and the proprietary ones are loaded",
        cause="Blackwell GPUs work with the open kernel modules only.",
        remedy=Remedy(
            "Install the open variant of the same branch.",
            ("apt-get install nvidia-open",),
            requires_reboot=True,
            docs_url="https://github.com/Start9Labs/start-technologies/issues/3693",
        ),
        source="Start9Labs/start-technologies#3693",
    ),
    Entry(
        id="gpu_unsupported_by_driver",
        rows=(8,),
        layer="kernel_driver",
        severity="error",
        detect=host.unsupported_by_driver,
        signal="kernel log `not supported by the NVIDIA nnn driver release`",
        message="{where} is not supported by driver {release}",
        cause="The GPU is newer or older than this branch of the driver.",
        remedy=Remedy(
            "Install a branch that supports it.",
            ("ubuntu-drivers list",),
            requires_reboot=True,
            docs_url=_OPEN + "393",
        ),
        source="NVIDIA/open-gpu-kernel-modules#393",
    ),
    Entry(
        id="wsl_without_adapter",
        rows=(35,),
        layer="kernel_driver",
        severity="error",
        detect=host.wsl_without_adapter,
        signal="`microsoft` in the kernel's release, and no /dev/dxg or an nvidia-smi that fails",
        message="Windows gives this WSL no GPU",
        cause="The driver on Windows is missing or too old for WSL, or this is WSL 1. A Linux driver inside WSL does"
        " harm.",
        remedy=Remedy(
            "Install the current driver on Windows and none in here; then, in Windows, update and restart WSL.",
            ("wsl.exe --update", "wsl.exe --shutdown"),
            docs_url=_TOOLKIT + "155",
        ),
        source="NVIDIA/nvidia-container-toolkit#155",
    ),
    Entry(
        id="driver_not_communicating",
        rows=(2,),
        layer="kernel_driver",
        severity="error",
        detect=host.driver_not_communicating,
        signal="nvidia-smi exits 9 with `couldn't communicate with the NVIDIA driver`; no /proc/driver/nvidia/version",
        message="the kernel module nvidia is not loaded",
        cause="The module was never loaded, or was unloaded. No more is known: none of the usual reasons was found.",
        remedy=Remedy(
            "Load it, and read what the kernel says.",
            ("modprobe nvidia", "journalctl --dmesg --boot --grep 'NVRM|nvidia'"),
        ),
        source="measured",
        unless=_KERNEL_CAUSES,
    ),
    Entry(
        id="persistenced_failed",
        rows=(14,),
        layer="kernel_driver",
        severity="warning",
        detect=host.persistenced_failed,
        signal="nvidia-persistenced.service failed, with `Failed to query NVIDIA devices`",
        message="nvidia-persistenced does not run",
        cause="It found no device when it was started: a symptom of what else is wrong, or of the order at boot.",
        remedy=Remedy(
            "Mend what is found below it first, then start it.",
            ("systemctl restart nvidia-persistenced",),
            docs_url="https://github.com/NVIDIA/ansible-role-nvidia-driver/issues/3",
        ),
        source="NVIDIA/ansible-role-nvidia-driver#3",
    ),
    Entry(
        id="device_nodes_missing",
        rows=(),
        layer="device_nodes",
        severity="error",
        detect=host.nodes_missing,
        signal="the driver has a GPU (/proc/driver/nvidia/gpus) whose node is not in /dev",
        message="the driver works, but {nodes} is missing in /dev",
        cause="Nothing made the node: nvidia-modprobe is not installed, or something removed it.",
        remedy=Remedy("Make the nodes.", ("nvidia-modprobe -c 0 -u", "nvidia-smi -L")),
        source="own",
    ),
    Entry(
        id="device_nodes_not_readable",
        rows=(12,),
        layer="device_nodes",
        severity="error",
        detect=host.nodes_not_readable,
        signal="nvidia-smi exits 4 with `Please make sure /dev/nvidia* files are readable by current user`; the"
        " nodes' modes",
        message="{nodes} cannot be opened by users",
        cause="NVreg_DeviceFileMode, a udev rule or somebody's chmod gave the nodes to a group or to root alone.",
        remedy=Remedy(
            "Set the mode back in /etc/modprobe.d or in the udev rule, or add the users to the nodes' group.",
            ("chmod 0666 /dev/nvidia*", "grep -rn NVreg_DeviceFile /etc/modprobe.d"),
            docs_url=_NVIDIA_DOCKER + "1718",
        ),
        source="measured; NVIDIA/nvidia-docker#1718",
    ),
    Entry(
        id="uvm_missing",
        rows=(13,),
        layer="device_nodes",
        severity="warning",
        detect=host.uvm_missing,
        signal="/dev/nvidia-uvm or the module nvidia_uvm is missing; a framework's `CUDA unknown error` (999)",
        message="{what}: nvidia-smi works without it, CUDA does not",
        cause="nvidia_uvm is loaded when the first program asks for CUDA; what runs in a container cannot load it.",
        remedy=Remedy(
            "Load it and make its nodes, at each boot.",
            ("nvidia-modprobe -c0 -u", "echo nvidia_uvm > /etc/modules-load.d/nvidia-uvm.conf"),
            docs_url="https://github.com/pytorch/pytorch/issues/49081",
        ),
        source="pytorch#49081",
    ),
    Entry(
        id="driver_library_missing",
        rows=(1,),
        layer="nvml",
        severity="error",
        detect=host.library_missing,
        signal="nvidia-smi exits 12 with `couldn't find libnvidia-ml.so library`, or there is no nvidia-smi",
        message="the driver's user-space part (libnvidia-ml, nvidia-smi) is not installed",
        cause="The kernel module and the libraries come in separate packages, and the second was not installed or"
        " was removed.",
        remedy=Remedy("Install it in the version of the kernel module.", ("apt-get install nvidia-smi",)),
        source="measured",
        unless=("driver_not_communicating", *_KERNEL_CAUSES),
    ),
    Entry(
        id="nvml_driver_library_mismatch",
        rows=(9,),
        layer="nvml",
        severity="error",
        detect=host.library_mismatch,
        signal="nvidia-smi exits 18 with `Driver/library version mismatch`; /proc/driver/nvidia/version and"
        " libnvidia-ml.so.* differ",
        message="the loaded kernel module is {loaded} and the library {library}",
        cause="The driver's packages were upgraded, often by unattended-upgrades, and the old module is still loaded.",
        remedy=Remedy(
            "Reboot, and hold the packages. Where nothing uses the GPUs, reloading the modules does it too.",
            ("apt-mark hold '*nvidia*'", "reboot"),
            requires_reboot=True,
            docs_url=_TOOLKIT + "394",
        ),
        source="measured",
    ),
    Entry(
        id="nvidia_smi_library_mismatch",
        rows=(10,),
        layer="nvml",
        severity="error",
        detect=host.smi_mismatch,
        signal="`Mismatch in versions between nvidia-smi and NVML`, exit 255",
        message="nvidia-smi and libnvidia-ml are of different versions",
        cause="Packages of two versions are mixed, or a runfile was installed over packages.",
        remedy=Remedy("Reinstall the driver's user-space packages in one version.", ("dpkg -l '*nvidia*'",)),
        source="measured",
    ),
    Entry(
        id="gpu_lost",
        rows=(15,),
        layer="nvml",
        severity="error",
        detect=host.gpu_lost,
        signal="Xid 79, `fallen off the bus`, `GPU is lost` (exit 15, or in a cell of a table that exits 0)",
        message="a GPU has fallen off the bus",
        cause="The card no longer answers: power, heat, riser, or the card itself.",
        remedy=Remedy(
            "Switch the machine off and on (a reboot is often not enough); where it comes back, check power,"
            " temperature and seat.",
            ("journalctl --dmesg --boot --grep 'Xid|fallen off'", "poweroff"),
            requires_reboot=True,
            docs_url=_OPEN + "507",
        ),
        source="measured; NVIDIA/open-gpu-kernel-modules#507",
    ),
    Entry(
        id="gpu_requires_reset",
        rows=(16,),
        layer="nvml",
        severity="error",
        detect=host.gpu_requires_reset,
        signal="`A GPU reset must occur before this GPU can be used again`; gpu_recovery_action is not None",
        message="a GPU has to be reset before it can be used again",
        cause="An uncontained error (memory, GSP) has stopped it.",
        remedy=Remedy(
            "End what uses the GPU and reset it; where that is refused, reboot.",
            ("nvidia-smi --query-compute-apps=pid,name --format=csv", "nvidia-smi --gpu-reset -i UUID"),
            docs_url=_XIDS,
        ),
        source="measured",
    ),
    Entry(
        id="no_devices_found",
        rows=(11,),
        layer="nvml",
        severity="error",
        detect=host.no_devices,
        signal="`No devices were found` (exit 6, with -L exit 0) on a host that has a GPU of NVIDIA",
        message="the driver is loaded and has no GPU",
        cause="Its initialisation failed, or the GPU was drained; the kernel log has the reason.",
        remedy=Remedy(
            "Read the kernel log; reboot.", ("journalctl --dmesg --boot --grep NVRM", "reboot"), requires_reboot=True
        ),
        source="measured",
        unless=("gpu_lost", "blackwell_needs_open_module", "open_module_without_gsp", "gpu_unsupported_by_driver"),
    ),
    Entry(
        id="gpu_unavailable",
        rows=(),
        layer="nvml",
        severity="error",
        detect=host.gpu_unavailable,
        signal="`Unable to determine the device handle`, or error tokens where values should be",
        message="the driver cannot use a GPU: {said}",
        cause="The driver knows the GPU and gets no answer from it.",
        remedy=Remedy(
            "Read the kernel log for this GPU; reset it or reboot.",
            ("journalctl --dmesg --boot --grep NVRM",),
            docs_url=_XIDS,
        ),
        source="measured",
        unless=("blackwell_needs_open_module", "gpu_without_driver"),
    ),
    Entry(
        id="power_or_thermal",
        rows=(36,),
        layer="nvml",
        severity="warning",
        detect=host.power_or_thermal,
        signal="`Insufficient External Power` (exit 8); hw_thermal_slowdown or hw_power_brake_slowdown is active",
        message="a GPU {what}",
        cause="A power cable is missing or shared, or the cooling does not suffice.",
        remedy=Remedy("Check power cables, fans and dust.", ("nvidia-smi -q -d POWER,TEMPERATURE,PERFORMANCE",)),
        source="measured",
    ),
    Entry(
        id="xid_reported",
        rows=(),
        layer="nvml",
        severity="warning",
        detect=host.xid_reported,
        signal="`NVRM: Xid` in the kernel log of this boot",
        message="the driver has reported Xid {codes}",
        cause="An error of the GPU, the driver or a program that used it; the code says which.",
        remedy=Remedy("Look the code up.", ("journalctl --dmesg --boot --grep Xid",), docs_url=_XIDS),
        source="NVIDIA's list of Xids",
        confidence="likely",
    ),
    Entry(
        id="mig_without_instances",
        rows=(32,),
        layer="nvml",
        severity="error",
        detect=host.mig_without_instances,
        signal="MIG is enabled and there is no MIG device",
        message="MIG is enabled without an instance: programs see no GPU",
        cause="Instances do not survive a reboot, and nothing made them again.",
        remedy=Remedy(
            "Make instances, or switch MIG off.",
            ("nvidia-smi mig -lgip", "nvidia-smi mig -cgi PROFILE -C", "nvidia-smi -mig 0"),
            docs_url="https://github.com/wilicc/gpu-burn/issues/36",
        ),
        source="gpu-burn#36",
    ),
    Entry(
        id="fabric_not_ready",
        rows=(33,),
        layer="nvml",
        severity="error",
        detect=host.fabric_not_ready,
        signal="fabric state `In Progress` or its status an error, NVSwitches without a fabricmanager of the driver's"
        " version, cuInit 802",
        message="{what}",
        cause="On machines with NVSwitches, CUDA waits for nvidia-fabricmanager, which must have exactly the"
        " driver's version.",
        remedy=Remedy(
            "Install the fabricmanager of the driver's version, hold both, and start it.",
            ("systemctl status nvidia-fabricmanager", "systemctl enable --now nvidia-fabricmanager"),
            docs_url="https://github.com/pytorch/pytorch/issues/35710",
        ),
        source="pytorch#35710",
    ),
    Entry(
        id="nvidia_smi_hangs",
        rows=(),
        layer="nvml",
        severity="error",
        detect=host.smi_hangs,
        signal="no answer within the time limit",
        message="nvidia-smi does not answer",
        cause="The driver waits for a GPU that does not answer, or for a lock that another process holds.",
        remedy=Remedy(
            "Read the kernel log for the GPU; the processes in state D are waiting for it. Reboot.",
            ("journalctl --dmesg --boot --grep 'NVRM|Xid'", "ps -eo pid,stat,cmd | awk '$2 ~ /D/'", "reboot"),
            requires_reboot=True,
        ),
        source="own",
    ),
    Entry(
        id="nvidia_smi_not_understood",
        rows=(),
        layer="nvml",
        severity="warning",
        detect=host.smi_not_understood,
        signal="output in no known form",
        message="nvidia-smi answers with something that is not understood: {said}",
        cause="A wrapper or another program of the same name, or a driver that is newer than this collection.",
        remedy=Remedy("Look at what it prints.", ("command -v nvidia-smi", "nvidia-smi -q -x")),
        source="own",
        confidence="possible",
    ),
    Entry(
        id="nvml_error",
        rows=(),
        layer="nvml",
        severity="error",
        detect=host.nvml_error,
        signal="any other failure of nvidia-smi",
        message="nvidia-smi exits {rc}: {said}",
        cause="The library of the driver does not come up.",
        remedy=Remedy("Read the kernel log.", ("journalctl --dmesg --boot --grep 'NVRM|nvidia'",)),
        source="measured",
        confidence="likely",
        unless=(*_NVML_CAUSES, *_KERNEL_CAUSES, "device_nodes_missing"),
    ),
    Entry(
        id="toolkit_missing",
        rows=(18,),
        layer="toolkit",
        severity="error",
        detect=inside.toolkit_missing,
        signal="none of the toolkit's programs is installed beside Docker",
        message="nvidia-container-toolkit is not installed",
        cause="Docker cannot give GPUs to containers by itself.",
        remedy=Remedy(
            "Install it and restart Docker; this collection's role nvidia_container_toolkit does both.",
            ("ansible-playbook site.yml --tags docker,nvidia_container_toolkit",),
            docs_url=_INSTALL_DOCS,
        ),
        source="measured",
    ),
    Entry(
        id="rootless_cgroups_denied",
        rows=(27,),
        layer="toolkit",
        severity="warning",
        detect=inside.rootless_cgroups,
        signal="`bpf_prog_query(BPF_CGROUP_DEVICE) failed: operation not permitted`; rootless Docker without"
        " no-cgroups",
        message="rootless Docker may not set device cgroups, and the toolkit is configured to",
        cause="Only root may load the BPF program that lets a container open devices.",
        remedy=Remedy(
            "Use CDI, or tell the toolkit to leave cgroups alone.",
            ("nvidia-ctk config --set nvidia-container-cli.no-cgroups --in-place",),
            docs_url=_TOOLKIT + "1487",
        ),
        source="NVIDIA/nvidia-container-toolkit#1487",
    ),
    Entry(
        id="cdi_spec_missing",
        rows=(23,),
        layer="cdi",
        severity="warning",
        detect=inside.cdi_spec_missing,
        signal="`unresolvable CDI devices nvidia.com/gpu=...`; no specification of that kind in the CDI directories",
        message="{what}",
        cause="The specification was never written, or was removed; /var/run/cdi is empty after each boot until it"
        " is refreshed.",
        remedy=Remedy(
            "Generate it, and enable the service that does so at boot.",
            ("systemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service", "nvidia-ctk cdi list"),
            docs_url=_CDI_DOCS,
        ),
        source="measured; NVIDIA/nvidia-container-toolkit#1611",
        unless=("cdi_vendor_unknown",),
    ),
    Entry(
        id="cdi_spec_stale",
        rows=(23,),
        layer="cdi",
        severity="error",
        detect=inside.cdi_spec_stale,
        signal="`failed to stat CDI host device`; paths, driver version or GPUs in the specification are not those"
        " of the host",
        message="{path} is out of date: {reasons}",
        cause="The driver was upgraded, or a GPU came or went, after the specification was written.",
        remedy=Remedy(
            "Generate it again. The service writes /var/run/cdi/nvidia.yaml; a file in /etc/cdi is somebody's own, and"
            " is written again by that somebody, or removed.",
            ("systemctl restart nvidia-cdi-refresh.service", "nvidia-ctk cdi list"),
            docs_url=_TOOLKIT + "1611",
        ),
        source="measured; NVIDIA/nvidia-container-toolkit#1611",
        unless=(
            "driver_not_communicating",
            "device_nodes_missing",
            "driver_library_missing",
            "nvml_driver_library_mismatch",
            *_KERNEL_CAUSES,
        ),
    ),
    Entry(
        id="cdi_device_numbers_stale",
        rows=(24,),
        layer="cdi",
        severity="error",
        detect=inside.cdi_numbers_stale,
        signal="major:minor in the specification is not the one in /dev",
        message="{path} has device numbers of before: {what}",
        cause="nvidia-uvm gets another major number when it is loaded in another order. nvidia-smi works in the"
        " container, cuInit fails.",
        remedy=Remedy(
            "Generate it again.",
            ("systemctl restart nvidia-cdi-refresh.service",),
            docs_url="https://github.com/NVIDIA/NemoClaw/issues/4733",
        ),
        source="NVIDIA/NemoClaw#4733",
    ),
    Entry(
        id="cdi_spec_not_understood",
        rows=(),
        layer="cdi",
        severity="warning",
        detect=inside.cdi_not_understood,
        signal="a file in the CDI directories that is neither JSON nor the YAML that nvidia-ctk writes",
        message="{path} is not understood: {said}",
        cause="It is damaged, or written by hand in a form of YAML that is not read here. Docker may read it"
        " nevertheless.",
        remedy=Remedy("Let nvidia-ctk read it.", ("nvidia-ctk cdi list",)),
        source="own",
        confidence="possible",
    ),
    Entry(
        id="docker_not_running",
        rows=(),
        layer="docker",
        severity="error",
        detect=inside.docker_not_running,
        signal="`docker info`",
        message="Docker does not answer: {said}",
        cause="The engine is not started, or this user may not talk to it.",
        remedy=Remedy("Start it.", ("systemctl start docker", "journalctl --unit docker --lines 50")),
        source="own",
    ),
    Entry(
        id="docker_is_snap",
        rows=(19,),
        layer="docker",
        severity="error",
        detect=inside.docker_is_snap,
        signal="/var/snap/docker, or Docker's root is there",
        message="Docker comes from a snap",
        cause="A snap is confined and never sees the toolkit's hook, nor the driver's libraries.",
        remedy=Remedy(
            "Save what its containers hold, remove the snap, and install the package.",
            ("snap remove docker", "ansible-playbook site.yml --tags docker"),
            docs_url=_NVIDIA_DOCKER + "1642",
        ),
        source="NVIDIA/nvidia-docker#1642",
    ),
    Entry(
        id="docker_ignores_gpus",
        rows=(18,),
        layer="docker",
        severity="error",
        detect=inside.docker_ignores_gpus,
        signal='`could not select device driver "" with capabilities: [[gpu]]` (exit 125)',
        message="Docker has no driver for --gpus",
        cause="nvidia-container-runtime-hook was not in Docker's PATH when it started: the toolkit is missing, or"
        " Docker was not"
        " restarted after it was installed.",
        remedy=Remedy(
            "Install the toolkit where it is missing, then restart Docker.",
            ("command -v nvidia-container-runtime-hook", "systemctl restart docker"),
            docs_url=_INSTALL_DOCS,
        ),
        source="measured",
    ),
    Entry(
        id="cdi_vendor_unknown",
        rows=(20,),
        layer="docker",
        severity="error",
        detect=inside.no_cdi_vendor,
        signal="`failed to discover GPU vendor from CDI: no known GPU vendor found` (exit 125)",
        message="Docker asks CDI for --gpus, and no specification names a GPU",
        cause="From version 29 on, Docker looks for CDI devices first.",
        remedy=Remedy(
            "Generate the specification.",
            ("systemctl enable --now nvidia-cdi-refresh.path nvidia-cdi-refresh.service", "nvidia-ctk cdi list"),
            docs_url="https://github.com/moby/moby/pull/50228",
        ),
        source="moby#50228",
    ),
    Entry(
        id="runtime_not_registered",
        rows=(21,),
        layer="docker",
        severity="warning",
        detect=inside.runtime_not_registered,
        signal="`unknown or invalid runtime name: nvidia` (exit 125); `docker info` lists no such runtime",
        message="Docker does not know the runtime nvidia",
        cause="daemon.json has no runtimes.nvidia, or Docker has not read it since.",
        remedy=Remedy(
            "Register it and reload Docker; this collection's role nvidia_container_toolkit does both.",
            (
                "ansible-playbook site.yml --tags docker,nvidia_container_toolkit",
                "docker info --format '{{json .Runtimes}}'",
            ),
            docs_url=_INSTALL_DOCS,
        ),
        source="measured",
    ),
    Entry(
        id="docker_cdi_disabled",
        rows=(22,),
        layer="docker",
        severity="warning",
        detect=inside.cdi_disabled,
        signal='`could not select device driver "cdi" with capabilities: []` (exit 125); `docker info` has no CDI'
        " directories",
        message="Docker does not use CDI, though there is a specification",
        cause="Engines from 25 to 28.1 use CDI only with features.cdi, which they read when they start; older ones"
        " do not know it.",
        remedy=Remedy(
            "Set features.cdi to true in daemon.json and restart Docker.",
            ("ansible-playbook site.yml --tags docker,nvidia_container_toolkit",),
            docs_url="https://docs.docker.com/build/building/cdi/",
        ),
        source="measured",
    ),
    Entry(
        id="container_lost_devices",
        rows=(17,),
        layer="container",
        severity="error",
        detect=inside.container_lost_devices,
        signal="`Failed to initialize NVML: Unknown Error` in a container while the host is fine; cgroup driver"
        " systemd, no /dev/char links",
        message="{where} loses its GPUs",
        cause="With the systemd cgroup driver, a daemon-reload writes the container's device rules anew, and those"
        " of GPUs that the hook"
        " added are not among them.",
        remedy=Remedy(
            "Recreate the container. To keep it from happening again, give GPUs by CDI, and make the links in"
            " /dev/char at each boot.",
            ("nvidia-ctk system create-dev-char-symlinks --create-all", "docker restart CONTAINER"),
            docs_url=_TOOLKIT + "48",
        ),
        source="NVIDIA/nvidia-container-toolkit#48, #1227",
        confidence="likely",
    ),
    Entry(
        id="cuda_requirement_unsatisfied",
        rows=(25,),
        layer="container",
        severity="error",
        detect=inside.cuda_requirement,
        signal="`requirement error: unsatisfied condition: cuda>=...`; NVIDIA_REQUIRE_CUDA of the image and the"
        " driver's CUDA version",
        message="{image} wants {wanted}, and the driver has {has}",
        cause="The image was made for a newer driver.",
        remedy=Remedy(
            "Upgrade the driver, or take an image for an older CUDA.", ("nvidia-smi",), docs_url=_TOOLKIT + "152"
        ),
        source="NVIDIA/nvidia-container-toolkit#152",
    ),
    Entry(
        id="selinux_denies_devices",
        rows=(28,),
        layer="container",
        severity="error",
        detect=inside.selinux_denies,
        signal="`Failed to initialize NVML: Insufficient Permissions` in a container while the host is fine; SELinux"
        " is enforcing",
        message="{where} may not open the GPUs' nodes",
        cause="SELinux keeps containers from devices.",
        remedy=Remedy(
            "Allow it.",
            ("setsebool -P container_use_devices 1", "ausearch -m avc --start recent"),
            docs_url=_TOOLKIT + "33",
        ),
        source="NVIDIA/nvidia-container-toolkit#33",
    ),
    Entry(
        id="nvidia_smi_absent_in_container",
        rows=(29,),
        layer="container",
        severity="error",
        detect=inside.smi_absent_inside,
        signal="`nvidia-smi: executable file not found` (exit 127), and which of /dev/nvidia* are there",
        message="{where} has no nvidia-smi, {what}",
        cause="Nothing asked for GPUs, or not for the capability `utility`. NVIDIA_VISIBLE_DEVICES=void is normal"
        " under CDI, so the"
        " device nodes decide.",
        remedy=Remedy(
            "Ask for GPUs, with the capability `utility` where nvidia-smi is wanted.",
            (
                "docker run --device nvidia.com/gpu=all ...",
                "docker run --gpus 'all,\"capabilities=compute,utility\"' ...",
            ),
            docs_url="https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/docker-specialized.html",
        ),
        source="measured",
    ),
    Entry(
        id="driver_libraries_in_image",
        rows=(30,),
        layer="container",
        severity="error",
        detect=inside.driver_in_image,
        signal="`libnvidia-ml.so.1: file exists` on the hook's stderr",
        message="{image} brings {library}, where the toolkit wants to put the host's",
        cause="Packages of the driver were installed when the image was built.",
        remedy=Remedy(
            "Build the image without the driver: CUDA's libraries belong in it, libcuda and libnvidia-ml do not.",
            docs_url=_TOOLKIT + "176",
        ),
        source="NVIDIA/nvidia-container-toolkit#176",
    ),
    Entry(
        id="toolkit_cannot_load_library",
        rows=(31,),
        layer="container",
        severity="error",
        detect=inside.toolkit_cannot_load,
        signal="`nvidia-container-cli: initialization error: load library failed` while the host is fine",
        message="the toolkit does not find {library}, which nvidia-smi on the host does",
        cause="Its `root` or `ldcache` setting points elsewhere, or the linker's cache is old.",
        remedy=Remedy(
            "Refresh the cache and look at the settings.",
            (
                "ldconfig",
                "ldconfig -p | grep libnvidia-ml",
                "grep -nE 'root|ldcache' /etc/nvidia-container-runtime/config.toml",
            ),
            docs_url=_TOOLKIT + "676",
        ),
        source="NVIDIA/nvidia-container-toolkit#676",
    ),
    Entry(
        id="container_gpus_missing",
        rows=(),
        layer="container",
        severity="error",
        detect=inside.container_gpus_missing,
        signal="the UUIDs that `nvidia-smi -L` lists inside and outside",
        message="{where} sees {some} of {all} GPUs",
        cause="It was given only some, or its CDI specification does not name all.",
        remedy=Remedy("Compare what the container was given with what the host has.", ("nvidia-ctk cdi list",)),
        source="own",
        unless=("cdi_spec_stale",),
    ),
    Entry(
        id="container_failed",
        rows=(),
        layer="container",
        severity="error",
        detect=inside.container_failed,
        signal="any other failure of the container",
        message="{where} does not show its GPUs (exit {rc}): {said}",
        cause="The container did not start, or its nvidia-smi fails.",
        remedy=Remedy("Run the same by hand.", ("docker run --rm --device nvidia.com/gpu=all IMAGE nvidia-smi",)),
        source="own",
        confidence="possible",
        unless=_CONTAINER_CAUSES,
    ),
    Entry(
        id="probe_image_missing",
        rows=(),
        layer="container",
        severity="info",
        detect=inside.image_missing,
        signal="`docker image inspect`",
        message="the image {image} is not on this host, and nothing is pulled",
        cause="It was not built or pulled here, or its name is another.",
        remedy=Remedy("Build it, or name one that is there.", ("docker image ls",)),
        source="own",
    ),
    Entry(
        id="cuda_compatibility",
        rows=(26,),
        layer="framework",
        severity="error",
        detect=inside.cuda_compatibility,
        signal="cuInit 804 `forward compatibility was attempted on non supported HW`, or 803",
        message="{name} cannot use this driver (CUDA error {code})",
        cause="A cuda-compat library in the image goes before the driver's own libcuda: only data-centre GPUs allow"
        " that.",
        remedy=Remedy(
            "Take cuda-compat out of the image, or upgrade the driver.",
            ("ldconfig -p | grep libcuda",),
            docs_url="https://github.com/gpustack/gpustack/issues/1254",
        ),
        source="gpustack#1254",
    ),
    Entry(
        id="framework_without_cuda",
        rows=(34,),
        layer="framework",
        severity="error",
        detect=inside.without_cuda,
        signal="`Could not find cuda drivers`, `Cannot dlopen some GPU libraries`, `Unable to load CUDA`; the"
        " framework's build info",
        message="{name} {what}",
        cause="This is the CPU variant of the package or of the image, or the CUDA packages beside it are missing.",
        remedy=Remedy(
            "Use the image's GPU variant.",
            ("ansible-playbook site.yml -e keras_image_variant=gpu -e jupyter_image=keras:gpu",),
        ),
        source="measured",
    ),
    Entry(
        id="framework_without_kernels",
        rows=(37,),
        layer="framework",
        severity="error",
        detect=inside.no_kernels,
        signal="compute capability 10 or higher with TensorFlow up to 2.21; `no kernel image is available`",
        message="{name} {version} has no kernels for this GPU: it hangs or fails at the first computation",
        cause="The package was built before this GPU existed.",
        remedy=Remedy(
            "Use Keras with the back end jax or torch.",
            ("KERAS_BACKEND=jax",),
            docs_url="https://github.com/tensorflow/tensorflow/issues/89272",
        ),
        source="tensorflow#89272",
    ),
    Entry(
        id="framework_failed",
        rows=(),
        layer="framework",
        severity="error",
        detect=inside.framework_failed,
        signal="the framework did not come to the end of its list",
        message="{name} {what}",
        cause="The import failed, or it took longer than the time limit.",
        remedy=Remedy("Run it by hand, or give it more time with `timeout`."),
        source="own",
        unless=("framework_without_kernels",),
    ),
    Entry(
        id="framework_gpus_missing",
        rows=(),
        layer="framework",
        severity="error",
        detect=inside.framework_gpus_missing,
        signal="the framework's device list and nvidia-smi beside it",
        message="{name} sees {some} of {all} GPUs ({errors})",
        cause="CUDA_VISIBLE_DEVICES, a GPU in use exclusively, or an error of CUDA that is not in this list.",
        remedy=Remedy(
            "Look at the framework's own messages.",
            ("python3 -c 'import ctypes; print(ctypes.CDLL(\"libcuda.so.1\").cuInit(0))'",),
        ),
        source="own",
        unless=(*_FRAMEWORK_CAUSES, "uvm_missing", "mig_without_instances"),
    ),
)


def findings(seen: Seen) -> list[dict[str, t.Any]]:
    """What the catalogue recognises, in the order of the layers."""
    hits = [(entry, list(entry.detect(seen))) for entry in ENTRIES]
    found = {
        entry.id for entry, of_entry in hits if any((hit.severity or entry.severity) == "error" for hit in of_entry)
    }
    return [
        _finding(entry, hit) for entry, of_entry in hits for hit in of_entry if not found.intersection(entry.unless)
    ]


def _finding(entry: Entry, hit: Hit) -> dict[str, t.Any]:
    values = hit.values or {}
    return {
        "id": entry.id,
        "layer": hit.layer or entry.layer,
        "severity": hit.severity or entry.severity,
        "confidence": hit.confidence or entry.confidence,
        "gpus": list(hit.gpus),
        "message": _CONTROL.sub("?", entry.message.format(**values) if values else entry.message),
        "cause": entry.cause,
        "remedy": {
            "text": entry.remedy.text,
            "commands": list(entry.remedy.commands),
            "requires_reboot": entry.remedy.requires_reboot,
            "docs_url": entry.remedy.docs_url,
        },
    }
