"""From documents to numbers of subwords, and the tokenizer as text that a run can keep."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from unlabeled.errors import DataError, OptionError, missing

PAD, MASK = "<pad>", "<mask>"
"""the two tokens that are no text, in tokenizers trained here"""
PADS = (PAD, "[PAD]", "<|pad|>", "<PAD>")
MASKS = (MASK, "[MASK]", "<|mask|>", "<MASK>")
"""their names in other people's"""
LEAST = 258
"""smallest vocabulary: every byte, and the two tokens that are no text"""
FILE = "tokenizer.json"
TOGETHER = 1024
"""documents encoded at once"""


class Tokenizer:
    """A tokenizer of Hugging Face, fixed by its JSON text. Token numbers are 0 … `size` − 1.

    `pad` and `mask` are its own where it has them, else two numbers behind its last. What looks like one of
    its special tokens inside a document is taken as the characters it is written with.
    """

    def __init__(self, text: str) -> None:
        self._inner = _parsed(text)
        # `[PAD]` in a document is a bracket, three letters and a bracket
        self._inner.encode_special_tokens = True
        self._inner.no_truncation()
        self._inner.no_padding()
        self.text = str(self._inner.to_str())
        vocabulary = self._inner.get_vocab(with_added_tokens=True)
        if not vocabulary:
            raise OptionError("this tokenizer has an empty vocabulary")
        numbers = iter(range(max(vocabulary.values()) + 1, 2**31))
        own = [
            next((vocabulary[name] for name in names if name in vocabulary), None) for names in (PADS, MASKS)
        ]
        self.pad, self.mask = (next(numbers) if number is None else int(number) for number in own)
        self.size: int = max(*vocabulary.values(), self.pad, self.mask) + 1

    def __reduce__(self) -> tuple[Any, ...]:
        return (Tokenizer, (self.text,))

    def encode(self, documents: Sequence[str]) -> list[np.ndarray]:
        """The token numbers of each document, int32, without marks for begin and end."""
        try:
            encoded = self._inner.encode_batch_fast(list(documents), add_special_tokens=False)
        except Exception as error:  # the package raises bare exceptions
            raise DataError(f"the tokenizer cannot cut this text ({error}): choose one that can") from error
        rows = [np.array(one.ids, dtype=np.int32) for one in encoded]
        return [row[row != self.pad] for row in rows]

    def decode(self, row: Sequence[int] | np.ndarray) -> str:
        """The text of token numbers; paddings are left out."""
        known = [int(i) for i in row if i != self.pad and self._inner.id_to_token(int(i)) is not None]
        return str(self._inner.decode(known, skip_special_tokens=False))

    @cached_property
    def ends(self) -> tuple[list[int], list[int]]:
        """The marks that this tokenizer's model expects before and behind a document ([CLS], [SEP])."""
        bare = self._inner.encode("a", add_special_tokens=False).ids
        marked = self._inner.encode("a", add_special_tokens=True).ids
        before = next((i for i in range(len(marked)) if marked[i : i + len(bare)] == bare), 0)
        return marked[:before], marked[before + len(bare) :]


def train(documents: Sequence[str], size: int, *, lower: bool = True) -> str:
    """The JSON text of a byte-level BPE tokenizer trained on documents (Sennrich et al. 2015, arXiv 1508.07909;
    on bytes: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").

    Its alphabet is the 256 bytes, so that no character is unknown to it. The same documents give the same
    tokenizer. `size`: the largest vocabulary. `lower`: capitals are read as small letters. Characters are
    composed (NFC) first.
    """
    tokenizers = _package()
    if isinstance(size, bool) or not isinstance(size, int) or size < LEAST:
        raise OptionError(
            f"vocabulary must be a whole number of at least {LEAST} (every byte, a padding and a mask), not {size!r}"
        )
    inner = tokenizers.Tokenizer(tokenizers.models.BPE())
    steps = [tokenizers.normalizers.NFC()] + [tokenizers.normalizers.Lowercase()] * lower
    inner.normalizer = tokenizers.normalizers.Sequence(steps)
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=True)
    inner.pre_tokenizer, inner.decoder = byte_level, tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[PAD, MASK],
        initial_alphabet=sorted(byte_level.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(_chunks(documents), trainer, length=len(documents))
    return str(inner.to_str())


def load(path: str | Path) -> str:
    """The JSON text of a `tokenizer.json`, or of the one in the folder of a checkpoint of transformers."""
    file = Path(path).expanduser()
    if file.is_dir():
        file = file / FILE
    if not file.is_file():
        raise OptionError(
            f"there is no {file}: tokenizer= takes a local tokenizer.json or a folder that holds one "
            f"(AutoTokenizer's save_pretrained writes it); nothing is downloaded"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{file} cannot be read ({error})") from error
    return Tokenizer(text).text


def _chunks(documents: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(documents), TOGETHER):
        yield list(documents[first : first + TOGETHER])


def _parsed(text: str) -> Any:
    tokenizers = _package()
    try:
        json.loads(text)
        return tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the package raises bare exceptions
        raise OptionError(f"this is not the JSON text of a tokenizer ({error})") from error


def _package() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise missing("tokenizers", "text") from None
    return tokenizers
