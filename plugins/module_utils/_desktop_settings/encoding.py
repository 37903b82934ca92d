# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes of a file of Windows as text, whatever an editor made of them."""

from __future__ import annotations

import codecs
import typing as t

from ansible_collections.gpulab.workstation.plugins.module_utils._desktop_settings.errors import DesktopSettingsError

# What Notepad and PowerShell's redirection write. UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS: t.Sequence[tuple[bytes, str]] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode(raw: bytes, path: str) -> tuple[str, bool]:
    """The text, and whether the file had a byte order mark, which a repaired file has not."""
    mark, encoding = next((pair for pair in _MARKS if raw.startswith(pair[0])), (b"", "utf-8"))
    body = raw[len(mark) :]
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise DesktopSettingsError(
            f"{path}: the byte at offset {len(mark) + error.start} is not {encoding.upper()}. The file was left as it "
            "is. Save it as UTF-8 in an editor, or restore an earlier copy if there is one."
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DesktopSettingsError(
            f"{path}, line {line}: a NUL character, which a crash while the file was written leaves behind. The file "
            "was left as it is. Restore an earlier copy if there is one, or move it away: then it is made anew."
        )
    return text, bool(mark)
