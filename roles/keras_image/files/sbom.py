# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what an image holds, as CycloneDX 1.6: Python distributions, Debian packages, their licences where known.

Run in the image, with the image's reference as its argument.
"""

from __future__ import annotations

import datetime
import json
import platform
import re
import subprocess
import sys
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]


def licenses(names: list[str]) -> list[dict[str, Any]]:
    return [{"license": {"name": name}} for name in names]


def python_licenses(description: metadata.PackageMetadata) -> list[dict[str, Any]]:
    """Of what a distribution says about itself the most exact: an SPDX expression, its classifiers, a line of text."""
    if expressions := description.get_all("License-Expression"):
        return [{"expression": expressions[0]}]
    classifiers = [line for line in description.get_all("Classifier") or [] if line.startswith("License :: ")]
    names = [name for line in classifiers if (name := line.split(" :: ")[-1]) != "OSI Approved"]
    text = (description.get_all("License") or [""])[0].strip()
    # Some put all of the licence there.
    if not names and text and "\n" not in text and len(text) < 100 and text != "UNKNOWN":
        names = [text]
    return licenses(names)


def python_component(description: metadata.PackageMetadata) -> Component:
    name, version = description["Name"], description["Version"]
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{quote(version, safe='')}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    found = python_licenses(description)
    return component | ({"licenses": found} if found else {})


def debian_licenses(copyright_file: str) -> list[dict[str, Any]]:
    """The names of the licences in a machine-readable copyright file; others begin without a format."""
    if not copyright_file.lstrip().startswith("Format:"):
        return []
    return licenses(sorted(set(re.findall(r"^License:[ \t]*(\S.*?)\s*$", copyright_file, re.M))))


def debian_component(line: str, release: dict[str, str], copyrights: Path) -> Component:
    name, version, architecture = line.split("\t")
    qualifiers = f"arch={architecture}&distro={release['ID']}-{release.get('VERSION_ID', 'unstable')}"
    purl = f"pkg:deb/{release['ID']}/{quote(name, safe='')}@{quote(version, safe='~')}?{qualifiers}"
    component = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    try:
        found = debian_licenses((copyrights / name / "copyright").read_text(errors="replace"))
    except OSError:
        found = []
    return component | ({"licenses": found} if found else {})


def bill(reference: str, components: list[Component]) -> dict[str, Any]:
    name, _colon, tag = reference.rpartition(":")
    # Some distributions are seen twice, through two names of one directory.
    unique = {component["bom-ref"]: component for component in components}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "tools": {"components": [{"type": "application", "name": "gpulab.workstation.keras_image"}]},
            "component": {"type": "container", "bom-ref": reference, "name": name, "version": tag},
        },
        "components": [unique[reference] for reference in sorted(unique)],
    }


def main() -> None:
    python = [python_component(distribution.metadata) for distribution in metadata.distributions()]
    packages = subprocess.check_output(
        ["dpkg-query", "--show", "--showformat=${Package}\\t${Version}\\t${Architecture}\\n"], text=True
    )
    release = platform.freedesktop_os_release()
    debian = [debian_component(line, release, Path("/usr/share/doc")) for line in packages.splitlines()]
    json.dump(bill(sys.argv[1], python + debian), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
