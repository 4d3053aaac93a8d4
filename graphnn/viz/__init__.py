"""Looking at a network: a drawing and a table of its layers."""

from .network import plot_network
from .renderer import render
from .table import print_summary, summary

__all__ = ["plot_network", "print_summary", "render", "summary"]
