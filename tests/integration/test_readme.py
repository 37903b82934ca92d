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

import json
import os
import re
import shlex
import subprocess
import urllib.request
import warnings
from pathlib import Path

import pytest
from ansible_collections.gpulab.workstation.tests.e2e import notebook
from ansible_collections.gpulab.workstation.tests.integration.conftest import RESOURCES, SUDO
from ansible_collections.gpulab.workstation.tests.integration.lanes import Run

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
NEWCOMER = "gpulab-newcomer"
CLONE = "/srv/workstation"
BLOCK = re.compile(r"(?:<!-- test: (\w+) -->\n)?```console\n(.*?)```", re.S)
PLACES = {"controller", "gpus", "newcomer", "syntax", "make"}
# The end of `make demo GPU=simulated` offers it.
ASK_TENSORFLOW = "make demo-report FRAMEWORK=tensorflow"
# What the demo's machine packs, and others load.
IMAGES = ROOT / ".cache" / "images"


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


# Under another name, so that a demo which somebody left running is not touched.
DEMO = {"GPULAB_DEMO_NAME": "gpulab-readme"}


def controller(verb: str) -> list[str]:
    """The command of the README whose last word is that."""
    (command,) = (command for command in commands("controller") if command.endswith(f"make {verb}"))
    return shlex.split(command)


@pytest.mark.lane(after=["test_testbed"])
def test_demo(run: Run) -> None:
    """The demo as the README has it. It builds the one real image; other tests load the archive of it."""
    first = run("readme-demo", controller("demo"), env=DEMO)
    assert "failed=0" in first
    assert_output("demo", first)
    images = {
        "keras_image_distribution": "archive",
        "keras_image_archives": str(IMAGES),
        "keras_image_builder": "gpulab-readme",
    }
    inventory = ".cache/gpulab-readme/inventory.yml"
    pack = ["ansible-playbook", "-i", inventory, "playbooks/build_image.yml", "-e", json.dumps(images)]
    run("readme-pack", pack, env=DEMO)
    os.environ["GPULAB_IMAGES"] = str(IMAGES)


@pytest.mark.lane(after=["test_demo"])
def test_demo_again(run: Run) -> None:
    """The second run changes nothing. Then the demo gets GPUs, and its notebook is opened."""
    again = run("readme-demo-again", controller("demo"), env=DEMO)
    recap = re.findall(r"^gpulab-readme .*", again, re.M)
    assert recap, "the second run had no recap for gpulab-readme"
    assert "changed=0" in recap[-1], recap[-1]
    for number, command in enumerate(commands("gpus")):
        assert_output("gpus", run(f"readme-gpus-{number}", shlex.split(command), env=DEMO))
    sees_no_gpu(run("readme-gpus-asked", ["sh", "-c", f"{ASK_TENSORFLOW} || echo exited $?"], env=DEMO))
    printed = re.search(r"^(http\S+)/lab\?token=(\S+)$", run("readme-demo-url", controller("demo-url"), env=DEMO), re.M)
    assert printed is not None, "`make demo-url` did not print a URL with a token"
    address, token = printed.groups()
    request = urllib.request.Request(f"{address}/api/status", headers={"Authorization": f"token {token}"})
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=60) as answer:
        assert "kernels" in json.load(answer)
    opens_in_a_browser(printed[0])


# The last of all: it also removes what testbed machines share, as soon as there is none.
@pytest.mark.lane(
    after=["test_demo_again", "test_newcomer", "test_scenario", "test_scenario_with_the_image"], always=True
)
def test_demo_down(run: Run) -> None:
    """Nothing is left of the demo."""
    run("readme-demo-down", controller("demo-down"), env=DEMO)
    if subprocess.run([*SUDO, "docker", "version"], capture_output=True, check=False).returncode:
        assert not Path("/run/gpulab-testbed-engine.pid").exists(), "`make demo-down` stopped half an engine"
        return
    for what in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"]):
        ask = ["docker", *what, "--filter", "name=gpulab-readme"]
        left = subprocess.run([*SUDO, *ask], capture_output=True, text=True, check=True)
        assert not left.stdout.strip(), f"after `make demo-down`, `{' '.join(ask)}` still shows {left.stdout}"


@pytest.mark.parametrize("command", commands("syntax"))
def test_syntax_commands(command: str) -> None:
    subprocess.run([*shlex.split(command), "--syntax-check"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", sorted({*commands("make"), *re.findall(r"`(make [a-z-]+)`", README)}))
def test_make_targets_exist(command: str) -> None:
    subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`(ansible-playbook [^`]+)`", README))))
def test_inline_playbooks_exist(command: str, tmp_path: Path) -> None:
    """They name the reader's own inventory; the example stands in for it."""
    words = [str(ROOT / "inventory/examples/lab.yml") if word == "lab.yml" else word for word in shlex.split(command)]
    subprocess.run([*words, "--syntax-check"], cwd=ROOT, check=True, capture_output=True)


def newcomer(command: str, state: Path, data: bytes | None = None) -> list[str]:
    """What runs a command on the newcomer's machine, as its user, who may use sudo; ``data`` is its standard input."""
    ssh = ["ssh", "-F", str(state / "ssh_config"), NEWCOMER, command]
    if data is not None:
        sent = subprocess.run(ssh, input=data, capture_output=True, timeout=300, check=False)
        assert sent.returncode == 0, f"`{command}` exited {sent.returncode}: {sent.stdout + sent.stderr!r}"
    return ssh


def clone_to(state: Path) -> None:
    """Give the machine a clone of this tree, and the authorities that a machine of this network trusts anyway."""
    # A machine in a network with a TLS-inspecting proxy trusts it before anybody clones anything.
    for certificate in Path("/usr/local/share/ca-certificates").glob("*.crt"):
        place = f"sudo tee /usr/local/share/ca-certificates/{certificate.name} >/dev/null"
        newcomer(place, state, certificate.read_bytes())
    install = "sudo update-ca-certificates && sudo apt-get update -qq && sudo apt-get install -qq -y make git"
    newcomer(f"{install} && sudo install -d -o $USER '{CLONE}'", state, b"")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout
    archive = ["tar", "-c", "--null", "-T", "-"]
    data = subprocess.run(archive, cwd=ROOT, input=files, check=True, capture_output=True).stdout
    assert files, f"git lists no file of {ROOT}"
    commit = "git -c user.name=newcomer -c user.email=newcomer@example.org commit -qm 'as cloned'"
    newcomer(f"cd {CLONE} && tar -x && git init -q && git add -A && {commit}", state, data)


def lay_image(state: Path) -> list[str]:
    """Put the archive of the image on the machine, as from a USB stick; return the variable that says where."""
    (archive,) = IMAGES.glob("keras-cpu-*.tar.zst")
    newcomer("sudo install -d -o $USER /media/usb", state, b"")
    for file in (archive, archive.with_name(archive.name.replace(".tar.zst", ".json"))):
        with file.open("rb") as data:
            put = newcomer(f"cat > /media/usb/{file.name}", state)
            subprocess.run(put, stdin=data, check=True, capture_output=True, timeout=300)
    return [f"keras_image_archive=/media/usb/{archive.name}", "keras_image_distribution=archive"]


@pytest.mark.lane(after=["test_demo"])
def test_newcomer(run: Run) -> None:
    """A machine that holds nothing but a clone: the fast tests, a forgotten password, and the README's commands."""
    state = ROOT / ".cache" / NEWCOMER
    extra = json.dumps({"testbed_machines": [{"name": NEWCOMER}], "testbed_inventory": str(state / "inventory.yml")})
    testbed = ["-e", extra, "-e", f"testbed_state={state}"]
    run("newcomer-create", ["ansible-playbook", str(RESOURCES / "create.yml"), *testbed])
    try:
        clone_to(state)
        run("newcomer-venv", newcomer(f"cd {CLONE} && make venv", state))
        newest_ansible_passes_the_fast_tests(run, state)
        sudo_without_its_password_is_refused(run, state)
        site_provisions_its_own_machine(run, state)
    finally:
        run("newcomer-destroy", ["ansible-playbook", str(RESOURCES / "destroy.yml"), *testbed])


def newest_ansible_passes_the_fast_tests(run: Run, state: Path) -> None:
    """`make test-fast` from nothing, on a newer Python, and so a newer ansible-core, than an older controller has.

    Without the linters, which say the same there as here.
    """
    options = "PYTEST_ADDOPTS=--deselect=tests/static/test_lint.py"
    command = f"cd {CLONE} && {options} make test-fast && .venv/bin/ansible --version"
    output = run("newcomer-test-fast", newcomer(command, state))
    assert re.search(r"=+ .*\d+ passed.* =+", output)
    core = re.search(r"ansible \[core (\d+)\.(\d+)", output)
    assert core is not None
    assert (int(core[1]), int(core[2])) >= (2, 21), core[0]


def sudo_without_its_password_is_refused(run: Run, state: Path) -> None:
    """A user whose sudo wants a password, and who forgot `-K`, reads a sentence that names it."""
    newcomer("sudo useradd --create-home --groups sudo forgetful", state, b"")
    command = f"cd {CLONE} && sudo -u forgetful .venv/bin/ansible-playbook site.yml || echo exited $?"
    output = " ".join(run("newcomer-no-password", newcomer(command, state)).split())
    assert "exited 2" in output
    assert "Cannot become root on localhost" in output
    assert "with `-K`" in output
    assert "Traceback" not in output


def site_provisions_its_own_machine(run: Run, state: Path) -> None:
    """`ansible-playbook site.yml` provisions the machine it runs on.

    With the variables that every testbed machine gets, because upstream's repository may not be reachable from here;
    and with the image that the demo has built.
    """
    variables = ["@molecule/resources/group_vars/workstations.yml", *lay_image(state)]
    # Only then does Ansible print a task's name when the task begins.
    skipped = "export ANSIBLE_DISPLAY_SKIPPED_HOSTS=true"
    script = " && ".join([skipped, *commands("newcomer")]) + "".join(f" -e {variable}" for variable in variables)
    output = run("newcomer-site", newcomer(f"cd {CLONE} && {script}", state), phase=r"^TASK \[(\S+ : \w+)")
    assert "failed=0" in output
    ask = 'import urllib.request; print(urllib.request.urlopen("http://127.0.0.1:8888/api").read().decode())'
    answer = run("newcomer-answer", newcomer(f"python3 -c {shlex.quote(ask)}", state))
    assert '"version"' in answer
