# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role lab_registry decides: refusals, the authority, which process is restarted or waits, and warnings."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.plan import Plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.seen import (
    Answer,
    Controller,
    File,
    Look,
    Port,
    Seen,
    Unit,
)
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.wanted import read
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._lab_registry.host import (
    ACCOUNTS,
    CLEAN_FILES,
    CONTENTS,
    FILES,
    PATHS,
    STATE_FILES,
    UNITS,
    authority,
    certificate,
    controller,
    decide,
    given,
    newer,
    provisioned,
)

PULL, PUSH, CLEAN = UNITS["pull"], UNITS["push"], UNITS["clean"]
CONFIG, SYSTEM = "/etc/docker/registry", "/etc/systemd/system"
SHARED = [f"{CONFIG}/server.pem", f"{CONFIG}/server.key"]
OF_PULLS = [f"{CONFIG}/pull.yml", f"{SYSTEM}/{PULL}"]
OF_PUSHES = [f"{CONFIG}/push.yml", f"{SYSTEM}/{PUSH}"]
BUSY = {5000: Port(True, 2), 5001: Port(True, 1)}


def with_unit(name: str, **changes: t.Any) -> Look:
    look = provisioned()
    return dataclasses.replace(look, units={**look.units, name: dataclasses.replace(look.units[name], **changes)})


def test_nothing_to_do() -> None:
    found = decide()
    assert (found.refused, found.packages, found.directories, found.files, found.processes) == ([], [], [], [], [])
    assert (found.accounts.create, found.accounts.set) == ([], [])
    assert not found.authority.prepares
    assert (found.complete, found.failure, found.pending, found.notes) == (True, "", [], [])
    assert (found.start_timer, found.remove_timer, found.reload_units, found.look_for.ask) == (
        False,
        False,
        False,
        True,
    )


def test_a_fresh_host() -> None:
    found = decide(Look(now=1.0), Controller())
    assert found.authority.missing == STATE_FILES
    assert found.authority.would_make == STATE_FILES
    assert (found.authority.new, found.authority.renews, found.authority.replaces) == (True, True, [])
    assert found.authority.names == ["DNS:lab01", "DNS:localhost", "IP:127.0.0.1"]
    assert found.authority.passwords == ["pull.password", "push.password"]
    assert found.packages == ["docker-registry", "apache2-utils"]
    assert [one["path"] for one in found.files] == [one["path"] for one in FILES + CLEAN_FILES]
    assert found.processes == [{"unit": PULL, "state": "started"}, {"unit": PUSH, "state": "started"}]
    assert found.accounts.create == list(ACCOUNTS)
    assert [(one["path"][-13:-9], one["account"]) for one in found.accounts.set] == [
        ("pull", "pull"),
        ("pull", "push"),
        ("push", "push"),
    ]
    assert found.start_timer
    assert not found.look_for.ask


def test_a_fresh_host_in_check_mode_has_no_user_to_write_for() -> None:
    found = decide(Look(now=1.0), Controller(), check_mode=True)
    assert (found.writes, found.processes, found.packages) == (False, [], ["docker-registry", "apache2-utils"])
    assert decide(check_mode=True).writes


def test_before_the_look_only_the_question_is_decided() -> None:
    wanted, problems = read(given())
    found = plan(wanted, problems, Seen(controller=controller()))
    assert found == Plan(look_for=found.look_for, client=found.client)
    assert set(CONTENTS) <= set(found.look_for.files)


# Restarts


@pytest.mark.parametrize(
    ("path", "pull", "push"),
    [
        *[(path, "restarted", "restarted") for path in SHARED],
        *[(path, "restarted", "") for path in OF_PULLS],
        *[(path, "", "restarted") for path in OF_PUSHES],
        # A new version of the package, which restarts the process for pulls itself.
        (PATHS["unpacked"], "", "restarted"),
        ("/etc/hostname", "", ""),
    ],
)
def test_a_process_that_is_older_than_what_it_reads_is_restarted(path: str, pull: str, push: str) -> None:
    found = decide(newer(path))
    assert (found.pull.state, found.push.state) == (pull, push)
    assert not found.pending


def test_a_new_version_waits_for_a_push() -> None:
    found = decide(newer(PATHS["unpacked"], ports=BUSY))
    assert found.processes == []
    assert found.pending == [
        "1 client(s) push to the registry lab01:5001 now, so it was not restarted and still has its earlier program, "
        "configuration and certificate. The next run looks again, and restarts it after 2026-11-19 10:06 UTC in any "
        "case (lab_registry_restart_hours: 24)."
    ]


@pytest.mark.parametrize(
    ("waited", "hours", "waits"),
    [
        (0, 24, True),
        (23.9, 24, True),
        (24, 24, False),
        (160, 24, False),
        (1, "1", False),
        (0.5, "1", True),
        (0, 0, False),
    ],
)
def test_a_new_certificate_is_not_kept_back_for_ever(waited: float, hours: t.Any, waits: bool) -> None:
    """Whoever is connected all the time, and the clock of the host counts."""
    look = newer(SHARED[0], waited, ports=BUSY)
    found = decide(look, lab_registry_restart_hours=hours)
    assert (found.pull.waits, found.push.waits) == (waits, waits)
    assert [one["state"] for one in found.processes] == ([] if waits else ["restarted", "restarted"])
    assert len(found.pending) == (2 if waits else 0)


def test_a_process_that_was_stopped_is_started_and_waits_for_nobody() -> None:
    assert decide(with_unit(PULL, active=False, started=0.0)).processes == [{"unit": PULL, "state": "started"}]
    assert decide(with_unit(PUSH, enabled=False)).processes == [{"unit": PUSH, "state": "started"}]


def test_the_push_port_stays_closed_while_the_storage_is_cleaned() -> None:
    look = with_unit(CLEAN, active=True)
    look = dataclasses.replace(
        look,
        units={**look.units, PUSH: Unit(enabled=True)},
        answers=[Answer(5001, "push", "GET", 200, 0, "refused", False)],
    )
    found = decide(look)
    assert (found.processes, found.complete) == ([], True)
    (sentence,) = found.pending
    assert sentence.startswith(
        "The registry on lab01 is being cleaned (lab_registry_clean_schedule), and refuses pushes"
    )


def test_old_processes_are_not_judged_by_their_answers() -> None:
    bad = [Answer(5000, "pull", "GET", 200, 0, "certificate has expired", False)]
    assert decide(newer(SHARED[0], ports=BUSY, answers=bad)).complete
    found = decide(provisioned(answers=bad))
    assert not found.complete
    assert found.failure.splitlines() == [
        "The registry on lab01 does not do what it should:",
        "- GET on port 5000 with the account pull: certificate has expired, instead of status 200.",
        f"`journalctl -u {PULL} -u {PUSH} -n 30` has its own words.",
    ]
    found = decide(provisioned(answers=[Answer(5001, "", "POST", 401, 202, "", False)]))
    assert "- POST on port 5001 without a password: status 202, instead of status 401." in found.failure


# The authority


@pytest.mark.parametrize(
    ("at", "renews"),
    [
        (controller(), False),
        (controller(certificate=certificate(days=91)), False),
        (controller(certificate=certificate(days=89)), True),
        (controller(certificate=None), True),
        (controller(certificate=certificate(names=["DNS:lab01"])), True),
        (controller(ca=authority("bb")), True),
        (controller(there=[name for name in STATE_FILES if name != "server.key"]), True),
    ],
)
def test_renewal(at: Controller, renews: bool) -> None:
    found = decide(provisioned(), at)
    assert found.refused == []
    assert (found.authority.renews, found.authority.prepares) == (renews, renews)


def test_an_address_is_the_same_however_it_is_written() -> None:
    at = controller(certificate=certificate(names=[*controller().certificate.names, "IP:2001:db8::1"]))  # type: ignore[union-attr]
    assert not decide(provisioned(), at, lab_registry_names=["2001:DB8:0::1", "lab01"]).authority.renews


@pytest.mark.parametrize(
    ("at", "served", "refused", "replaces"),
    [
        (controller(), certificate(), False, []),
        (controller(), None, False, []),
        # Another controller: without an authority, and with one of its own.
        (Controller(), certificate(), True, []),
        (controller(ca=authority("bb"), certificate=certificate("bb")), certificate(), True, []),
        (controller(), certificate(""), True, []),
        # This controller, whose authority was moved away, or replaced by that of a campus.
        (controller(there=STATE_FILES[1:], ca=None), certificate(), False, ["aa"]),
        (controller(ca=authority("bb")), certificate(), False, ["aa"]),
        # An earlier run was broken off before the host got the new one.
        (controller(ca=authority("bb"), certificate=certificate("bb"), replaced=["aa"]), certificate(), False, ["aa"]),
    ],
)
def test_a_second_controller_does_not_take_the_registry_over(
    at: Controller, served: t.Any, refused: bool, replaces: list[str]
) -> None:
    found = decide(provisioned(served=served), at)
    assert bool(found.refused) is refused
    assert found.authority.replaces == replaces
    if refused:
        assert found.refused == [
            "lab01 serves its registry by an authority that this controller does not have in /lab/.gpulab/registry. "
            "Copy that directory (lab_registry_state) from the controller that set the registry up, and run again. "
            "Where it is lost, remove /etc/docker/registry/server.pem on lab01: the next run then gives the registry "
            "an authority of this controller, and each client gets it the next time it pulls."
        ]


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (
            controller(has_ca_key=False, certificate=certificate(days=1)),
            "/lab/.gpulab/registry/ca.pem on this controller has no",
        ),
        (controller(ca=None), "/lab/.gpulab/registry/ca.pem on this controller is no certificate in PEM."),
    ],
)
def test_an_authority_is_not_replaced_unasked(at: Controller, words: str) -> None:
    (sentence,) = decide(provisioned(), at).refused
    assert words in sentence


def test_an_authority_without_its_key_serves_on() -> None:
    assert decide(provisioned(), controller(has_ca_key=False)).refused == []


# Settings


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, []),
        (
            {
                "host": "192.0.2.1",
                "port": "443",
                "push_port": 444,
                "bind_address": "192.0.2.255",
                "storage": "/srv",
                "keep": "1",
            },
            [],
        ),
        *[
            ({"host": host}, [f"lab_registry_host is {host or '(empty)'};"])
            for host in (
                "https://lab.example",
                "lab.example/images",
                "lab server",
                "lab.example:5000",
                "lab_1",
                "",
                "-lab",
                "lab01\n",
            )
        ],
        ({"port": 0}, ["lab_registry_port is 0, which is no port"]),
        ({"push_port": 65536}, ["lab_registry_push_port is 65536, which is no port"]),
        ({"port": "5001"}, ["lab_registry_port and lab_registry_push_port are both 5001"]),
        *[
            ({"bind_address": address}, [f"lab_registry_bind_address is {address}, which is no IPv4 address"])
            for address in ("eth0", "192.0.2.256", "192.0.2", "::1")
        ],
        ({"storage": "images"}, ["lab_registry_storage is images, which is no absolute path"]),
        ({"keep": 0}, ["lab_registry_keep is 0, which would remove every image"]),
        ({"restart_hours": -1}, ["lab_registry_restart_hours is -1; write 0, for no wait, or more."]),
        ({"renew_days": 730}, ["Certificates are made for 730 days and renewed in the last 730, which is always."]),
        (
            {"host": "a/b", "port": 70000, "keep": -1},
            ["lab_registry_host is a/b", "lab_registry_port is 70000", "lab_registry_keep is -1"],
        ),
        ({"keep": "many"}, ["lab_registry_keep of lab01 is 'many', and should be a number, such as its default, 10."]),
        ({"names": "registry"}, ["lab_registry_names of lab01 is 'registry', and should be a list"]),
        ({"port": "web"}, ["lab_registry_port of lab01 is 'web', and should be a number."]),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused_together(variables: dict[str, t.Any], words: list[str]) -> None:
    found = decide(**{f"lab_registry_{name}": value for name, value in variables.items()})
    assert [problem.startswith(begin) for problem, begin in zip(found.refused, words, strict=True)] == [True] * len(
        words
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"service_mgr": "sysvinit"}, "lab01 runs Debian 13 under sysvinit. The role lab_registry supports Debian 12,"),
        ({"distribution_major_version": "11"}, "lab01 runs Debian 11 under systemd."),
        (
            {"groups": {"registry": ["a", "b"], "builder": [], "workstations": []}},
            "The group registry has a, b, and a lab",
        ),
    ],
)
def test_platforms_and_groups(changes: dict[str, t.Any], words: str) -> None:
    wanted, problems = read({**given(), **changes})
    (sentence,) = plan(wanted, problems, Seen(controller=controller())).refused
    assert sentence.startswith(words)


@pytest.mark.parametrize(("groups", "refused"), [({"workstations": ["lab01"]}, False), ({"builder": ["lab02"]}, True)])
def test_a_name_that_is_each_machine_itself(groups: dict[str, list[str]], refused: bool) -> None:
    at = controller(certificate=certificate(names=["DNS:localhost", "DNS:lab01", "IP:127.0.0.1"]))
    found = decide(provisioned(), at, groups=groups, lab_registry_host="localhost")
    assert [sentence[:55] for sentence in found.refused] == (
        ["lab_registry_host is localhost, which is lab02 itself o"] if refused else []
    )


def test_a_taken_port_is_refused_before_the_package_would_listen() -> None:
    look = Look(ports={5000: Port(True), 5001: Port(True)})
    (sentence,) = decide(look).refused
    assert sentence.startswith("Something else listens on port 5000 and 5001 of lab01")
    # Of a registry that is there, the failing start says so.
    assert decide(with_unit(PULL, active=False)).refused == []


# Notes, files, timer


@pytest.mark.parametrize(("percent", "warns"), [(85, False), (86, True)])
def test_a_disk_that_fills_is_announced(percent: int, warns: bool) -> None:
    notes = decide(provisioned(percent=percent, free=14.04e9)).notes
    sentence = f"{percent} % of the file system of /var/lib/docker-registry on lab01 are in use, more than"
    sentence += " lab_registry_disk_limit (85); 14.0 GB are free."
    assert [note.startswith(sentence) for note in notes] == ([True] if warns else []), notes


def test_notes() -> None:
    (note,) = decide(with_unit(CLEAN, result="exit-code")).notes
    assert note == f"The last cleaning of the registry on lab01 failed; `journalctl -u {CLEAN}` says why."
    (note,) = decide(provisioned(), controller(ca=authority(days=89))).notes
    assert note.startswith("The lab's authority /lab/.gpulab/registry/ca.pem ends on 20340101 (year, month, day)")


@pytest.mark.parametrize("change", [{"sha256": "other"}, {"mode": "0600"}, {"group": "users"}])
def test_a_file_that_differs_is_written(change: dict[str, t.Any]) -> None:
    look, path = provisioned(), f"{CONFIG}/pull.yml"
    changed = {**look.files, path: dataclasses.replace(look.files[path], **change)}
    assert decide(dataclasses.replace(look, files=changed)).files == [{"path": path, "group": "root", "mode": "0644"}]


def test_without_a_schedule_the_timer_goes() -> None:
    found = decide(lab_registry_clean_schedule="")
    assert (found.remove_timer, found.start_timer, found.cleans) == (True, False, False)
    look = provisioned()
    look = dataclasses.replace(look, files={**look.files, PATHS["timer"]: File()})
    found = decide(look, lab_registry_clean_schedule="")
    assert (found.remove_timer, found.files) == (False, [])


# Clients


def test_clients() -> None:
    found = decide(lab_registry_account="push").client
    assert found.refused == []
    assert found.addresses == ["lab01:5000", "lab01:5001"]
    assert [one["path"] for one in found.directories] == [
        "/etc/gpulab",
        "/etc/gpulab/registry",
        "/etc/gpulab/registry/push",
        "/etc/docker/certs.d/lab01:5000",
        "/etc/docker/certs.d/lab01:5001",
    ]
    assert [(one["path"], one["mode"]) for one in found.files] == [
        ("/etc/docker/certs.d/lab01:5000/ca.crt", "0644"),
        ("/etc/docker/certs.d/lab01:5001/ca.crt", "0644"),
        ("/etc/gpulab/registry/push/config.json", "0600"),
    ]
    assert decide().client.addresses == ["lab01:5000"]


def test_a_client_without_authority_is_told_where_it_comes_from() -> None:
    (sentence,) = decide(provisioned(), Controller(["pull.password"])).client.refused
    assert sentence.startswith(
        "/lab/.gpulab/registry on this controller has no ca.pem, so lab01 cannot use the registry"
    )
    (sentence,) = decide(provisioned(), Controller()).client.refused
    assert "has no ca.pem and no pull.password, so" in sentence
