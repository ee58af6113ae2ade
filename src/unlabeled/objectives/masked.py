"""Fill in the tokens that were hidden."""

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unlabeled.errors import ObjectiveError
from unlabeled.objectives import checks
from unlabeled.objectives.entropy import index_cross_entropy
from unlabeled.objectives.precision import at_least_float32


@at_least_float32
def masked_reconstruction(
    prediction: Float[Tensor, "*tokens channel"],
    target: Float[Tensor, "*tokens channel"],
    mask: Bool[Tensor, " *tokens"],
    *,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """Squared error on the hidden tokens, as in masked autoencoders.

    The sum over hidden tokens of mean_c (prediction - target)², divided by how many are hidden in the whole
    batch.

    Shapes: prediction and target (batch, token, channel), mask (batch, token) with True where hidden; any
    other number of leading axes does as well, such as (node, channel) with (node,). The result is a scalar.
    Normalised: with `normalise`, each target token by its own mean and *unbiased* variance plus 1e-6; the
    prediction never. Predicting zero then scores (channel - 1) / channel, the figure to beat.
    Gradient: into the hidden predictions only; visible ones have no part in it, not even if infinite. The
    target is raw input and not detached.
    Refused: no hidden token (0 / 0), a mask that is not boolean or has not one entry a token, `normalise` for
    tokens of fewer than two numbers (no variance), unequal shapes or types.
    Source: He, Chen, Xie, Li, Dollár, Girshick, 2021, arXiv:2111.06377.
    """
    checks.floating(prediction=prediction, target=target)
    checks.alike(prediction=prediction, target=target)
    checks.hidden(mask, prediction=prediction)
    channels = target.shape[-1]
    if channels < (2 if normalise else 1):
        raise ObjectiveError(
            f"target has {channels} numbers a token, normalise needs 2 for a variance: pass normalise=False"
        )
    wanted = target[mask]
    checks.some_hidden(wanted)
    if normalise:
        wanted = (wanted - wanted.mean(-1, keepdim=True)) / (wanted.var(-1, keepdim=True) + 1e-6).sqrt()
    return F.mse_loss(prediction[mask], wanted)


@at_least_float32
def masked_classification(
    logits: Float[Tensor, "*tokens classes"], target: Int[Tensor, " *tokens"], mask: Bool[Tensor, " *tokens"]
) -> Float[Tensor, ""]:
    """Cross-entropy on the hidden tokens, for targets that are words, categories or codes.

    The mean over the hidden tokens of the whole batch of -log softmax(logits)[target].

    Shapes: logits (batch, token, classes), target and mask (batch, token), True where hidden; any other
    number of leading axes does as well. The result is a scalar.
    Normalised: the logits by a softmax.
    Gradient: into the hidden tokens' logits only. Targets of visible tokens are never read, so any filler
    will do.
    Refused: no hidden token (0 / 0), a mask that is not boolean or has not one entry a token, fewer than 2
    classes, a hidden target outside [0, classes) (there is no index to ignore; leave the token out of the
    mask).
    Source: Devlin, Chang, Lee, Toutanova, 2018, arXiv:1810.04805; Bao, Dong, Piao, Wei, 2021,
    arXiv:2106.08254.
    """
    checks.floating(logits=logits)
    checks.hidden(mask, logits=logits)
    if target.shape != mask.shape:
        raise ObjectiveError(
            f"target has shape {tuple(target.shape)} and mask {tuple(mask.shape)}: give one class a token"
        )
    wanted = target[mask]
    checks.some_hidden(wanted)
    checks.class_index(logits.shape[-1], target=wanted)
    return index_cross_entropy(logits[mask], wanted)


@at_least_float32
def masked_tokens(
    prediction: Float[Tensor, "*tokens outputs"],
    numbers: Float[Tensor, "*tokens channel"] | None,
    codes: Int[Tensor, " *tokens"] | None,
    mask: Bool[Tensor, " *tokens"],
    *,
    normalise: bool = True,
) -> Float[Tensor, ""]:
    """The loss of each hidden token by what it is: squared error for numbers, cross-entropy for a category.

    The sum over hidden tokens of their own loss, divided by how many are hidden in the whole batch: of a
    number token mean_c (prediction - target)², of a token with a code -log softmax(logits)[code].

    Shapes: `prediction` (batch, token, channel + classes): its first `channel` values predict numbers, the
    rest are logits; `numbers` (batch, token, channel) or None where there are only categories; `codes`
    (batch, token), -1 where a token is numbers, or None where all are; `mask` (batch, token), True where
    hidden. The result is a scalar.
    Normalised and gradient: as in `masked_reconstruction` and `masked_classification`, which this is where
    all hidden tokens are of one kind.
    Refused: what those two refuse, and neither numbers nor codes.
    Source: He et al., 2021, arXiv:2111.06377; Devlin et al., 2018, arXiv:1810.04805.
    """
    if numbers is None and codes is None:
        raise ObjectiveError("masked_tokens needs numbers or codes to compare predictions with")
    if codes is None:
        return masked_reconstruction(prediction, numbers, mask, normalise=normalise)  # type: ignore[arg-type]
    if numbers is None:
        return masked_classification(prediction, codes, mask)
    checks.hidden(mask, prediction=prediction)
    coded = mask & (codes >= 0)
    plain = mask & (codes < 0)
    checks.some_hidden(mask[mask])
    channels = numbers.shape[-1]
    losses = prediction.new_zeros(())
    if bool(plain.any()):
        squares = masked_reconstruction(prediction[..., :channels], numbers, plain, normalise=normalise)
        losses = losses + plain.sum() * squares
    if bool(coded.any()):
        losses = losses + coded.sum() * masked_classification(prediction[..., channels:], codes, coded)
    return losses / mask.sum()
