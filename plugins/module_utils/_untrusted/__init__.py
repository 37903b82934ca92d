# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What root reads, runs and asks although a user can write it: bounded in size and time, checked before it is used.

files: by descriptor, regular files only, no links. user: with a user's own rights, in a process of its own.
child: programs. web: servers. shape: types, and text that is safe to show.
"""
