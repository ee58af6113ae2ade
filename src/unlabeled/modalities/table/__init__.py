"""Tables: how they are read, changed, cut into tokens and encoded."""

from unlabeled.modalities.table.modality import Table

__all__ = ["Table"]
