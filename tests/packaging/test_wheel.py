"""What a stranger gets: a wheel that runs the demo in an empty environment, from any directory."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from support import until_now

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_a_wheel_in_an_empty_environment_runs_the_demo(short_dir: Path) -> None:
    # A copy: setuptools would find the leavings of an earlier build beside the sources.
    source = short_dir / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("server", "client_demo"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(short_dir / "dist"), str(source)], check=True)
    (wheel,) = (short_dir / "dist").glob("stoppress-*.whl")
    names = [Path(name).name for name in zipfile.ZipFile(wheel).namelist()]
    assert "fold.js" in names
    assert not {"jsconfig.json", "screenshot.png"} & set(names), "of use only beside the sources"
    empty = short_dir / "env"
    venv.create(empty, with_pip=True)
    pip = (str(empty / "bin" / "pip"), "-q", "--disable-pip-version-check")
    subprocess.run([*pip, "install", "-c", str(ROOT / "constraints.txt"), str(wheel)], check=True)
    elsewhere = short_dir / "elsewhere"
    elsewhere.mkdir()
    env = {name: held for name, held in os.environ.items() if not name.startswith(("STOPPRESS_", "PYTHON"))}
    command = [str(empty / "bin" / "stoppress"), "demo", "--port", "0", "--data-dir", str(short_dir / "data")]
    with subprocess.Popen(command, cwd=elsewhere, env=env, stdout=subprocess.PIPE, text=True) as demo:
        try:
            said = ""
            while not (found := re.search(r"http://127\.0\.0\.1:\d+/live/\S+", said)):
                line = demo.stdout.readline()
                assert line, f"it ended after: {said}"
                said += line
            page = found.group()
            first = httpx.get(page).text
            assert first.count(' id="post-') >= 20
            assert all(httpx.get(httpx.URL(page).join(path)).status_code == 200 for path in pictures(first))
            # Read anew each time: the page itself is cached for a moment.
            until_now(lambda: httpx.get(page, headers={"Cache-Control": "no-cache"}).text != first)
        finally:
            demo.send_signal(signal.SIGINT)
            assert demo.wait(20) == 0


def pictures(page: str) -> set[str]:
    return set(re.findall(r'src="(/assets/[^"]+)"', page))
