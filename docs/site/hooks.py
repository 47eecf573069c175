"""What the site has beside docs/*.md: pages made from code, notebooks that were run, pages from beside docs/.

Pages are written for GitHub; what MkDocs reads otherwise is brought into its form here: links to files beside docs/,
and lists and tables without an empty line before them.
"""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "build" / "tutorials"
OUTSIDE = {
    "CHANGELOG.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "README.md": "index.md",
    "benchmarks/accuracy/README.md": "project/benchmark.md",
    "benchmarks/external/README.md": "project/external.md",
}
"""Pages beside docs/, and where they are in the site. The README's place is taken by a page of its own."""
INSIDE = {site: source for source, site in OUTSIDE.items() if source != "README.md"}
FENCE = re.compile(r"(^ *```.*?^ *```[^\n]*$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^]]*)\]\(([^()\s]+)\)")
SHIM = "https://unpkg.com/iframe-worker/shim"
"""What the theme lets pages load so that the search works from a disk; assets/frame-worker.js takes its place."""
STARTS = re.compile(r"^(?:[-*] |\d+\. |\|)")
GOES_ON = re.compile(r"^(?:\s|[-*] |\d+\. |\||$)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not in docs/."""
    for site, source in INSIDE.items():
        files.append(File.generated(config, site, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, "reference/cli.md", content=command_line()))
    if not TUTORIALS.is_dir():
        raise PluginError("The tutorials have not been run: python docs/site/tutorials.py, or make site.")
    for path in sorted(TUTORIALS.iterdir()):
        files.append(File.generated(config, f"tutorials/{path.name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Bring a page into the form that MkDocs reads."""
    parts = FENCE.split(markdown)
    for index in range(0, len(parts), 2):
        parts[index] = with_empty_lines(LINK.sub(lambda found: link(found, page.file.src_uri), parts[index]))
    return "".join(parts)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Load nothing from other hosts."""
    return output.replace(
        SHIM, posixpath.relpath("assets/frame-worker.js", posixpath.dirname(page.file.dest_uri) or ".")
    )


def link(found: re.Match[str], site: str) -> str:
    """A link of the page at `site`, as it leads from there."""
    image, text, target = found.groups()
    path, _, anchor = target.partition("#")
    if not path or re.match(r"\w+:", path):
        return found[0]
    here = INSIDE.get(site, f"docs/{site}")
    source = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
    if source.startswith("docs/tutorials/") and source.endswith(".py"):
        there = source.removeprefix("docs/").removesuffix(".py") + ".md"
    elif source.startswith("docs/"):
        there = source.removeprefix("docs/")
    elif source in OUTSIDE:
        there = OUTSIDE[source]
    elif (ROOT / source).exists():
        return text  # source code is named, not linked
    else:
        raise PluginError(f"{here}: {target} leads nowhere.")
    there = posixpath.relpath(there, posixpath.dirname(site) or ".")
    return f"{image}[{text}]({there}{'#' * bool(anchor)}{anchor})"


def with_empty_lines(text: str) -> str:
    """An empty line before each list and table."""
    lines: list[str] = []
    for line in text.split("\n"):
        if STARTS.match(line) and lines and not GOES_ON.match(lines[-1]):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def command_line() -> str:
    """Every command with its arguments and options, as typer describes them."""
    command = [sys.executable, "-m", "typer", "pointillist.cli", "utils", "docs", "--name", "pointillist"]
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    run = subprocess.run([*command, "--title", "Command line"], capture_output=True, text=True, env=environment)
    if run.returncode:
        raise PluginError(f"typer could not describe the command line: {run.stderr}")
    return run.stdout
