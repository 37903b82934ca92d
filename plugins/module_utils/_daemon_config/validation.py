# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Would dockerd accept a configuration? Its own answer where it gives one, a table of its options elsewhere."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.document import Document, KeyPath
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.errors import DaemonConfigError
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.masking import mask_credentials
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.merge import DEFAULT_LOG_DRIVER, dotted
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.options import (
    BY_KEY,
    LOG_OPTIONS,
    LOG_OPTIONS_OF_ALL,
    LOG_OPTIONS_PREFIX,
    flatten,
)

Runner = t.Callable[[t.List[str]], t.Tuple[int, str, str]]


def validate_by_engine(dockerd: str, file: str, name: str, run: Runner) -> bool:
    """Let dockerd judge the file, which errors call by name; False where this dockerd is too old to."""
    try:
        code, out, err = run([dockerd, "--validate", f"--config-file={file}"])
    except OSError:  # the engine of an image for another architecture
        return False
    if code == 0:
        return True
    said = mask_credentials((err or out).strip()).replace(file, name)
    if "unknown flag: --validate" in said:
        return False
    raise DaemonConfigError(
        f"{dockerd} refuses the configuration, {name} was left as it is. It says: "
        f"{said or f'nothing, with exit status {code}'}"
    )


def check_by_table(document: Document, engine_before_23: bool) -> tuple[list[str], list[str]]:
    """Errors and warnings for a configuration, from the table of options.

    The options of engines before 23.0 are all known. A later one, which may be installed next, can know more than the
    table does, so what is unknown is an error only for the former.
    """
    errors: list[str] = []
    warnings: list[str] = []
    for path, key, value in flatten(document.value):
        option = BY_KEY.get(key)
        line = document.line_of(path)
        at = f"line {line}: {dotted(path)}"
        if option is None or (option.modern and engine_before_23):
            if engine_before_23:
                errors.append(f"{at} is not an option of the installed dockerd, which would refuse to start")
            elif option is None:
                warnings.append(f"{at} is no option of dockerd that this module knows")
        elif value is not None:
            for inner, problem in _type_problems(option.kind, value):
                line = document.line_of((*path, *inner))
                errors.append(f"line {line}: {dotted((*path, *inner))}{problem}")
    return errors, warnings


def unknown_log_options(config: t.Mapping[str, t.Any]) -> tuple[str, list[str]]:
    """The log driver, and the options that it does not know."""
    driver = config.get("log-driver", DEFAULT_LOG_DRIVER)
    options = config.get("log-opts")
    if driver not in LOG_OPTIONS or not isinstance(options, dict):
        return str(driver), []
    known = LOG_OPTIONS[driver] | LOG_OPTIONS_OF_ALL
    return driver, [key for key in options if key not in known and not key.startswith(LOG_OPTIONS_PREFIX)]


def _is_int(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_SCALARS: t.Mapping[str, tuple[str, t.Callable[[t.Any], bool]]] = {
    "bool": ("true or false", lambda value: isinstance(value, bool)),
    "int": ("an integer", _is_int),
    "string": ("a string", lambda value: isinstance(value, str)),
    "object": ("an object", lambda value: isinstance(value, dict)),
}


def _type_problems(kind: str, value: t.Any) -> t.Iterator[tuple[KeyPath, str]]:
    """The key below the option, if there is one, and what is wrong with its value."""
    match = re.fullmatch(r"(?P<item>\w+?)(?P<many>s|_map)", kind)
    if match is None:
        wanted, fits = _SCALARS[kind]
        if not fits(value):
            yield (), f" must be {wanted}, not {_kind_of(value)}"
        return
    wanted, fits = _SCALARS[match.group("item")]
    items: list[tuple[KeyPath, str, t.Any]]
    if match.group("many") == "s":
        if not isinstance(value, list):
            yield (), f" must be a list, not {_kind_of(value)}"
            return
        items = [((), f"[{index}]", item) for index, item in enumerate(value)]
    else:
        if not isinstance(value, dict):
            yield (), f" must be an object, not {_kind_of(value)}"
            return
        items = [((key,), "", item) for key, item in value.items()]
    for inner, index, item in items:
        if not fits(item):
            quotes = " (put it in quotes)" if match.group("item") == "string" and _is_int(item) else ""
            yield inner, f"{index} must be {wanted}, not {_kind_of(item)}{quotes}"


def _kind_of(value: t.Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a number"
