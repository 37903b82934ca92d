# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The image was built once, and every machine has the very one that the registry has.

The builder did that, or loaded the archive that GPULAB_IMAGES has of the first `make demo`.
"""

from __future__ import annotations

import json
import os
import re

from ansible_collections.gpulab.workstation.molecule.lab.tests.conftest import CURRENT, MACHINES, image_id, name_of
from ansible_collections.gpulab.workstation.molecule.resources.notebook import Notebook
from testinfra.host import Host

testinfra_hosts = [f"ansible://{name}" for name in MACHINES]


def references(host: Host) -> list[str]:
    """What the engine knows of the image's origin: REGISTRY/NAME@DIGEST."""
    return list(json.loads(host.check_output("docker image inspect --format '{{json .RepoDigests}}' %s", CURRENT)))


def test_every_machine_has_the_digest_of_the_registry(host: Host, registry: Host) -> None:
    (reference,) = references(host)
    names = host.check_output("docker image inspect --format '{{join .RepoTags \" \"}}' %s", CURRENT)
    (tag,) = re.findall(r"(?:^| )keras:(cpu-[0-9a-f]{12})", names)
    kept = f"/var/lib/docker-registry/docker/registry/v2/repositories/keras/_manifests/tags/{tag}/current/link"
    assert registry.file(kept).content_string == reference.rpartition("@")[2]


def test_it_came_by_digest(host: Host, registry: Host) -> None:
    digest = references(host)[0].rpartition("@")[2]
    client = host.ansible.get_variables()["ansible_host"]
    log = registry.check_output("journalctl --unit docker-registry --output cat --no-pager")
    asked = rf'^{re.escape(client)} .*"GET /v2/keras/manifests/'
    assert re.search(asked + digest, log, re.M), log[-2000:]
    assert not re.search(asked + "cpu", log, re.M), "somebody pulled by the tag"


def test_it_was_built_once(host: Host, registry: Host) -> None:
    assert image_id(host, CURRENT) == image_id(registry, CURRENT)
    assert host.check_output("docker image ls --quiet gpulab/base") == "", "the base of a build"
    assert "Build Cache: 0" in host.check_output("docker system df --format '{{.Type}}: {{.TotalCount}}'").splitlines()
    assert not host.package("mmdebstrap").is_installed
    is_built_here = not os.environ.get("GPULAB_IMAGES")
    assert registry.package("mmdebstrap").is_installed == is_built_here
    assert bool(registry.check_output("docker image ls --quiet gpulab/base")) == is_built_here


def test_and_a_notebook_runs_it(host: Host) -> None:
    notebook = Notebook(host, MACHINES[name_of(host)])
    assert notebook.inspect("{{json .Image}}") == image_id(host, CURRENT)
    assert notebook.run_cell("import keras; print(float(keras.ops.sum(keras.ops.ones((2, 3)))))") == "6.0"
