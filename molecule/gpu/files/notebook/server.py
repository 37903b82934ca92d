# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what a Jupyter server is asked for its health. It has no kernels: only its container's devices matter."""

from __future__ import annotations

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOKEN = Path(os.environ["JUPYTER_TOKEN_FILE"]).read_text().strip()
ANSWERS: dict[str, Any] = {
    "/api/status": {"connections": 0, "kernels": 0},
    "/api/kernels": [],
    "/api/sessions": [],
    "/api/terminals": [],
}


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/api":
            self.answer(200, {"version": "0 (a stand-in)"})
        elif self.headers.get("Authorization") != f"token {TOKEN}":
            self.answer(403, {"message": "Forbidden"})
        elif self.path in ANSWERS:
            self.answer(200, ANSWERS[self.path])
        else:
            self.answer(404, {"message": "Not found"})

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


# As the first process of a container, it would not end otherwise.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
ThreadingHTTPServer(("0.0.0.0", 8888), Server).serve_forever()  # noqa: S104 (in the container)
