# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is the server of this container answering? Exit status 0 or 1, a sentence on stdout.

Reads the server's own runtime file, so the answer is right with another port, a base_url or TLS; asks without a proxy.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path

runtime = Path(os.environ.get("JUPYTER_RUNTIME_DIR", Path.home() / ".local/share/jupyter/runtime"))
# Somebody who moved the directory to where it persists may have more than one; the newest is the running server's.
files = sorted(runtime.glob("jpserver-*.json"), key=lambda path: path.stat().st_mtime)
if not files:
    sys.exit(f"No Jupyter server has written its runtime file in {runtime} yet.")
server = json.loads(files[-1].read_text())
# A server that listens everywhere also does so on loopback.
host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(server["hostname"], server["hostname"])  # noqa: S104
host = f"[{host}]" if ":" in host else host
url = f"http{'s' if server['secure'] else ''}://{host}:{server['port']}{server['base_url']}api"

# Only this process is asked: its certificate names the host that users know.
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
try:
    with opener.open(url, timeout=8) as answer:
        print("Jupyter Server", json.load(answer)["version"])
except (OSError, ValueError) as error:
    sys.exit(f"{url} does not answer: {error}")
