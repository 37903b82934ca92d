# Copyright (c) 2026, the gpulab.workstation authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the image does for whoever runs it, with nothing but `docker run`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

EXTRAS = ["bokeh", "cv2", "cython", "gensim", "imageio", "moviepy", "nltk", "PIL", "seaborn", "skimage"]
AUTHORITY = Path(__file__).parents[1] / "files" / "lab-ca.pem"
OWN = ["humanize", "tqdm"]
# A film with a title: MoviePy, and the font, codec and imaging library below it.
FILM = """
import numpy as np, moviepy, matplotlib
font = matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf"
clip = moviepy.ImageSequenceClip([np.full((64, 64, 3), 20 * i, np.uint8) for i in range(10)], fps=10)
clip = clip.with_effects([moviepy.vfx.Resize(2)])
title = moviepy.TextClip(font=font, text="title", font_size=20, color="white", duration=1)
moviepy.CompositeVideoClip([clip, title]).write_videofile("/tmp/film.mp4", logger=None)
print(moviepy.VideoFileClip("/tmp/film.mp4").duration)
"""


def run(host: Host, command: str, *arguments: str, options: str = "") -> str:
    """In a container of the current image, as a user ID that nobody has."""
    return host.check_output(f"docker run --rm --user 4321:4321 {options} keras:cpu {command}", *arguments).strip()


@pytest.fixture(scope="module")
def server(host: Host) -> Iterator[str]:
    """One behind a proxy that answers nobody, on another port than usual."""
    name = "keras-image-server"
    host.check_output(
        f"docker run --detach --name {name} --read-only --tmpfs /tmp:exec --user 4321:4321 --env HOME=/tmp"
        " --env http_proxy=http://127.0.0.1:9 --env HTTP_PROXY=http://127.0.0.1:9 --health-interval=1s"
        " --publish 127.0.0.1:9999:9999 keras:cpu jupyter lab --ServerApp.port=9999"
    )
    yield name
    host.check_output(f"docker rm --force {name}")


def test_health_check_finds_the_server(host: Host, server: str) -> None:
    for _attempt in range(60):
        health = host.check_output("docker inspect --format '{{.State.Health.Status}}' " + server)
        if health == "healthy":
            break
        time.sleep(1)
    assert health == "healthy", host.run(f"docker logs {server}").stderr
    answer = (
        "import json, urllib.request; print(json.load(urllib.request.urlopen('http://127.0.0.1:9999/api'))['version'])"
    )
    assert host.check_output("python3 -c %s", answer)
    assert host.check_output(f"docker exec {server} cat /proc/1/comm") == "tini"


def test_back_end_trains_and_graph_is_drawn(host: Host) -> None:
    code = (
        "import keras, jax, os, numpy as np; m = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]);"
        "m.compile('sgd', 'mse'); m.fit(np.ones((8, 2)), np.ones((8, 1)), verbose=0);"
        "keras.utils.plot_model(m, '/tmp/a.png');"
        "print(keras.backend.backend(), isinstance(m.weights[0].value, jax.Array), os.path.getsize('/tmp/a.png') > 0)"
    )
    assert run(host, "python3 -c %s", code).splitlines()[-1] == "jax True True"


def test_extras_and_own_packages_are_there_and_make_a_film(host: Host) -> None:
    assert run(host, "python3 -c %s", f"import {', '.join(EXTRAS + OWN)}{FILM}").splitlines()[-1] == "1.0"


def test_user_has_a_name(host: Host) -> None:
    assert run(host, "whoami") == "notebook"
    git = "git -c user.email=a@lab.example -c user.name=a"
    script = f"cd /tmp && git init -q a && cd a && {git} commit -q --allow-empty -m b && git log --oneline"
    assert run(host, "sh -c %s", script).endswith(" b")
    assert run(host, "whoami", options="--user 1000") == "keras"


def test_first_plot_looks_for_no_fonts(host: Host) -> None:
    code = (
        "import logging; logging.basicConfig(level='INFO'); import matplotlib; matplotlib.use('agg');"
        "import matplotlib.pyplot as plt; plt.title('a'); plt.savefig('/tmp/a.png')"
    )
    result = host.run("docker run --rm --user 4321:4321 keras:cpu python3 -c %s", code)
    assert result.rc == 0, result.stderr
    assert "font" not in result.stderr.lower()


def test_image_keeps_what_it_was_told_to(host: Host) -> None:
    """Among them the authority, in what pip, git and Python look into."""
    ours = "".join(AUTHORITY.read_text().split())
    store = "".join(run(host, "cat /etc/ssl/certs/ca-certificates.crt").split())
    assert ours in store
    assert store.count("BEGINCERTIFICATE") > 100
    found = run(host, "python3 -c %s", "import ssl; print(ssl.create_default_context().get_ca_certs())")
    assert "Certificate authority of lab.example" in found
    environment = run(host, "env").splitlines()
    assert {"NO_PROXY=lab.example", "no_proxy=lab.example"} <= set(environment)
    assert not [line for line in environment if line.lower().startswith("https_proxy")]


def test_bill_of_materials_names_what_is_inside(host: Host) -> None:
    tags = host.check_output("docker image ls --format '{{.Tag}} {{.ID}}' keras").splitlines()
    current = next(line.split()[1] for line in tags if line.startswith("cpu "))
    tag = next(line.split()[0] for line in tags if line.startswith("cpu-") and line.endswith(current))
    bill = json.loads(host.file(f"/var/lib/gpulab/keras_image/{tag}.cdx.json").content_string)
    named: dict[str, dict[str, str]] = {kind: {} for kind in ("pypi", "deb")}
    for component in bill["components"]:
        named[component["purl"][4:].split("/")[0]][component["name"]] = component["version"]
    listed = json.loads(run(host, "pip list --format json"))
    assert {package["name"]: package["version"] for package in listed}.items() <= named["pypi"].items()
    packages = run(host, "dpkg-query --show --showformat %s", "${Package} ${Version}\\n").splitlines()
    assert dict(line.split(" ") for line in packages) == named["deb"]
