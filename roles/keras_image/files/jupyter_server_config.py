# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's settings in the image."""

import logging
import os
from pathlib import Path

c = get_config()  # type: ignore[name-defined]  # noqa: F821  # pylint: disable=undefined-variable
# All addresses of the container, IPv4 and IPv6; what reaches it is decided where its port is published.
c.ServerApp.ip = ""
# For the same reason the server's warning about that is none.
logging.getLogger("ServerApp").addFilter(lambda record: "listening on all IP addresses" not in record.getMessage())
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/src"
# A trash folder inside a mounted work directory fills up unseen.
c.FileContentsManager.delete_to_trash = False
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None

# A token in a file is in no environment, argv or `docker inspect`. Read here, because the server itself would take the
# line's end for a part of the token.
if token_file := os.environ.get("JUPYTER_TOKEN_FILE"):
    c.IdentityProvider.token = Path(token_file).read_text().strip()
