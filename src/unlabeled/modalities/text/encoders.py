"""The encoders of text: a small transformer, a bag of words, any local checkpoint of transformers.

Every one takes (batch, length) token numbers with the padding's where nothing is. `build` opens them by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError, nearest
from unlabeled.modalities.text.checkpoint import NAME as CHECKPOINT
from unlabeled.modalities.text.checkpoint import Checkpoint
from unlabeled.modalities.text.tokenizer import Tokenizer
from unlabeled.parts.encoder import (
    Encoded,
    Encoder,
    FeatureEncoder,
    at_least_float32,
    check_at_least,
    check_options,
    refuse_custom,
)
from unlabeled.parts.transformer import initialise, sincos
from unlabeled.parts.trunk import TokenEncoder

SCALE = 0.02
"""deviation of the embeddings at the start, and the size of the positions beside them"""


def build(name: str, *, tokenizer: Tokenizer, length: int, **options: Any) -> Encoder:
    """The encoder called `name`: one of ours, or the folder of a local checkpoint of transformers.

    `build(**encoder.spec, …)` builds the same architecture again, without the folder. Refused: an unknown name
    or option (with the nearest known), 'custom', a checkpoint with another tokenizer.
    """
    refuse_custom(name)
    if name in OWN:
        kind = OWN[name]
        check_options(name, options, kind)
        return kind(tokenizer.size, tokenizer.pad, **options)
    if name == CHECKPOINT:
        return Checkpoint.again(tokenizer=tokenizer, length=length, **options)
    if Path(name).expanduser().is_dir():
        check_options(name, options, Checkpoint.open)
        return Checkpoint.open(name, tokenizer=tokenizer, length=length, **options)
    raise OptionError(
        f"unknown encoder {name!r}: {nearest(name, OWN)} (or the folder of a local checkpoint of transformers; "
        "nothing is downloaded)"
    )


class Transformer(TokenEncoder):
    """A small transformer over subwords, from a table of embeddings with fixed sine-cosine positions.

    `vocabulary`: how many token numbers there are; `pad`: the one that is no token. `dropout` makes two passes
    over one document differ while training (Gao et al. 2021, arXiv 2104.08821).
    """

    def __init__(
        self,
        vocabulary: int,
        pad: int,
        *,
        width: int = 128,
        depth: int = 3,
        heads: int = 4,
        pool: str = "mean",
        dropout: float = 0.1,
    ) -> None:
        super().__init__("transformer", width, depth, heads, pool=pool, dropout=dropout)
        self.pad = pad
        self.table = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.apply(initialise)
        nn.init.normal_(self.table.weight, std=SCALE)

    def embed(
        self, x: Int[Tensor, "batch length"]
    ) -> tuple[Float[Tensor, "batch length dim"], Float[Tensor, "length dim"], Bool[Tensor, "batch length"]]:
        check_tokens(x)
        places = torch.arange(x.shape[1], device=x.device)[:, None].float()
        return self.dropout(self.table(x)), SCALE * sincos(places, self.dim), x != self.pad


class Bag(FeatureEncoder):
    """The mean of the embeddings of a document's tokens, and a two-layer network on it: order means nothing.

    The cheapest encoder of text. `dropout`: of the mean's channels and of what the network adds.
    """

    def __init__(self, vocabulary: int, pad: int, *, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        check_at_least("bag", "width", width, 1)
        if not 0 <= dropout < 1:
            raise OptionError(f"bag: dropout must be in [0, 1), not {dropout}")
        self.spec = {"name": "bag", "width": width, "dropout": dropout}
        self.dim, self.pad = width, pad
        self.table = nn.Embedding(vocabulary, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.apply(initialise)
        nn.init.normal_(self.table.weight, std=SCALE)

    def compute(self, x: Any) -> Encoded:
        check_tokens(x)
        mean = F.embedding_bag(x, self.table.weight, mode="mean", padding_idx=self.pad)
        pooled = self.norm(self.dropout(mean))
        return Encoded(at_least_float32(pooled + self.dropout(self.network(pooled))))


OWN: dict[str, Any] = {"transformer": Transformer, "bag": Bag}


def check_tokens(x: Any) -> None:
    if not isinstance(x, Tensor) or x.ndim != 2 or x.is_floating_point():
        said = f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise OptionError(f"documents come as (batch, length) token numbers, not {said}")
