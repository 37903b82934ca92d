# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make doctor`: what playbooks/gpu_report.yml says, of this very machine. It takes Python alone, and changes
nothing."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys

from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility import bundle
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.look import Options, look, options_of
from ansible_collections.gpulab.workstation.plugins.module_utils._gpu_visibility.parsers.framework import NAMES
from ansible_collections.gpulab.workstation.plugins.plugin_utils._gpu_report.screen import page


def main() -> None:
    parser = argparse.ArgumentParser(prog="make doctor", description=__doc__)
    parser.add_argument(
        "--image", help="look into a new container of this image, which must be here; nothing is pulled"
    )
    parser.add_argument(
        "--framework", action="append", choices=NAMES, help="ask it for its devices, where there is one"
    )
    parser.add_argument("--bundle", help="write everything that was seen here, without tokens and names of users")
    parser.add_argument("--root", default="/", help="another directory that counts as /, or a bundle")
    parser.add_argument("--verbose", action="store_true", help="show what was seen, as it was")
    asked = parser.parse_args()
    if os.path.isfile(asked.root):
        try:
            document = bundle.read(asked.root)
        except (OSError, ValueError) as error:
            sys.exit(str(error))
        result = look(bundle.Replay(document), options_of(document))
    else:
        recorder = bundle.Recorder(asked.root)
        options = Options(image=asked.image, frameworks=asked.framework or [], notebooks=True)
        result = look(recorder, options)
        if asked.bundle:
            # For its owner alone: whoever gives it away has read it before.
            with open(
                os.open(asked.bundle, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                json.dump(recorder.bundle(options._asdict()), file, indent=1)
    if os.geteuid() != 0 and result["status"] not in ("ok", "no_gpu"):
        print("As another than root: the kernel's log and Docker may have told less than they can.\n")
    print(page(platform.node() or "this machine", result, sys.stdout.isatty(), asked.verbose))


if __name__ == "__main__":
    main()
