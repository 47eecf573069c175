"""Run the tutorials of docs/tutorials/ as notebooks, and write each as a page with its pictures into build/tutorials/.

python docs/site/tutorials.py [NAME …]

A tutorial is a script in jupytext's percent format, which can be read and reviewed as it is. It runs in an empty
folder; the notebook with its outputs lies beside the page, to be downloaded.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import TagRemovePreprocessor

ROOT = Path(__file__).parents[2]
OUT = ROOT / "build" / "tutorials"
SECONDS = 300
COMMANDS = """
import os, subprocess

def run(command):
    plain = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "CLICOLOR_FORCE")}
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": {**plain, "MPLBACKEND": "agg"}}
    done = subprocess.run(command, shell=True, text=True, **how)
    print(done.stdout, end="")
    done.check_returncode()

get_ipython().system = run
"""
"""A command that fails is a fault; none draws on a terminal, or by what only the notebook's environment has."""
PICTURE = re.compile(r"!\[png\]\((?:\./)?(\S+_(\d+)_\d+\.png)\)")
"""A picture as nbconvert writes it, with the number of its cell, whose title is the text for the picture."""
DOWNLOAD = "\n---\n\n[This page as a notebook]({name}.ipynb) · made by running it.\n"
ENVIRONMENT = {"PYTHONWARNINGS": "ignore", "COLUMNS": "100", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def main() -> None:
    """Run those that are named, or all."""
    os.environ.update(ENVIRONMENT)
    OUT.mkdir(parents=True, exist_ok=True)
    names = sys.argv[1:] or sorted(path.stem for path in (ROOT / "docs" / "tutorials").glob("*.py"))
    for name in names:
        write(name)
        print(f"{name}: done", flush=True)


def write(name: str) -> None:
    """Run one, and write its page, its pictures and its notebook."""
    notebook = jupytext.read(ROOT / "docs" / "tutorials" / f"{name}.py")
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.cells.insert(0, nbformat.v4.new_code_cell(COMMANDS))
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": folder}}).execute()
    del notebook.cells[0]
    tags = TagRemovePreprocessor(enabled=True, remove_input_tags={"hide-input"}, remove_cell_tags={"hide"})
    exporter = MarkdownExporter(preprocessors=[tags])
    text, resources = exporter.from_notebook_node(notebook, {"unique_key": name, "output_files_dir": "."})
    for file, content in resources["outputs"].items():
        (OUT / Path(file).name).write_bytes(content)
    text = PICTURE.sub(lambda found: f"![{notebook.cells[int(found[2])].metadata['title']}]({found[1]})", text)
    (OUT / f"{name}.md").write_text(text + DOWNLOAD.format(name=name), encoding="utf-8")
    nbformat.write(notebook, OUT / f"{name}.ipynb")


if __name__ == "__main__":
    main()
