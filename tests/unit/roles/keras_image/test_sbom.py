# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside an image is a CycloneDX document that names all that the image holds."""

from __future__ import annotations

import importlib.util
import json
import re
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[4] / "roles/keras_image/files/sbom.py"
DEP5 = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
License: Expat

Files: debian/*
License: GPL-2+

License: GPL-2+
 On Debian systems...
"""


@pytest.fixture(scope="module")
def sbom() -> Any:
    spec = importlib.util.spec_from_file_location("sbom", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def description(**fields: list[str]) -> Message:
    message = Message()
    for name, values in fields.items():
        for value in values:
            message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"License_Expression": ["Apache-2.0 OR MIT"], "License": ["x"]}, [{"expression": "Apache-2.0 OR MIT"}]),
        (
            {"Classifier": ["License :: OSI Approved", "License :: OSI Approved :: MIT License", "Topic :: x"]},
            [{"license": {"name": "MIT License"}}],
        ),
        ({"License": ["BSD"]}, [{"license": {"name": "BSD"}}]),
        ({"License": ["Copyright (c) 2026\nRedistribution and use..."]}, []),
        ({"License": ["UNKNOWN"]}, []),
        ({}, []),
    ],
)
def test_python_licences(sbom: Any, fields: dict[str, list[str]], found: list[dict[str, Any]]) -> None:
    assert sbom.python_licenses(description(**fields)) == found


def test_debian_licences(sbom: Any) -> None:
    assert sbom.debian_licenses(DEP5) == [{"license": {"name": "Expat"}}, {"license": {"name": "GPL-2+"}}]
    assert sbom.debian_licenses("This package was debianized by...\nLicense: GPL\n") == []


def test_purls(sbom: Any, tmp_path: Path) -> None:
    component = sbom.python_component(description(Name=["Ruamel.Yaml_clib"], Version=["1.0+cpu"]))
    assert component["purl"] == "pkg:pypi/ruamel-yaml-clib@1.0%2Bcpu"
    release = {"ID": "debian", "VERSION_ID": "13"}
    component = sbom.debian_component("libstdc++6\t1:14.2.0-19~deb13\tamd64", release, tmp_path)
    assert component["purl"] == "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2.0-19~deb13?arch=amd64&distro=debian-13"
    assert "licenses" not in component


def test_document_has_what_cyclonedx_requires(sbom: Any) -> None:
    keras = sbom.python_component(description(Name=["keras"], Version=["3.15.1"], License_Expression=["Apache-2.0"]))
    bill = json.loads(json.dumps(sbom.bill("registry.lab.example:5000/keras:cpu-aaaaaaaaaaaa", [keras, keras])))
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", bill["metadata"]["timestamp"])
    about = bill["metadata"]["component"]
    assert (about["type"], about["name"]) == ("container", "registry.lab.example:5000/keras")
    assert about["version"] == "cpu-aaaaaaaaaaaa"
    assert bill["components"] == [keras]
    assert keras["type"] == "library"
    assert keras["bom-ref"] == keras["purl"] == "pkg:pypi/keras@3.15.1"
