# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep passwords in URLs (proxies, mirrors) out of diffs and messages."""

from __future__ import annotations

import re

# A slash may be written \/ in JSON.
_USER_INFO = re.compile(r"""(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*:(?:\\?/){2})[^\s"'/\\]*@""")


def mask_credentials(text: str) -> str:
    """Replace user and password of URLs by what dockerd writes in their place in its own log."""
    return _USER_INFO.sub(r"\g<scheme>xxxxx:xxxxx@", text)
