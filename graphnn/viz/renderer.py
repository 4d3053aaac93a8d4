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

__all__ = ["FORMATS", "find_renderer", "render", "renderer_for", "use_renderer"]

FORMATS = ("dot", "pdf", "png", "svg")
PURE_FORMATS = ("png", "svg")
PURE = "graphviz-pure"
DOTS_PER_INCH = 96  # of Graphviz's bitmaps
MAX_PIXELS = 100_000_000  # of a PNG: four bytes each in the renderer's memory
SVG_SIZE = re.compile(rb'<svg width="([0-9.]+)pt" height="([0-9.]+)pt"')
# Boxes are laid out for Helvetica; of the letters that most systems have these are as wide.
FONTS = (
    b'font-family="Helvetica,sans-Serif"',
    b'font-family="Helvetica, Arial, Liberation Sans, Nimbus Sans, DejaVu Sans Condensed, sans-serif"',
)
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


def renderer_for(format: str) -> Path | None:
    """Give the command that draws dot, pdf, png or svg; None for dot, which is only written. Raises as render()."""
    if format not in FORMATS:
        raise DrawingError(f"no picture format {format!r}; there are: {', '.join(FORMATS)}")
    if format == "dot":
        return None
    command = find_renderer()
    if command is None:
        raise MissingExtraError(f"drawing {format.upper()}", f"{GRAPHVIZ} or {PURE}", "viz")
    if command.stem == PURE and format not in PURE_FORMATS:
        raise DrawingError(f"{PURE} draws {' and '.join(PURE_FORMATS)} only: for {format.upper()} install {GRAPHVIZ}")
    return command


def render(graph: graphviz.Digraph, format: str, timeout: float = 120.0) -> tuple[bytes, str]:
    """Draw as dot (the source text), pdf, png or svg; give the file's bytes and a warning, empty if there is none.

    Raises MissingExtraError where nothing can draw, DrawingError where drawing fails or takes over `timeout` seconds.
    """
    command = renderer_for(format)
    if command is None:
        return graph.source.encode(), ""
    if format == "png":
        return _bitmap(command, graph.source, timeout)
    found = _run(command, format, graph.source, timeout)
    return (found.replace(*FONTS) if format == "svg" else found), ""


def _bitmap(command: Path, source: str, timeout: float) -> tuple[bytes, str]:
    """Draw a PNG that fits into memory, and notice when it comes out smaller than laid out.

    Renderers scale bitmaps over their limit down, which makes the text unreadable, and say so on stderr at most.
    """
    found = SVG_SIZE.search(_run(command, "svg", source, timeout)[:2000])
    if found is None:
        raise DrawingError(f"{command.name} gave no size of the picture")
    width, height = (float(n) * DOTS_PER_INCH / 72 for n in found.groups())
    if width * height > MAX_PIXELS:
        raise DrawingError(f"the PNG would have {width:.0f} x {height:.0f} pixels: draw SVG instead")
    picture = _run(command, "png", source, timeout)
    share = int.from_bytes(picture[20:24], "big") / height  # the second number of a PNG is its height
    if share > 0.95:
        return picture, ""
    return picture, f"{command.name} scaled the picture down to {share:.0%}: SVG keeps its size"


def _run(command: Path, format: str, source: str, timeout: float) -> bytes:
    try:
        done = subprocess.run([command, f"-T{format}"], input=source.encode(), capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise DrawingError(f"{command.name} took over {timeout:g} s: the graph is too large to lay out") from None
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode or not done.stdout:
        reason = said.splitlines()[0][:200] if said else f"exit code {done.returncode}"
        raise DrawingError(f"{command.name} failed: {reason}")
    return done.stdout
