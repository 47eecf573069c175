"""The path of somebody who has only installed the wheel: python -m tests.newcomer WHEEL (see `make newcomer`).

A new environment, a folder of its own, no source of this project beside it: the README's commands and Python on a
folder of images, the tutorials from the first cell to the last, and the parts of a command line that people try first.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from tests.docs.test_tutorials import NAMES, code_of

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
EXTRAS = "train,annotate,geo,export,tables"
PATIENCE = 600  # seconds a step may take


class Newcomer:
    """Somebody with an environment and a folder.

    Args:
        home: An empty folder, which gets both.
    """

    def __init__(self, home: Path) -> None:
        self.work = home / "work"
        self.work.mkdir()
        venv.create(home / "environment", with_pip=True)
        self.programs = home / "environment" / ("Scripts" if os.name == "nt" else "bin")
        # Nothing of the machine's or of this checkout's Python leaks in.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))},
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "MPLBACKEND": "Agg",
            "COLUMNS": "100",
        }

    def run(self, *command: str, code: int = 0) -> str:
        """Run a program of the environment in the folder; gives what it says."""
        began = time.monotonic()
        done = subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        if done.returncode != code:
            sys.exit(
                f"{' '.join(command)[:300]}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}"
            )
        print(f"{time.monotonic() - began:6.1f} s  {' '.join(command)[:100]}", flush=True)
        return done.stdout

    def annotate(self, folder: str) -> None:
        """Open the page's server, look whether it answers, and end it with Ctrl-C."""
        command = [str(self.programs / "pointillist"), "annotate", folder, "--no-browser", "--port", "0"]
        with subprocess.Popen(
            command, cwd=self.work, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as server:
            assert server.stdout is not None
            for line in server.stdout:
                if "http://" in line:
                    break
            server.send_signal(signal.SIGINT)
            said = server.stdout.read()
            if server.wait(PATIENCE) != 0:
                sys.exit(f"annotate: exit code {server.returncode}\n{said}")
        print("          pointillist annotate, opened and ended", flush=True)


def section(heading: str) -> str:
    """A section of the README."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## )", README.read_text(encoding="utf-8"), re.M | re.S)
    assert found, heading
    return found[1]


def main(wheel: Path) -> None:
    """Walk the path; ends at the first step that fails."""
    with tempfile.TemporaryDirectory() as home:
        newcomer = Newcomer(Path(home).resolve())
        newcomer.run("python", "-m", "pip", "install", "--quiet", f"{wheel.resolve()}[{EXTRAS}]")
        for words in (["--version"], ["--help"], ["-h"], ["train", "--help"], ["data", "--help"]):
            newcomer.run("pointillist", *words)
        newcomer.run("pointillist", "train", "nowhere", code=2)

        # The README's three commands. Its images and clicks are drawn; a page has no hand here.
        newcomer.run(
            "python", "-c", "from pointillist.data.synthetic import write_dataset as w; w('berries', train=6, val=2)"
        )
        shutil.copyfile(next((newcomer.work / "berries" / "images").iterdir()), newcomer.work / "photo.jpg")
        (shell,) = re.findall(r"```sh\n(.*?)```", section("Your own images"), re.DOTALL)
        for line in shell.splitlines():
            words = line.partition("#")[0].split()
            if words[1] == "annotate":
                newcomer.annotate(words[2])
            elif words[1] == "train":
                newcomer.run(*words, "--set", "trainer.steps=20")
            else:
                newcomer.run(*words)
        (python,) = re.findall(r"```python\n(.*?)```", section("Your own images"), re.DOTALL)
        newcomer.run(
            "python", "-c", python.replace('out="runs/berries"', 'out="runs/python", settings={"trainer.steps": 20}')
        )

        for name in NAMES:
            folder = newcomer.work / name
            folder.mkdir()
            script = folder / "tutorial.py"
            script.write_text(code_of(name), encoding="utf-8")
            newcomer.run("python", "-c", f"import os, runpy; os.chdir({name!r}); runpy.run_path('tutorial.py')")
    print("A newcomer comes through.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
