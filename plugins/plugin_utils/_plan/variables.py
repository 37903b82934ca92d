# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A role's variables as typed values. An INI inventory and -e KEY=VALUE make text of everything."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int

Config = t.Dict[str, t.Any]
Reader = t.Callable[[t.Any], t.Any]
Record = t.TypeVar("Record")


class Kind(t.NamedTuple):
    """How an operator would call a type, how it is read, and its value where there is none."""

    words: str
    read: Reader
    empty: t.Any


def text(value: t.Any) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise TypeError
    # Booleans as YAML has them: `docker_version: no` was meant as text.
    return str(value).lower() if isinstance(value, bool) else str(value)


def number(value: t.Any) -> int:
    # A boolean counts as 0 or 1 in Python, and `lab_registry_keep: no` was not meant so.
    if isinstance(value, bool):
        raise TypeError
    return int(check_type_int(value))


def a_list(value: t.Any) -> list[t.Any]:
    if not isinstance(value, (list, tuple)):
        raise TypeError
    return list(value)


def dictionary(value: t.Any) -> Config:
    return dict(check_type_dict(value)) if value != "" else {}


# By the annotation of a field.
KINDS: dict[str, Kind] = {
    "str": Kind("text", text, ""),
    "bool": Kind("true or false", check_type_bool, False),
    "int": Kind("a number", number, 0),
    "list[str]": Kind("a list", lambda value: [text(one) for one in a_list(value)], []),
    "list[list[str]]": Kind("a list of lists", lambda value: [[text(key) for key in a_list(one)] for one in value], []),
    "dict[str, str]": Kind(
        "a dictionary", lambda value: {str(key): text(one) for key, one in dictionary(value).items()}, {}
    ),
    "Config": Kind("a dictionary", dictionary, {}),
}


class RoleVariables(t.Generic[Record]):
    """The record of a role's variables; whose value is its default; and a sentence for each that cannot be read.

    Those count as their default, or as empty where that is a template.
    """

    def __init__(
        self,
        record: type[Record],
        prefix: str,
        given: t.Mapping[str, t.Any],
        more: t.Mapping[str, Kind] | None = None,
    ) -> None:
        kinds = {**KINDS, **(more or {})}
        values, undecided = {}, set()
        self.problems: list[str] = []
        for field in dataclasses.fields(t.cast(t.Any, record)):
            name, kind = f"{prefix}_{field.name}", kinds[str(field.type)]
            raw = given["defaults"].get(name)
            is_known = name in given["defaults"] and not (isinstance(raw, str) and ("{{" in raw or "{%" in raw))
            default = kind.read(raw) if is_known else kind.empty
            value = given["variables"][name]
            try:
                values[field.name] = kind.read(value)
            except (TypeError, ValueError):
                example = f", such as its default, {raw!r}" if is_known else ""
                self.problems.append(f"{name} of {given['host']} is {value!r}, and should be {kind.words}{example}.")
                values[field.name] = default
            if is_known and values[field.name] == default:
                undecided.add(field.name)
        self.record = record(**values)
        self.undecided = frozenset(undecided)


def plain(value: t.Any) -> t.Any:
    """Ansible's containers are evaluated when they are read, and cannot be copied as others are."""
    if isinstance(value, t.Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def result(plan: t.Any) -> Config:
    """The record of a plan, for tasks: tuples are lists there."""
    return dict(json.loads(json.dumps(dataclasses.asdict(plan))))


def made(given: t.Mapping[str, t.Any], name: str) -> t.Mapping[str, t.Any]:
    """A result that a task registered; one of a skipped task counts as not made."""
    found = given.get(name) or {}
    return {} if found.get("skipped") else found


def select(record: type[Record], values: t.Mapping[str, t.Any]) -> Record:
    """The fields that decisions need: a look has more."""
    fields = dataclasses.fields(t.cast(t.Any, record))
    return record(**{field.name: values[field.name] for field in fields if field.name in values})
