"""From DOT to a picture: with the system's dot, or with the command of the PyPI package graphviz-pure."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DrawingError, MissingExtraError

if TYPE_CHECKING:
    import graphviz

__all__ = ["FORMATS", "find_renderer", "render", "use_renderer"]

FORMATS = ("dot", "pdf", "png", "svg")
PURE_FORMATS = ("png", "svg")
PURE = "graphviz-pure"
GRAPHVIZ = "Graphviz (apt install graphviz, brew install graphviz)"


def find_renderer() -> Path | None:
    """Find the command that draws: dot, else graphviz-pure on the path or beside this Python."""
    found = shutil.which("dot") or shutil.which(PURE) or shutil.which(PURE, path=sysconfig.get_path("scripts"))
    return Path(found) if found else None


def use_renderer() -> None:
    """Tell the graphviz package of graphviz-pure where there is no dot, so that a Digraph's own render() works."""
    command = find_renderer()
    if command is not None and command.stem == PURE:
        from graphviz.backend import dot_command

        dot_command.DOT_BINARY = command


def render(graph: graphviz.Digraph, format: str, timeout: float = 120.0) -> tuple[bytes, str]:
    """Draw as dot (the source text), pdf, png or svg; give the file's bytes and a warning, empty if there is none.

    Raises MissingExtraError where nothing can draw, DrawingError where drawing fails or takes over `timeout` seconds.
    """
    if format not in FORMATS:
        raise DrawingError(f"no picture format {format!r}; there are: {', '.join(FORMATS)}")
    if format == "dot":
        return graph.source.encode(), ""
    command = find_renderer()
    if command is None:
        raise MissingExtraError(f"drawing {format.upper()}", f"{GRAPHVIZ} or {PURE}", "viz")
    if command.stem == PURE and format not in PURE_FORMATS:
        raise DrawingError(f"{PURE} draws {' and '.join(PURE_FORMATS)} only: for {format.upper()} install {GRAPHVIZ}")
    return _run(command, format, graph.source, timeout)


def _run(command: Path, format: str, source: str, timeout: float) -> tuple[bytes, str]:
    try:
        done = subprocess.run([command, f"-T{format}"], input=source.encode(), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise DrawingError(f"{command.name} took over {timeout:g} s: the graph is too large to lay out") from None
    said = done.stderr.decode(errors="replace")
    if done.returncode or not done.stdout:
        reason = said.strip().splitlines()[0][:200] if said.strip() else f"exit code {done.returncode}"
        raise DrawingError(f"{command.name} failed: {reason}")
    # Bitmaps over the renderer's limit are scaled down, which makes the text unreadable; dot says so on stderr only.
    scaled = re.search(r"scaling by ([0-9.]*[0-9])", said, re.IGNORECASE)
    warning = f"{command.name} scaled the picture down to {float(scaled[1]):.0%}: SVG keeps its size" if scaled else ""
    return done.stdout, warning
