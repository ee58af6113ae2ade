"""Pull two views of one sample together and push other samples away."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from unlabeled.objectives import checks
from unlabeled.objectives.moments import diagonal
from unlabeled.objectives.precision import at_least_float32
from unlabeled.objectives.similarity import unit


@at_least_float32
def nt_xent(
    z1: Float[Tensor, "batch dim"], z2: Float[Tensor, "batch dim"], *, temperature: float
) -> Float[Tensor, ""]:
    """Normalised temperature-scaled cross-entropy of SimCLR.

    With Z = [z1; z2] in unit rows and S = Z Zᵀ / temperature, the mean over all 2n rows i of
    -log( exp S[i, i±n] / sum_{j≠i} exp S[i, j] ): every other embedding of either view is a negative.

    Shapes: both (batch, dim), row i of each a view of sample i; the result is a scalar.
    Normalised: the rows, to unit length, here; pass raw projector outputs. A zero row has cosine 0 with all.
    Gradient: flows through both views.
    Refused: fewer than 2 samples (no negative: the loss is 0 whatever the embeddings), temperature not
    above 0, unequal shapes or types.
    Known values: log(2n - 1) when all embeddings are equal; log(1 + (2n - 2) exp(-1 / temperature)) when the
    two views agree and different samples are orthogonal.
    Source: Chen, Kornblith, Norouzi, Hinton, 2020, arXiv:2002.05709. Ports that contrast the two views only
    (n candidates instead of 2n - 1) compute `info_nce`.
    """
    checks.matrices(least_rows=2, z1=z1, z2=z2)
    checks.positive(temperature=temperature)
    z = torch.cat([unit(z1), unit(z2)])
    scores = z @ z.T / temperature
    scores = scores.masked_fill(diagonal(scores), -torch.inf)
    other_view = torch.arange(len(z), device=z.device).roll(len(z1))
    return F.cross_entropy(scores, other_view)


@at_least_float32
def info_nce(
    query: Float[Tensor, "batch dim"],
    key: Float[Tensor, "batch dim"],
    *,
    negatives: Float[Tensor, "negatives dim"] | None = None,
    temperature: float,
) -> Float[Tensor, ""]:
    """InfoNCE: pick each query's own key among candidates; one direction.

    The mean over i of -log( exp(q_i·k_i / temperature) / sum_c exp(q_i·c / temperature) ) in unit rows. The
    candidates c are all keys of the batch (the form of MoCo v3 and NNCLR), or, with `negatives`, the
    query's own key and these only (the form of MoCo v1 and v2, whose negatives are a queue).

    Shapes: query and key (batch, dim), row i of each from sample i; negatives (any number, dim); a scalar
    results.
    Normalised: all rows, to unit length, here. A zero row has cosine 0 with all.
    Gradient: flows into query, key and negatives; a method whose keys come from a teacher or a queue hands
    them over without gradient. MoCo v3's factor 2·temperature and its second direction belong to the
    method.
    Refused: fewer than 2 samples without negatives, or no row in `negatives` (the loss would be 0 whatever
    the embeddings), temperature not above 0, unequal shapes, widths or types.
    Source: van den Oord, Li, Vinyals, 2018, arXiv:1807.03748; the queue: He, Fan, Wu, Xie, Girshick, 2019,
    arXiv:1911.05722; in the batch: Chen, Xie, He, 2021, arXiv:2104.02057.
    """
    checks.matrices(least_rows=2 if negatives is None else 1, query=query, key=key)
    checks.positive(temperature=temperature)
    query, key = unit(query), unit(key)
    own = torch.arange(len(query), device=query.device)
    if negatives is None:
        return F.cross_entropy(query @ key.T / temperature, own)
    checks.matrices(negatives=negatives)
    checks.same_width(query=query, negatives=negatives)
    positive = (query * key).sum(1, keepdim=True)
    scores = torch.cat([positive, query @ unit(negatives).T], dim=1)
    return F.cross_entropy(scores / temperature, torch.zeros_like(own))
