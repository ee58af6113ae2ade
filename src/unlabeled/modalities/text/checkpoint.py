"""A local checkpoint of Hugging Face transformers as an encoder.

Read as data: no code of the checkpoint is run, weights come from safetensors, nothing is downloaded.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unlabeled.errors import OptionError, missing
from unlabeled.modalities.text.tokenizer import Tokenizer, load
from unlabeled.parts.encoder import Encoded, Encoder, at_least_float32
from unlabeled.parts.transformer import attended
from unlabeled.parts.trunk import check_tokens, hide, mean

NAME = "checkpoint"
"""by which it is built again from its configuration"""
DROPPED = ("auto_map", "quantization_config", "attn_implementation", "dtype", "torch_dtype", "architectures")
"""of a configuration: what names code, or says how it was once kept and run"""


class Checkpoint(Encoder):
    """Any model of transformers with token embeddings; of an encoder and decoder only the encoder.

    A document gets the marks that its tokenizer puts before and behind one ([CLS], [SEP]); `tokens` and the mean
    are without them. `pool`: features are the mean of the document's tokens ("mean") or the first mark ("cls").
    Tokens can be left out and hidden where the model takes positions and its outcome depends on nothing but
    them (`leaves_out`): of BERT, RoBERTa and the like, not where attention is causal.
    """

    model: Any

    def __init__(
        self, model: Any, config: dict[str, Any], tokenizer: Tokenizer, length: int, pool: str
    ) -> None:
        super().__init__()
        if pool not in ("mean", "cls"):
            raise OptionError(f"checkpoint: pool must be 'mean' or 'cls', not {pool!r}")
        before, behind = tokenizer.ends
        if pool == "cls" and not before:
            raise OptionError(
                "checkpoint: pool='cls' needs a mark before each document, and this tokenizer has none"
            )
        self.spec = {"name": NAME, "config": config, "pool": pool}
        self.model, self.pool, self.pad = model, pool, tokenizer.pad
        self.before, self.behind = before, behind
        self.dim = int(model.config.hidden_size)
        self.first = _first_position(model)
        self.leaves_out = False
        most = getattr(model.config, "max_position_embeddings", None)
        if isinstance(most, int) and 0 < most - self.first < length + len(before) + len(behind):
            raise OptionError(
                f"this checkpoint reads at most {most - self.first - len(before) - len(behind)} tokens and documents "
                f"are kept up to {length}: choose a smaller length of the modality"
            )
        x = torch.arange(length)[None] % model.get_input_embeddings().num_embeddings
        x[x == self.pad] = (self.pad + 1) % model.get_input_embeddings().num_embeddings
        self.eval()
        self.leaves_out = self._only_positions_count(x, self._tried(x))
        self.train()

    @classmethod
    def open(cls, name: str, *, tokenizer: Tokenizer, length: int, pool: str = "mean") -> Checkpoint:
        """The checkpoint in the folder `name`, with its weights. Its tokenizer must be that of the data."""
        transformers = _package()
        folder = str(Path(name).expanduser())
        if load(folder) != tokenizer.text:
            raise OptionError(
                f"the checkpoint {name} reads another tokenizer's tokens: cut the data with its own, "
                f"modality={{'name': 'text', 'tokenizer': {name!r}}}"
            )
        try:
            with _quiet(transformers):
                model = transformers.AutoModel.from_pretrained(
                    folder,
                    local_files_only=True,
                    trust_remote_code=False,
                    use_safetensors=True,
                    dtype=torch.float32,
                )
                if tokenizer.size > getattr(model.get_input_embeddings(), "num_embeddings", tokenizer.size):
                    model.resize_token_embeddings(tokenizer.size)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise OptionError(
                f"{name} is no checkpoint that can be read without running its code (a config.json of a model that "
                f"transformers knows and model.safetensors are needed): {error}"
            ) from error
        config = json.loads(model.config.to_json_string(use_diff=False))
        config = {k: v for k, v in config.items() if not k.startswith("_") and k not in DROPPED}
        return cls(_trunk(model), config, tokenizer, length, pool)

    @classmethod
    def again(
        cls, *, tokenizer: Tokenizer, length: int, config: dict[str, Any] | None = None, pool: str = "mean"
    ) -> Checkpoint:
        """The same architecture from its configuration, with weights drawn anew."""
        transformers = _package()
        if not isinstance(config, dict) or "model_type" not in config:
            raise OptionError(
                f"encoder {NAME!r} is built from a configuration of transformers: name a folder instead"
            )
        values = {k: v for k, v in config.items() if not k.startswith("_") and k not in DROPPED}
        try:
            with _quiet(transformers):
                made = transformers.AutoConfig.for_model(values.pop("model_type"), **values)
                model = transformers.AutoModel.from_config(made, trust_remote_code=False).float()
        except (ValueError, KeyError, TypeError, ImportError) as error:
            raise OptionError(
                f"this is no configuration of a model that transformers knows: {error}"
            ) from error
        return cls(_trunk(model), config, tokenizer, length, pool)

    def encode(
        self,
        x: Any,
        *,
        keep: Int[Tensor, "batch kept"] | None = None,
        mask: Bool[Tensor, "batch tokens"] | None = None,
        mask_token: Float[Tensor, " dim"] | None = None,
        present: Bool[Tensor, "batch tokens"] | None = None,
    ) -> Encoded:
        if not self.leaves_out:
            self.refuse(keep=keep, mask=mask, present=present)
        there = x != self.pad
        count = there.sum(1)
        tokens = self.model.get_input_embeddings()(x)
        check_tokens(NAME, tokens, keep=keep, mask=mask, present=present)
        tokens = hide(tokens, mask, mask_token)
        there = there if present is None else there & present
        places = torch.arange(x.shape[1], device=x.device).expand_as(x)
        if keep is not None:
            tokens = tokens.gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[2]))
            there, places = there.gather(1, keep), keep
        tokens, everywhere, places = self._marked(tokens, there, places, count, left_out=keep is not None)
        given = {} if keep is None else {"position_ids": places + self.first}
        out = self.model(
            inputs_embeds=tokens,
            attention_mask=attended(everywhere).long(),
            output_hidden_states=True,
            return_dict=True,
            **given,
        )
        inside = slice(len(self.before), len(self.before) + there.shape[1])
        last = out.last_hidden_state
        features = last[:, 0] if self.pool == "cls" else mean(last[:, inside], there)
        return Encoded(
            at_least_float32(features),
            last[:, inside],
            tuple(layer[:, inside] for layer in out.hidden_states[1:]),
        )

    def _marked(
        self, tokens: Tensor, there: Tensor, places: Tensor, count: Tensor, *, left_out: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens with the marks around them, which of all these are there, and their positions.

        The marks behind stand right behind the document's last token; where tokens are left out they come last,
        and only their position says so.
        """
        n, kept = there.shape
        before, behind = len(self.before), len(self.behind)
        marks = self.model.get_input_embeddings()(
            torch.tensor(self.before + self.behind, device=tokens.device).long()
        )
        marks = marks.to(tokens.dtype).expand(n, -1, -1)
        tokens = torch.cat([marks[:, :before], tokens, marks[:, before:]], dim=1)
        ends = before + count[:, None] + torch.arange(behind, device=tokens.device)
        places = torch.cat(
            [torch.arange(before, device=tokens.device).expand(n, -1), places + before, ends], dim=1
        )
        yes = there.new_ones(n, before + behind)
        there = torch.cat([yes[:, :before], there, yes[:, before:]], dim=1)
        if not left_out and behind:
            # what stands there is padding, and goes where the marks were
            order = torch.arange(before + kept + behind, device=tokens.device).expand(n, -1).clone()
            order[:, before + kept :] = ends
            order = order.scatter(
                1, ends, torch.arange(before + kept, before + kept + behind, device=ends.device).expand(n, -1)
            )
            tokens = tokens.gather(1, order[:, :, None].expand(-1, -1, tokens.shape[2]))
            there = there.gather(1, order)
        return tokens, there, places

    @torch.no_grad()
    def _tried(self, x: Tensor) -> Tensor:
        """What comes out of one document. `OptionError`: nothing does."""
        try:
            return self.encode(x).tokens  # type: ignore[return-value]
        except Exception as error:  # whatever a model of another kind raises
            raise OptionError(
                f"this checkpoint ({self.model.config.model_type}) cannot be used as an encoder of text: embeddings of "
                f"tokens in, a state of each token out is what it must do, and it fails with {type(error).__name__}: "
                f"{error}"
            ) from error

    @torch.no_grad()
    def _only_positions_count(self, x: Tensor, whole: Tensor) -> bool:
        """Whether tokens in another order, with their positions, come out the same: then some can be left out."""
        table = self.model.get_input_embeddings()
        if (
            "position_ids" not in inspect.signature(self.model.forward).parameters
            or table.embedding_dim != self.dim
        ):
            return False
        length = x.shape[1]
        # even places, then odd ones: every distance changes
        order = torch.cat([torch.arange(0, length, 2), torch.arange(1, length, 2)])[None]
        try:
            self.leaves_out = True
            other = self.encode(x, keep=order).tokens
            return torch.allclose(whole[:, order[0]], other, rtol=1e-3, atol=1e-4)  # type: ignore[arg-type]
        finally:
            self.leaves_out = False


def _trunk(model: Any) -> Any:
    """What turns tokens into tokens: no decoder, and no pooler, which would never learn."""
    # a model of both is made where only the encoder of one was saved, whose configuration denies a decoder
    both = all(getattr(model, part, None) is not None for part in ("encoder", "decoder"))
    if model.config.is_encoder_decoder or both:
        model = model.get_encoder()
    if not hasattr(model.get_input_embeddings(), "num_embeddings"):
        raise OptionError(
            f"this checkpoint ({model.config.model_type}) is no model of text: it has no table of token embeddings"
        )
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    model.config.use_cache = False
    return model


def _first_position(model: nn.Module) -> int:
    """The number of the first position: behind the padding's in RoBERTa and its kin, else 0."""
    for name, module in model.named_modules():
        if (
            name.endswith("position_embeddings")
            and isinstance(module, nn.Embedding)
            and module.padding_idx is not None
        ):
            return module.padding_idx + 1
    return 0


@contextlib.contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' progress bars and advice."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()


def _package() -> Any:
    try:
        import transformers
    except ImportError:
        raise missing("transformers", "text") from None
    return transformers
