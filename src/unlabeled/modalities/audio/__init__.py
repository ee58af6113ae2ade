"""Audio: how recordings are read, changed, cut into tokens and encoded."""

from unlabeled.modalities.audio.modality import Audio

__all__ = ["Audio"]
