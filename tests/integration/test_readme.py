# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command in the README is run, each where its block's comment says: `<!-- test: PLACE -->`.

controller   here (the clone itself is already there)
gpus         here, on the machine of the demo, which then gets simulated GPUs
newcomer     in a testbed machine that holds nothing but a clone and `make` (Debian 13, or this Ubuntu)
syntax       here, with --syntax-check: the machines of an example inventory do not exist
make         the target exists; `make test` cannot run itself
"""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.e2e import notebook

ROOT = Path(__file__).parents[2]
RESOURCES = ROOT / "molecule" / "resources"
README = (ROOT / "README.md").read_text()
NEWCOMER = "gpulab-newcomer"
CLONE = "/srv/workstation"
BLOCK = re.compile(r"(?:<!-- test: (\w+) -->\n)?```console\n(.*?)```", re.S)
PLACES = {"controller", "gpus", "newcomer", "syntax", "make"}
# The end of `make demo GPU=simulated` offers it.
ASK_TENSORFLOW = "make demo-report FRAMEWORK=tensorflow"

Run = Callable[..., str]


def commands(place: str) -> list[str]:
    found = [
        command
        for marker, block in BLOCK.findall(README)
        if marker == place
        for command in re.findall(r"^\$ (.*)", block, re.M)
    ]
    assert found, f"README.md has no block marked `<!-- test: {place} -->`"
    return found


def shape(line: str) -> str:
    """A line without what differs from run to run: versions, also a distribution's, numbers, rulers, runs of spaces."""
    versions = re.sub(r"[\d.]+([+-]\S*(dfsg|ubuntu)\S*)?", "#", line)
    return " ".join(re.sub(r"[-*]{3,}", "---", versions).split())


def test_every_block_says_where_it_is_run() -> None:
    unmarked = [block for marker, block in BLOCK.findall(README) if marker not in PLACES]
    assert not unmarked, f"say where these are run, with one of {sorted(PLACES)}: {unmarked}"


def assert_output(name: str, printed: str) -> None:
    """The README shows only lines that were printed."""
    shown = set(map(shape, printed.replace("gpulab-readme", "gpulab-demo").splitlines()))
    promised = re.findall(rf"<!-- output: {name} -->\n```text\n(.*?)```", README, re.S)[0].splitlines()
    missing = [line for line in promised if line != "..." and shape(line) not in shown]
    assert not missing, f"README.md shows lines under `output: {name}` that were not printed: {missing}"


def sees_no_gpu(report: str) -> None:
    """The notebook's own TensorFlow was asked, and is the one of the image's CPU variant: that alone is amiss."""
    layers = re.findall(r"^  (\w+(?::\w+)?) +(ok|degraded|broken|skipped|unknown)\b", report, re.M)
    assert [layer for layer in layers if layer[1] != "ok"] == [("framework:tensorflow", "broken")], report
    assert "tensorflow is built without CUDA [framework_without_cuda]" in report
    assert report.splitlines()[-1] == "exited 2"


def opens_in_a_browser(url: str) -> None:
    if reason := notebook.why_not():
        warnings.warn(f"The demo was not opened in a browser: {reason}.", stacklevel=2)
        return
    printed = notebook.try_out(url, notebook.ARTEFACTS, notebook.ARTEFACTS / "notebook.png")
    lock = (ROOT / "roles/keras_image/files/requirements/cpu.txt").read_text()
    assert f"\nkeras=={printed} " in lock, f"the cell printed {printed!r}, and the image's lock has another Keras"


def test_controller_commands(run: Run) -> None:
    """The demo, as the README has it, and once more: the second run changes nothing. Then it gets GPUs."""
    demo, demo_url, demo_down = (command for command in commands("controller") if not command.startswith("git clone"))
    # Under another name, so that a demo which somebody left running is not touched.
    demo_run = functools.partial(run, GPULAB_DEMO_NAME="gpulab-readme")
    try:
        first = demo_run("readme-demo", shlex.split(demo))
        assert "failed=0" in first
        assert_output("demo", first)
        again = demo_run("readme-demo-again", shlex.split(demo))
        recap = re.findall(r"^gpulab-readme .*", again, re.M)
        assert recap, "the second run had no recap for gpulab-readme"
        assert "changed=0" in recap[-1], recap[-1]
        for number, command in enumerate(commands("gpus")):
            assert_output("gpus", demo_run(f"readme-gpus-{number}", shlex.split(command)))
        sees_no_gpu(demo_run("readme-gpus-asked", ["sh", "-c", f"{ASK_TENSORFLOW} || echo exited $?"]))
        printed = re.search(r"^(http\S+)/lab\?token=(\S+)$", demo_run("readme-demo-url", shlex.split(demo_url)), re.M)
        assert printed is not None, f"`{demo_url}` did not print a URL with a token"
        address, token = printed.groups()
        request = urllib.request.Request(f"{address}/api/status", headers={"Authorization": f"token {token}"})
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=20) as answer:
            assert "kernels" in json.load(answer)
        opens_in_a_browser(printed[0])
    finally:
        demo_run("readme-demo-down", shlex.split(demo_down))
    if subprocess.run(["docker", "version"], capture_output=True, check=False).returncode:
        assert not Path("/run/gpulab-testbed-engine.pid").exists(), "`make demo-down` stopped half an engine"
        return
    for what in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"]):
        ask = ["docker", *what, "--filter", "name=gpulab-readme"]
        left = subprocess.run(ask, capture_output=True, text=True, check=True)
        assert not left.stdout.strip(), f"after `make demo-down`, `{' '.join(ask)}` still shows {left.stdout}"


@pytest.mark.parametrize("command", commands("syntax"))
def test_syntax_commands(command: str, run: Run) -> None:
    run("readme-syntax", [*shlex.split(command), "--syntax-check"])


@pytest.mark.parametrize("command", sorted({*commands("make"), *re.findall(r"`(make [a-z-]+)`", README)}))
def test_make_targets_exist(command: str) -> None:
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(ansible-playbook [^`]+)`", README))))
def test_inline_playbooks_exist(command: str, tmp_path: Path) -> None:
    """They name the reader's own inventory; the example stands in for it."""
    words = [str(ROOT / "inventory/examples/lab.yml") if word == "lab.yml" else word for word in shlex.split(command)]
    subprocess.run([*words, "--syntax-check"], cwd=ROOT, check=True, capture_output=True)


class Newcomer:
    """A fresh machine with a clone of this tree, reached as its user, who may use sudo."""

    def __init__(self, ssh_config: Path) -> None:
        self.ssh_config = ssh_config

    def argv(self, command: str) -> list[str]:
        return ["ssh", "-F", str(self.ssh_config), NEWCOMER, command]

    def pipe(self, data: bytes, command: str) -> None:
        subprocess.run(self.argv(command), input=data, check=True, capture_output=True, timeout=300)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    state = tmp_path_factory.mktemp("newcomer")
    extra = json.dumps({"testbed_machines": [{"name": NEWCOMER}], "testbed_inventory": str(state / "inventory.yml")})

    def playbook(name: str) -> None:
        subprocess.run(
            ["ansible-playbook", str(RESOURCES / name), "-e", extra, "-e", f"testbed_state={state}"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            timeout=600,
        )

    playbook("create.yml")
    try:
        machine = Newcomer(state / "ssh_config")
        if subprocess.run(
            machine.argv("python3 -c 'import sys; assert sys.version_info >= (3, 12)'"), check=False
        ).returncode:
            pytest.skip("this controller's own release, and so its testbed machine, has no Python 3.12")
        # A machine in a network with a TLS-inspecting proxy trusts it before anybody clones anything.
        for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
            machine.pipe(
                certificate.read_bytes(), f"sudo tee /usr/local/share/ca-certificates/{certificate.name} >/dev/null"
            )
        machine.pipe(
            b"",
            "sudo update-ca-certificates && sudo apt-get update -qq && sudo apt-get install -qq -y make git"
            f" && sudo install -d -o $USER '{CLONE}'",
        )
        files = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
        ).stdout
        archive = subprocess.run(
            ["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=files, check=True, capture_output=True
        ).stdout
        machine.pipe(
            archive,
            f"cd {CLONE} && tar -x && git init -q && git add -A"
            " && git -c user.name=newcomer -c user.email=newcomer@example.org commit -qm 'as cloned' && make venv",
        )
        yield machine
    finally:
        playbook("destroy.yml")


def test_fast_tests_on_the_newest_ansible(newcomer: Newcomer, run: Run) -> None:
    """`make test-fast` from nothing, on a newer Python, and so a newer ansible-core, than an older controller has."""
    output = run("newcomer-test-fast", newcomer.argv(f"cd {CLONE} && make test-fast && .venv/bin/ansible --version"))
    assert re.search(r"=+ .*\d+ passed.* =+", output)
    core = re.search(r"ansible \[core (\d+)\.(\d+)", output)
    assert core is not None
    assert (int(core[1]), int(core[2])) >= (2, 21), core[0]


def test_site_refuses_without_a_sudo_password(newcomer: Newcomer, run: Run) -> None:
    """A user whose sudo wants a password, and who forgot `-K`, reads a sentence that names it."""
    newcomer.pipe(b"", "sudo useradd --create-home --groups sudo forgetful")
    command = f"cd {CLONE} && sudo -u forgetful .venv/bin/ansible-playbook site.yml || echo exited $?"
    output = " ".join(run("newcomer-no-password", newcomer.argv(command)).split())
    assert "exited 2" in output
    assert "Cannot become root on localhost" in output
    assert "with `-K`" in output
    assert "Traceback" not in output


def test_newcomer_commands(newcomer: Newcomer, run: Run) -> None:
    """`ansible-playbook site.yml` provisions the machine it runs on.

    With the variables that every testbed machine gets, because upstream's repository may not be reachable from here.
    """
    script = " && ".join(commands("newcomer")) + " -e @molecule/resources/group_vars/workstations.yml"
    output = run("newcomer-site", newcomer.argv(f"cd {CLONE} && {script}"), phase=r"^TASK \[(\S+ : \w+)")
    assert "failed=0" in output
    answer = run(
        "newcomer-answer",
        newcomer.argv(
            "python3 -c 'import urllib.request; print(urllib.request.urlopen(\"http://127.0.0.1:8888/api\").read().decode())'"
        ),
    )
    assert '"version"' in answer
