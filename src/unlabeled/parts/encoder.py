"""The contract of every encoder: samples in, features and tokens out, some of them hidden or left out."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError, UserError, nearest


@dataclass(frozen=True)
class Encoded:
    """One pass of an encoder."""

    features: Float[Tensor, "batch dim"]
    """one vector a sample (a node, at node level)"""
    tokens: Float[Tensor, "batch tokens dim"] | None = None
    """one vector a token, in the order of `keep` where it was given; None where the encoder has none"""
    layers: tuple[Tensor, ...] = ()
    """token (or feature-map) outputs of its blocks, first to last, where the encoder offers them"""


class Encoder(nn.Module, ABC):
    """What the methods may ask of an encoder. It takes what the modality collates and normalises inside."""

    dim: int
    """width of the features"""
    spec: dict[str, Any]
    """plain values from which the modality builds the same architecture again: {"name": …, **options}"""
    leaves_out: bool = False
    """whether `keep`, `mask` and tokens are available"""

    @abstractmethod
    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        """One pass.

        `keep`: positions computed, the others are left out of the computation;
        `mask`: True is hidden and replaced by `mask_token` after the token embedding;
        `present`: False is padding or a missing cell.
        """

    def forward(self, x: Any) -> Float[Tensor, "batch dim"]:
        return self.encode(x).features

    def refuse(self, **asked: object) -> None:
        """For encoders without tokens: refuse what they cannot do, naming it."""
        for name, value in asked.items():
            if value is not None:
                raise OptionError(
                    f"encoder {self.spec.get('name')!r} has no tokens to leave out or hide ({name}= was given): "
                    "choose one that can leave tokens out"
                )


class FeatureEncoder(Encoder):
    """An encoder whose tokens, if it has any to show, can be neither hidden nor left out: it says `compute`."""

    @abstractmethod
    def compute(self, x: Any) -> Encoded:
        """One pass over the whole input."""

    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        self.refuse(keep=keep, mask=mask, present=present)
        return self.compute(x)


class Wrapped(FeatureEncoder):
    """A user's own module, called with prepared inputs; maps and tokens are averaged to features.

    `example`: a small collated batch, to find out how wide the features are. `prepare`: what the module is
    given of a batch (None: the batch as it is collated). A module that is not read from a run has the name
    "custom" and is passed again when the run is read.
    """

    def __init__(self, module: nn.Module, example: Any, prepare: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = {"name": "custom"}
        self.prepare = nn.Identity() if prepare is None else prepare
        self.module = module
        try:
            self.dim = width_of(self, example)
        except UserError:  # it says what is wrong already
            raise
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            given = self.prepare(example)
            form = (
                f"{tuple(given.shape)} {given.dtype}" if isinstance(given, Tensor) else type(given).__name__
            )
            raise OptionError(
                f"your module cannot take a batch of this data, which is {form} ({error}): change the module, or how "
                "the data is prepared, with modality= and its options (such as size and bands of images)"
            ) from error

    def compute(self, x: Any) -> Encoded:
        given = self.module(self.prepare(x))
        if not isinstance(given, Tensor) or given.ndim < 2 or len(given) != len(x):
            what = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise OptionError(
                f"your module gave {what} for {len(x)} samples: it must give a tensor (batch, dim), or maps "
                "(batch, dim, height, width), or tokens (batch, tokens, dim)"
            )
        given = at_least_float32(given)
        if given.ndim == 3:
            return Encoded(given.mean(1), given)
        return Encoded(given.mean((2, 3)) if given.ndim == 4 else given.flatten(1))


def width_of(encoder: Encoder, example: Any) -> int:
    """Width of the features, in evaluation mode (batch statistics stay as they are)."""
    training = encoder.training
    encoder.eval()
    try:
        with torch.no_grad():
            return int(encoder(example).shape[1])
    finally:
        encoder.train(training)


def at_least_float32(x: Tensor) -> Tensor:
    """Half types as float32."""
    return x.float() if x.element_size() < 4 else x


def check_at_least(name: str, option: str, value: Any, least: int) -> None:
    """Refuses an encoder's option that is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise OptionError(f"{name}: {option} must be a whole number of at least {least}, not {value!r}")


def check_options(name: str, options: Mapping[str, Any], maker: Callable[..., Encoder]) -> None:
    """Refuses options that the maker of an encoder has no default for, with the nearest known."""
    known = [
        option
        for option, parameter in inspect.signature(maker).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    ]
    for option in options:
        if option not in known:
            raise OptionError(f"encoder {name!r} has no option {option!r}: {nearest(option, known)}")


def refuse_custom(name: str) -> None:
    """Refuses to build the encoder that is a user's own module."""
    if name == "custom":
        raise OptionError(
            "this encoder is a module of your own, and code is never read from a run: pass the module again, "
            "as in ul.load(path, encoder=module)"
        )


Makers = Mapping[str, tuple[Callable[..., Encoder], Mapping[str, Any]]]
"""name of an encoder → what makes it, and what the data says that its maker has to know"""


def make(
    name: str,
    makers: Makers,
    *given: Any,
    **options: Any,
) -> Encoder:
    """The encoder called `name`: its maker, called with `given`, the facts beside it in `makers`, and `options`.

    Refused: 'custom', an unknown name, an option the maker has no default for; with the nearest known.
    """
    refuse_custom(name)
    if name not in makers:
        raise OptionError(f"unknown encoder {name!r}: {nearest(name, makers)}")
    maker, facts = makers[name]
    check_options(name, options, maker)
    return maker(*given, **facts, **options)
