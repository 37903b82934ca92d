# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Field case 09, and its kind: names that collide."""

from __future__ import annotations

from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.certificates import DIRECTORY, digest, missing
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.plan import first_plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._docker.seen import File, Look, Seen
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._docker.host import provisioned, wants

TEXTS: dict[str, str | None] = {"campus/ca.pem": "campus", "lab/ca.pem": "lab"}
PLAIN = f"{DIRECTORY}/ca.crt"
HASHED = {text: f"{DIRECTORY}/ca-{digest(text)[:12]}.crt" for text in ("campus", "lab")}


class Store:
    """The host's trust store over several runs."""

    def __init__(self, **there: str) -> None:
        self.files = {f"{DIRECTORY}/{name}.crt": text for name, text in there.items()}
        self.links = {self.link(path) for path in self.files}
        self.updates = 0

    @staticmethod
    def link(path: str) -> str:
        return path.replace(DIRECTORY, "/etc/ssl/certs").replace(".crt", ".pem")

    def look(self) -> Look:
        files = {path: File(True, digest(text)) for path, text in self.files.items()}
        return provisioned(files={**files, **{path: File(True) for path in self.links}})

    def run(self, *sources: str) -> None:
        wanted = wants(docker_ca_certificates=list(sources))
        look = self.look()
        decided = plan(wanted, Seen(before=look, now=look, certificates=TEXTS))
        assert decided.refused == []
        for one in decided.certificates.copies:
            self.files[one["path"]] = str(TEXTS[one["source"]])
        if decided.certificates.update_store:
            self.links = {self.link(path) for path in self.files}
            self.updates += 1


def test_two_authorities_of_one_name_are_both_trusted() -> None:
    store = Store()
    store.run("campus/ca.pem", "lab/ca.pem")
    assert store.files == {HASHED["campus"]: "campus", HASHED["lab"]: "lab"}
    for _again in range(2):
        store.run("campus/ca.pem", "lab/ca.pem")
    assert store.updates == 1


def test_a_file_of_others_stays() -> None:
    store = Store(ca="of the IT department")
    store.run("lab/ca.pem")
    assert store.files == {PLAIN: "of the IT department", HASHED["lab"]: "lab"}


def test_a_certificate_that_is_there_is_not_copied_again() -> None:
    """As an earlier version of this role has written it."""
    store = Store(ca="lab")
    store.run("lab/ca.pem")
    assert (store.files, store.updates) == ({PLAIN: "lab"}, 0)
    store.run("lab/ca.pem", "campus/ca.pem")
    assert (store.files, store.updates) == ({PLAIN: "lab", HASHED["campus"]: "campus"}, 1)


def test_an_update_that_was_broken_off_is_made_up_for() -> None:
    store = Store(ca="lab")
    store.links.clear()
    store.run("lab/ca.pem")
    assert store.updates == 1


def test_a_certificate_newer_than_the_engine_needs_a_restart() -> None:
    look = provisioned(files={PLAIN: File(True, digest("lab"), newer_than_engine=True)})
    wanted = wants(docker_ca_certificates=["lab/ca.pem"])
    assert plan(wanted, Seen(before=look, now=look, certificates=TEXTS)).restart.reasons == [PLAIN]
    # Another one of that name is no matter of this role's.
    wanted = wants(docker_ca_certificates=["campus/ca.pem"])
    assert plan(wanted, Seen(before=look, now=look, certificates=TEXTS)).restart.reasons == []


def test_the_look_covers_both_names() -> None:
    wanted = wants(docker_ca_certificates=["lab/ca.pem"], docker_registry_certificates={"lab:5000": "r.pem"})
    look_for = first_plan(wanted, [], Seen(certificates={**TEXTS, "r.pem": "r"})).look_for
    assert look_for.certificates == ["lab/ca.pem", "r.pem"]
    assert {PLAIN, HASHED["lab"], Store.link(PLAIN), Store.link(HASHED["lab"])} <= set(look_for.files)


def test_a_file_that_is_not_there_is_named_with_its_variable() -> None:
    sources = {
        "docker_ca_certificates": ["lab/ca.pem", "ca.pem"],
        "docker_registry_certificates": ["~/nope/lab.pem"],
    }
    assert missing(TEXTS, sources, "/lab") == [
        "docker_ca_certificates names ca.pem, and this controller has no such file, or may not read it. It was looked"
        " for beside the playbook, in /lab and its `files`; write the whole path.",
        "docker_registry_certificates names ~/nope/lab.pem, and this controller has no such file, or may not read it.",
    ]
