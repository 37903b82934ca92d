# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nvidia-smi prints, from the oldest schema to the newest."""

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.molecule.resources.gpu import machine as texts
from ansible_collections.gpulab.workstation.molecule.resources.gpu.machine import Gpu, Machine, Slice, t4
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers import (
    pci,
    smi_csv,
    smi_list,
    smi_text,
    smi_xml,
)

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00000000:3B:00.0", "0000:3b:00.0"),
        ("0000:3b:00.0", "0000:3b:00.0"),
        ("0000:9b:00", "0000:9b:00.0"),
        ("3B:00.1", "0000:3b:00.1"),
        ("000F:01:00.0", "000f:01:00.0"),
        ("00010000:01:00.0", "10000:01:00.0"),
        ("", None),
        (None, None),
        ("3B:00.9", None),
        ("GPU 0", None),
    ],
)
def test_bus_id(text: str | None, expected: str | None) -> None:
    assert pci.normalise(text) == expected


@pytest.mark.parametrize("token", ["N/A", "[N/A]", "Not Supported", "[Not Supported]", "Insufficient Size", "", None])
def test_no_value(token: str | None) -> None:
    assert (smi_text.clean(token), smi_text.fault(token)) == (None, None)


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("GPU is lost", "lost"),
        ("[GPU is lost]", "lost"),
        ("[GPU requires reset]", "reset"),
        ("[GPU access blocked by the operating system]", "blocked"),
        ("[Insufficient Permissions]", "permissions"),
        ("Unknown Error", "unknown"),
        ("ERR!", "unknown"),
    ],
)
def test_fault_in_place_of_a_value(token: str, fault: str) -> None:
    assert (smi_text.clean(token), smi_text.fault(token)) == (None, fault)


def test_units() -> None:
    assert smi_text.mebibytes("15360 MiB") == 15360 * MIB
    assert smi_text.mebibytes("15360") is None
    assert smi_text.mebibytes("[N/A]") is None
    assert smi_text.number("[Unknown Error]") is None
    assert smi_text.number("0") == 0


class TestList:
    def test_mig(self) -> None:
        gpu = Gpu(0, name="NVIDIA H100 80GB HBM3", mig=(Slice("3g.40gb", 40192, 2), Slice("1g.10gb", 9728, 9)))
        listing = smi_list.parse(texts.smi_list([gpu, Gpu(1)]))
        assert [one.uuid for one in listing.gpus] == [gpu.uuid, Gpu(1).uuid]
        assert listing.gpus[0].name == "NVIDIA H100 80GB HBM3"
        assert [(one.number, one.profile) for one in listing.gpus[0].mig] == [(0, "3g.40gb"), (1, "1g.10gb")]
        assert listing.gpus[1].mig == []

    def test_one_bad(self) -> None:
        text = (
            f"{texts.smi_list([Gpu(0)])}Unable to determine the device handle for gpu 1: {texts.LOST}\n"
            f"{texts.smi_list([Gpu(2)])}"
        )
        listing = smi_list.parse(text)
        assert [one.number for one in listing.gpus] == [0, 2]
        assert [(one.number, one.fault) for one in listing.failed] == [(1, "lost")]

    def test_named_by_bus(self) -> None:
        sentence = "Unable to determine the device handle for GPU0: 0000:C1:00.0: GPU is lost."
        (failed,) = smi_list.parse(sentence).failed
        assert (failed.number, failed.bus_id, failed.fault) == (0, "0000:c1:00.0", "lost")
        (failed,) = smi_list.parse("Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error").failed
        assert (failed.number, failed.bus_id, failed.fault) == (None, "0000:3b:00.0", "unknown")

    @pytest.mark.parametrize("text", ["No devices found.\n", "No devices were found\n"])
    def test_none(self, text: str) -> None:
        assert smi_list.parse(text) == smi_list.Listing([], [], True)


class TestXml:
    @pytest.mark.parametrize("schema", [9, 10, 11, 12, 13])
    def test_schemas(self, schema: int) -> None:
        machine = Machine(gpus=t4(2))
        answer = smi_xml.parse(texts.smi_xml(machine, machine.gpus, schema))
        assert answer.problem is None
        assert (answer.driver_version, answer.attached) == ("550.163.01", 2)
        assert answer.cuda_version == (None if schema < 10 else "12.4")
        gpu = answer.gpus[1]
        assert (gpu.bus_id, gpu.uuid, gpu.minor, gpu.device_id) == ("0000:3e:00.0", Gpu(1).uuid, 1, "10de:1eb8")
        assert gpu.memory == 15360 * MIB
        assert gpu.mig_mode == "unsupported"
        assert gpu.recovery_action == ("None" if schema >= 13 else None)
        assert gpu.compute_capability == ("7.5" if schema >= 12 else None)
        assert gpu.faults == []

    @pytest.mark.parametrize("schema", [11, 13])
    def test_slowed_down(self, schema: int) -> None:
        """The element was renamed in 535."""
        gpu = Gpu(0, reasons=("hw_thermal_slowdown", "gpu_idle"))
        assert smi_xml.parse(texts.smi_xml(Machine(), [gpu], schema)).gpus[0].slowed_by == ["hw_thermal_slowdown"]

    def test_mig(self) -> None:
        gpu = Gpu(0, mig=(Slice("3g.40gb", 40192, 2), Slice("1g.10gb", 9728, 9)))
        (seen,) = smi_xml.parse(texts.smi_xml(Machine(), [gpu])).gpus
        assert seen.mig_mode == "enabled"
        assert [(one.number, one.gi_id, one.memory) for one in seen.mig] == [(0, 2, 40192 * MIB), (1, 9, 9728 * MIB)]

    def test_faults_in_cells(self) -> None:
        text = texts.smi_xml(Machine(), [Gpu(0)]).replace("<gpu_temp>41 C<", "<gpu_temp>GPU is lost<")
        assert smi_xml.parse(text).gpus[0].faults == ["lost"]

    def test_entities_are_not_expanded(self) -> None:
        bomb = (
            '<?xml version="1.0"?><!DOCTYPE nvidia_smi_log [<!ENTITY a "ha"><!ENTITY b "&a;&a;">'
            '<!ENTITY c SYSTEM "file:///etc/passwd">]>\n'
            "<nvidia_smi_log><driver_version>&b;&c;</driver_version></nvidia_smi_log>"
        )
        answer = smi_xml.parse(bomb)
        assert answer.driver_version is None
        assert answer.problem

    def test_inline_dtd_is_left_out(self) -> None:
        text = texts.smi_xml(Machine(), [Gpu(0)]).replace(
            'SYSTEM "nvsmi_device_v12.dtd"', "[<!ELEMENT nvidia_smi_log (gpu*)>]"
        )
        assert len(smi_xml.parse(text).gpus) == 1

    @pytest.mark.parametrize("text", ["", "table", "<nvidia_smi_log><gpu>", "<nvidia_smi_log>&x;</nvidia_smi_log>"])
    def test_something_else(self, text: str) -> None:
        answer = smi_xml.parse(text)
        assert answer.gpus == []
        assert answer.problem

    def test_nothing_but_a_gpu(self) -> None:
        answer = smi_xml.parse('<nvidia_smi_log><gpu id="00000000:01:00.0"/></nvidia_smi_log>')
        assert answer.gpus[0].bus_id == "0000:01:00.0"
        assert answer.gpus[0].memory is None


class TestCsv:
    def test_safe_fields(self) -> None:
        machine = Machine(gpus=(Gpu(0), Gpu(1, mig=())))
        first, second = smi_csv.parse(texts.smi_csv(machine, machine.gpus))
        assert (first.uuid, first.bus_id, first.memory, first.mig_mode) == (
            Gpu(0).uuid,
            "0000:3b:00.0",
            15360 * MIB,
            "unsupported",
        )
        assert (second.number, second.mig_mode, second.driver_version) == (1, "enabled", "550.163.01")

    def test_lost(self) -> None:
        text = "index, uuid, memory.total [MiB], temperature.gpu\n1, GPU-a, [GPU is lost], [GPU is lost]\n"
        (gpu,) = smi_csv.parse(text)
        assert (gpu.memory, gpu.faults) == (None, ["lost"])

    @pytest.mark.parametrize("text", ["", 'Field "bogus" is not a valid field to query.\n', "a, b\n1\n", "\0"])
    def test_something_else(self, text: str) -> None:
        assert smi_csv.parse(text) == []


def test_fields_are_those_that_are_played() -> None:
    assert smi_csv.FIELDS == texts.SAFE_FIELDS
