# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The promises of the role lab_registry, over random hosts and random wishes."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.plan import Plan, plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.seen import Controller, Look, Port, Unit
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.wanted import Wanted, read
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._lab_registry.host import (
    CONTENTS,
    DAY,
    NOW,
    PATHS,
    STARTED,
    STATE_FILES,
    UNITS,
    authority,
    certificate,
    provisioned,
    seen,
)
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._lab_registry.host import (
    given as inputs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

WISHES = st.fixed_dictionaries(
    {},
    optional={
        "lab_registry_host": st.sampled_from(["registry", "192.0.2.1", "a/b"]),
        "lab_registry_port": st.sampled_from(["5000", 0]),
        "lab_registry_keep": st.sampled_from(["3", "no"]),
        "lab_registry_clean_schedule": st.just(""),
        "lab_registry_restart_hours": st.sampled_from(["0", 24, 1000]),
        "lab_registry_renew_days": st.sampled_from([10, "800"]),
        "check_mode": st.booleans(),
    },
)
CONTROLLERS = st.builds(
    lambda there, has_key, ca, own, replaced: Controller(
        there, has_key, ca if "ca.pem" in there else None, own if "server.pem" in there else None, replaced
    ),
    st.one_of(st.just(STATE_FILES), st.lists(st.sampled_from(STATE_FILES), unique=True)),
    st.booleans(),
    st.sampled_from([authority(), authority("bb"), authority(days=5)]),
    st.sampled_from([certificate(), certificate("bb"), certificate(days=5)]),
    st.sampled_from([[], ["aa"]]),
)


@st.composite
def looks(draw: st.DrawFn) -> Look:
    look = provisioned()
    files = {
        path: dataclasses.replace(
            file,
            sha256=draw(st.sampled_from([file.sha256, file.sha256, "other"])),
            written=draw(st.sampled_from([file.written, file.written, NOW - 3600, NOW - 9 * DAY, NOW])),
        )
        for path, file in look.files.items()
        if draw(st.integers(0, 9))
    }
    units = {
        name: Unit(
            draw(st.booleans()), draw(st.booleans()), False, STARTED, draw(st.sampled_from(["success", "signal"]))
        )
        for name in UNITS.values()
    }
    return dataclasses.replace(
        look,
        packages=draw(st.sampled_from([look.packages, look.packages, []])),
        files=files,
        units=units,
        ports={port: Port(True, draw(st.sampled_from([0, 0, 2]))) for port in (5000, 5001)},
        passwords={path: names[: draw(st.integers(0, 2))] for path, names in look.passwords.items()},
        percent=draw(st.sampled_from([20, 99])),
        served=draw(st.sampled_from([None, certificate(), certificate(), certificate("cc")])),
    )


CASES = {"look": looks(), "at": CONTROLLERS, "wish": WISHES}


def decided(look: Look, at: Controller, wish: dict[str, t.Any]) -> tuple[Wanted, Plan]:
    wanted, problems = read(inputs(**wish))
    return wanted, plan(wanted, problems, seen(look, at))


def after(found: Plan, look: Look, at: Controller) -> tuple[Look, Controller]:
    """What the acts of the plan leave behind. The second look of the role comes between writing and restarting."""
    if found.authority.prepares:
        ca = authority("dd") if found.authority.new else at.ca
        assert ca
        new = certificate(ca.subject_key, names=found.authority.names)
        at = Controller(
            list(STATE_FILES),
            True,
            ca,
            new if found.authority.renews else at.certificate,
            at.replaced + found.authority.replaces,
        )
    files = dict(look.files)
    for one in found.files:
        file = provisioned().file(one["path"])
        files[one["path"]] = dataclasses.replace(file, mode=one["mode"], group=one["group"], written=NOW)
    for one in found.directories:
        files[one["path"]] = dataclasses.replace(provisioned().file(one["path"]), mode=one["mode"])
    if found.remove_timer:
        del files[PATHS["timer"]]
    if found.packages:
        files[PATHS["unpacked"]] = provisioned().file(PATHS["unpacked"])
    units = dict(look.units)
    if found.start_timer:
        units[UNITS["timer"]] = Unit(True, True, False, NOW, "success")
    return (
        dataclasses.replace(
            look,
            packages=provisioned().packages,
            files=files,
            units=units,
            passwords=provisioned().passwords,
            served=at.certificate,
        ),
        at,
    )


def restart(found: Plan, look: Look) -> Look:
    started = {one["unit"]: Unit(True, True, False, NOW + 1, "success") for one in found.processes}
    return dataclasses.replace(look, units={**look.units, **started})


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_a_refusal_changes_nothing(look: Look, at: Controller, wish: dict[str, t.Any]) -> None:
    _wanted, found = decided(look, at, wish)
    if found.refused:
        assert found == Plan(refused=found.refused, look_for=found.look_for, client=found.client)
        assert all(sentence.endswith(".") for sentence in found.refused)


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_a_registry_of_another_controller_is_left_alone(look: Look, at: Controller, wish: dict[str, t.Any]) -> None:
    _wanted, found = decided(dataclasses.replace(look, served=certificate("cc")), at, wish)
    assert found.refused


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_nobody_at_work_is_cut_off_before_the_time(look: Look, at: Controller, wish: dict[str, t.Any]) -> None:
    wanted, found = decided(look, at, wish)
    restarted = [one["unit"] for one in found.processes if one["state"] == "restarted"]
    for process, port in ((found.pull, wanted.variables.port), (found.push, wanted.variables.push_port)):
        if process.unit in restarted:
            assert look.port(port).clients == 0 or process.patience <= NOW
            assert look.unit(process.unit).active


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_no_wait_is_without_an_end(look: Look, at: Controller, wish: dict[str, t.Any]) -> None:
    """Nothing waits longer than lab_registry_restart_hours, whatever clients do."""
    _wanted, found = decided(dataclasses.replace(look, now=NOW + 1001 * 3600), at, wish)
    assert (found.pull.waits, found.push.waits) == (False, False)


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_a_second_run_wants_nothing(look: Look, at: Controller, wish: dict[str, t.Any]) -> None:
    wish.pop("check_mode", None)
    wanted, first = decided(look, at, wish)
    if first.refused:
        return
    look, at = after(first, look, at)
    second = plan(wanted, [], seen(look, at))
    assert second.refused == []
    look = restart(second, look)
    third = plan(wanted, [], seen(look, at))
    assert (third.authority.prepares, third.packages, third.directories, third.files) == (False, [], [], [])
    assert (third.accounts.create, third.accounts.set, third.processes) == ([], [], [])
    assert (third.start_timer, third.remove_timer) == (False, False)
    assert third.pending == second.pending


@settings(max_examples=300, deadline=None)
@given(**CASES)
def test_pending_is_said_with_a_variable(look: Look, at: Controller, wish: dict[str, t.Any]) -> None:
    _wanted, found = decided(look, at, wish)
    cleaning = not found.refused and look.unit(UNITS["clean"]).active
    assert len(found.pending) == found.pull.waits + found.push.waits + cleaning
    for sentence in found.pending:
        assert "(lab_registry_" in sentence
        assert sentence.endswith(".")


@settings(max_examples=200, deadline=None)
@given(**CASES, randomness=st.randoms())
def test_the_order_is_that_of_the_tables(look: Look, at: Controller, wish: dict[str, t.Any], randomness: t.Any) -> None:
    shuffled: dict[str, t.Any] = {}
    for name in ("files", "units", "passwords", "ports"):
        keys = list(getattr(look, name))
        randomness.shuffle(keys)
        shuffled[name] = {key: getattr(look, name)[key] for key in keys}
    _wanted, found = decided(look, at, wish)
    other = dataclasses.replace(at, there=list(reversed(at.there)))
    assert decided(dataclasses.replace(look, **shuffled), other, wish)[1] == found
    assert [one["path"] for one in found.files] == [
        path for path in CONTENTS if path in {one["path"] for one in found.files}
    ]
