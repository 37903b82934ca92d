# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text that is safe to show, and types that are checked before they are used."""

from __future__ import annotations

import json
import re
import typing as t

# Control characters could drive a terminal, those that turn the direction of text make it look like another one, and
# half a surrogate cannot be written as UTF-8.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
LONGEST = 2000
# Of anything that is listed.
MOST = 200
# Digits of a number: Python takes time by the square of them.
_DIGITS = 30


def text(value: t.Any, longest: int = LONGEST) -> str:
    """What somebody said, as plain text, which may have several lines."""
    if value is None:
        return ""
    said = _UNWANTED.sub("\ufffd", str(value).replace("\r\n", "\n"))
    return said if len(said) <= longest else said[:longest] + " …"


def line(value: t.Any, longest: int = LONGEST) -> str:
    """The same on one line: a second one could pass for ours."""
    return re.sub(r"\s*\n\s*|\t", " ", text(value, longest))


def number(value: t.Any) -> int:
    found = int(value)
    if not 0 <= found < 2**63:
        raise ValueError("a number is out of all bounds")
    return found


def texts(values: t.Any) -> list[str]:
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"a list was expected, and not {type(values).__name__}")
    return [text(value) for value in values[:MOST]]


def objects(values: t.Any, most: int = MOST) -> list[t.Mapping[str, t.Any]]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, t.Mapping) for value in values):
        raise TypeError(f"a list of objects was expected, and not {type(values).__name__}")
    return list(values[:most])


def cleaned(value: t.Any) -> t.Any:
    """A whole result, with every text in it safe to show."""
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {key: cleaned(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(one) for one in value]
    return value


def decoded(content: str | bytes) -> t.Any:
    """JSON. ValueError is the only thing that goes wrong with it."""
    try:
        return json.loads(content, parse_int=_whole, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def decoded_object(content: str | bytes) -> dict[str, t.Any]:
    found = decoded(content)
    if not isinstance(found, dict):
        raise ValueError(f"an object was expected, and not {type(found).__name__}")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError("a number is out of all bounds")
    return int(digits)


def _refuse(name: str) -> t.NoReturn:
    raise ValueError(f"{name} is no number of JSON")
