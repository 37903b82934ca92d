# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.gpulab.workstation.plugins.module_utils._daemon_config.masking import mask_credentials


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('"http-proxy": "http://user:secret@proxy:3128"', '"http-proxy": "http://xxxxx:xxxxx@proxy:3128"'),
        ("https://token@mirror/", "https://xxxxx:xxxxx@mirror/"),
        ("http://user:p@ss@proxy", "http://xxxxx:xxxxx@proxy"),
        ('"http:\\/\\/user:secret@proxy"', '"http:\\/\\/xxxxx:xxxxx@proxy"'),
        ("http://a:b@c, http://d:e@f", "http://xxxxx:xxxxx@c, http://xxxxx:xxxxx@f"),
        ('["https://mirror/", "x@y"]', '["https://mirror/", "x@y"]'),
        ("https://mirror/path@sha256:1", "https://mirror/path@sha256:1"),
    ],
)
def test_mask_credentials(text: str, masked: str) -> None:
    assert mask_credentials(text) == masked
