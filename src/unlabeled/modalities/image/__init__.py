"""Images: how they are read, changed, cut into tokens and encoded."""

from unlabeled.modalities.image.modality import Image

__all__ = ["Image"]
