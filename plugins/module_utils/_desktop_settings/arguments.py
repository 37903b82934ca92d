# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both filters do with what a template gives them."""

from __future__ import annotations

import base64
import binascii
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError


def content_of(encoded: t.Any, path: str) -> bytes:
    """The bytes of what slurp read; nothing for a file that is not there."""
    try:
        return base64.b64decode(encoded or "", validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise DesktopSettingsError(
            f"{path}: the filter takes the file's bytes in Base64, as ansible.windows.slurp returns them in `content`, "
            "and an empty string where there is no file."
        ) from error


def plain(value: t.Any, where: str) -> t.Any:
    """Only what JSON has, as Python's own types: a template's containers are evaluated while one walks through them."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, t.Mapping):
        return {str(key): plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{number}]") for number, item in enumerate(value)]
    raise DesktopSettingsError(f"{where} is of the type {type(value).__name__}, which JSON does not have.")
