"""Text: how documents are read, cut into subwords, changed and encoded."""

from unlabeled.modalities.text.modality import Text

__all__ = ["Text"]
