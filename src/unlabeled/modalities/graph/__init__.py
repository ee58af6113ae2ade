"""Graphs: how they are read, changed, taken as tokens (nodes) and encoded."""

from unlabeled.modalities.graph.modality import Graph

__all__ = ["Graph"]
