# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Windows machine made of a directory, for tests without Windows.

machine.py    the directory: C:\\ without regard to case, and what else the machine is, in state.json
doubles.py    modules that take the place of ansible.windows, community.windows and chocolatey.chocolatey
jobs.py       tasks with a deadline
files.py, system.py, software.py    what these do to the machine
desktop.py    Docker Desktop: its settings, its start and stop
docker.py     docker.exe, with the faults that are known of the real one
programs.py   the other programs that the role runs

Everything that a program was asked is in calls.jsonl of the machine.
"""
