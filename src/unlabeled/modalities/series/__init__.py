"""Time series: how they are read, changed, cut into patches and encoded."""

from unlabeled.modalities.series.modality import Series

__all__ = ["Series"]
