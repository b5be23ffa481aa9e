"""Drawings of what is connected to what, from the stack's outputs: Mermaid for code hosts, own SVG (`.svg`) for pages.

What is named here needs the standard library only, so that a change can be reviewed without what pages need.
"""

from .mermaid import chart
from .model import Edge, Layer, TopologyError, layers, tenant_view

__all__ = ["Edge", "Layer", "TopologyError", "chart", "layers", "tenant_view"]
