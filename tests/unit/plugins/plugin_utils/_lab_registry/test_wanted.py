# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every public variable of the role lab_registry, as an INI inventory or -e gives it: as text."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.plan import plan
from ansible_collections.gpulab.workstation.plugins.plugin_utils._lab_registry.wanted import Variables, read
from ansible_collections.gpulab.workstation.tests.unit.plugins.plugin_utils._lab_registry.host import (
    DEFAULTS,
    controller,
    given,
    provisioned,
    seen,
)

TEXTS = ("false", "no", "12")
# What the text means, by the type of a variable; a variable of any other type refuses it.
MEANING: dict[str, dict[str, t.Any]] = {
    "bool": {"false": False, "no": False},
    "int": {"12": 12},
    "str": {text: text for text in TEXTS},
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("variable", DEFAULTS)
def test_text_is_typed_or_refused_with_the_name(variable: str, text: str) -> None:
    variables: dict[str, t.Any] = {variable: text}
    wanted, problems = read(given(**variables))
    refused = plan(wanted, problems, seen(provisioned(), controller())).refused
    name = variable.removeprefix("lab_registry_")
    meaning = MEANING.get(str(Variables.__dataclass_fields__[name].type), {})
    if text in meaning:
        assert problems == []
        assert getattr(wanted.variables, name) == meaning[text]
        assert type(getattr(wanted.variables, name)) is type(meaning[text])
        # A value that cannot work.
        assert not refused or any(variable in sentence for sentence in refused)
    else:
        (sentence,) = problems
        assert sentence.startswith(f"{variable} of lab01 is '{text}', and should be ")
        assert refused == problems
