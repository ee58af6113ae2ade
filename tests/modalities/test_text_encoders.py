"""The encoders of text: what is padding, hidden or left out, and checkpoints of transformers read as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from sklearn.feature_extraction.text import TfidfTransformer
from tests.samples import text as sample
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from torch import Tensor

from unlabeled.errors import OptionError
from unlabeled.modalities.text import Text
from unlabeled.modalities.text.tokenizer import train
from unlabeled.modalities.text.weights import COLUMNS, inverse_frequencies, tfidf
from unlabeled.parts.encoder import Encoder
from unlabeled.parts.joint import joint

SMALL: dict[str, dict[str, Any]] = {
    "transformer": {"width": 16, "depth": 2, "heads": 2},
    "bag": {"width": 16},
}
DOCS = sample.data(16)


@pytest.fixture(scope="module")
def text() -> Text:
    return Text.measure(DOCS, vocabulary=300, length=24)


@pytest.fixture(scope="module")
def x(text: Text) -> Tensor:
    """(6, 24): from one token to as many as there can be."""
    held = text.read(DOCS).fetch(range(6))
    lengths = torch.tensor([1, 2, 5, 9, 17, 24])
    return torch.where(torch.arange(24) < lengths[:, None], held, text.tokenizer.pad)


def build(text: Text, name: str, **options: Any) -> Encoder:
    torch.manual_seed(0)
    return text.build_encoder(name, **{**SMALL[name], **options}).eval()


@pytest.mark.parametrize("name", SMALL)
def test_padding_and_company_change_no_features(name: str, text: Text, x: Tensor) -> None:
    encoder = build(text, name)
    with torch.no_grad():
        together = encoder(x)
        assert together.shape == (6, 16) and bool(together.isfinite().all())
        for i, length in enumerate((1, 2, 5, 9, 17, 24)):
            torch.testing.assert_close(encoder(x[i : i + 1, :length])[0], together[i], rtol=1e-4, atol=1e-5)
        assert bool(encoder(torch.full_like(x, text.tokenizer.pad)).isfinite().all())


@pytest.mark.parametrize("name", SMALL)
def test_the_spec_builds_the_same_architecture(name: str, text: Text, x: Tensor) -> None:
    encoder = build(text, name)
    again = text.build_encoder(**encoder.spec).eval()
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again(x), encoder(x))


def test_two_views_that_are_the_same_differ_by_dropout_while_training(text: Text, x: Tensor) -> None:
    for name in SMALL:
        encoder = build(text, name).train()
        one, other = joint(encoder, x, x)
        assert not torch.allclose(one, other, atol=1e-4)
        one, other = joint(encoder.eval(), x, x)
        torch.testing.assert_close(one, other)
        one, other = joint(build(text, name, dropout=0.0).train(), x, x)
        torch.testing.assert_close(one, other)


def test_a_bag_knows_no_order_and_a_transformer_does(text: Text, x: Tensor) -> None:
    row = x[5:]
    with torch.no_grad():
        bag, transformer = build(text, "bag"), build(text, "transformer")
        torch.testing.assert_close(bag(row), bag(row.flip(1)), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(transformer(row), transformer(row.flip(1)), atol=1e-4)


def test_a_bag_has_no_tokens_to_leave_out(text: Text, x: Tensor) -> None:
    with pytest.raises(OptionError, match="choose one that can"):
        build(text, "bag").encode(x, keep=torch.zeros(6, 1, dtype=torch.long))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("transfomer", {}, "did you mean 'transformer'"),
        ("bert-base-uncased", {}, "nothing is downloaded"),
        ("custom", {}, "module of your own"),
        ("transformer", {"wdth": 3}, "did you mean 'width'"),
        ("transformer", {"width": 15}, "does not divide"),
        ("bag", {"width": 0}, "at least 1"),
        ("bag", {"dropout": 1.0}, r"\[0, 1\)"),
        ("checkpoint", {}, "name a folder"),
        ("checkpoint", {"config": {"model_type": "no such"}}, "no configuration of a model"),
    ],
)
def test_encoders_that_cannot_be_built_are_refused(name: str, options: Any, said: str, text: Text) -> None:
    with pytest.raises(OptionError, match=said):
        text.build_encoder(name, **options)


def test_what_is_no_batch_of_tokens_is_refused(text: Text) -> None:
    for name in SMALL:
        with pytest.raises(OptionError, match="token numbers"):
            build(text, name)(torch.zeros(3, 4))


# hidden and left out, of every encoder that has tokens

KIN = {
    "bert": (transformers.BertConfig, {}),
    "roberta": (transformers.RobertaConfig, {}),
    "modernbert": (transformers.ModernBertConfig, {"local_attention": 8, "pad_token_id": 0}),
    "gpt2": (transformers.GPT2Config, {}),
    "electra": (transformers.ElectraConfig, {"embedding_size": 8}),
    "t5": (transformers.T5Config, {"d_kv": 8, "d_ff": 32}),
    "distilbert": (transformers.DistilBertConfig, {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}),
}
LEAVE_OUT = ("bert", "roberta", "distilbert")
"""of ModernBERT only within a window; GPT-2 looks back only; ELECTRA's embeddings are narrower; T5 counts itself"""


def checkpoint(folder: Path, kind: str, **more: Any) -> Path:
    """A tiny model with weights drawn at random, saved as transformers saves one, and a tokenizer with marks."""
    inner = Tokenizer.from_str(train(DOCS, 300))
    inner.add_special_tokens(["[CLS]", "[SEP]"])
    marks = [(name, inner.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    inner.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=marks)
    config, options = KIN[kind]
    sizes = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 40,
        "bos_token_id": None,
        "eos_token_id": None,
        "vocab_size": inner.get_vocab_size(),
    }
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config(**{**sizes, **options, **more}))
    model.save_pretrained(folder)
    inner.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: checkpoint(tmp_path_factory.mktemp(kind), kind) for kind in KIN}


def opened(folder: Path, length: int = 24, **options: Any) -> tuple[Text, Encoder]:
    modality = Text.measure(DOCS, tokenizer=folder, length=length)
    return modality, modality.build_encoder(str(folder), **options).eval()


@pytest.mark.parametrize("kind", KIN)
def test_a_checkpoint_gives_the_features_that_transformers_gives(
    kind: str, checkpoints: dict[str, Path]
) -> None:
    folder = checkpoints[kind]
    modality, encoder = opened(folder)
    inner = Tokenizer.from_file(str(folder / "tokenizer.json"))
    docs = [d[:30] for d in DOCS[:5]]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    model = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.no_grad():
        made = encoder(modality.read(docs).fetch(range(5)))
        for row, document in zip(made, docs, strict=True):
            out = model(input_ids=torch.tensor([inner.encode(document).ids])).last_hidden_state[0, 1:-1]
            torch.testing.assert_close(row, out.mean(0), rtol=1e-4, atol=1e-5)


def resaved(folder: Path, config: Any, model: Any) -> tuple[Path, Any]:
    """A model of this class instead of the one that `checkpoint` made, with its tokenizer."""
    checkpoint(folder, "bert")
    torch.manual_seed(0)
    made = model(config).eval()
    made.save_pretrained(folder)
    return folder, made


def test_the_encoder_alone_of_an_encoder_and_decoder_is_a_checkpoint(tmp_path: Path, x: Tensor) -> None:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "vocab_size": 302}
    folder, model = resaved(tmp_path, transformers.T5Config(**sizes), transformers.T5EncoderModel)
    modality, encoder = opened(folder)
    before, behind = modality.tokenizer.ends
    with torch.no_grad():
        marked = torch.tensor([[*before, *x[5].tolist(), *behind]])
        wanted = model(input_ids=marked).last_hidden_state[0, 1:-1].mean(0)
        torch.testing.assert_close(encoder(x[5:])[0], wanted, rtol=1e-4, atol=1e-5)
        again = Text(**modality.config()).build_encoder(**encoder.spec).eval()
        again.load_state_dict(encoder.state_dict())
        assert torch.equal(again(x), encoder(x))


def test_a_checkpoint_that_cannot_encode_text_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    clip = transformers.CLIPTextConfig(**small, vocab_size=302, bos_token_id=0, eos_token_id=1)
    folder, _ = resaved(tmp_path / "clip", clip, transformers.CLIPTextModel)
    with pytest.raises(OptionError, match=r"clip_text_model\) cannot be used .* fails with ValueError"):
        opened(folder)
    vit = transformers.ViTConfig(**small, image_size=32)
    folder, _ = resaved(tmp_path / "vit", vit, transformers.ViTModel)
    with pytest.raises(OptionError, match=r"\(vit\) is no model of text"):
        opened(folder)


@pytest.mark.parametrize("kind", KIN)
def test_a_checkpoint_is_built_again_without_its_folder(
    kind: str, checkpoints: dict[str, Path], x: Tensor
) -> None:
    import yaml

    modality, encoder = opened(checkpoints[kind])
    spec = yaml.safe_load(yaml.safe_dump(encoder.spec))
    assert spec == encoder.spec and str(checkpoints[kind]) not in str(spec)
    again = Text(**modality.config()).build_encoder(**spec).eval()
    assert not torch.equal(again(x), encoder(x))
    again.load_state_dict(encoder.state_dict())
    with torch.no_grad():
        assert torch.equal(again(x), encoder(x))
    assert again.leaves_out is encoder.leaves_out is (kind in LEAVE_OUT)


def tokenful(name: str, text: Text, checkpoints: dict[str, Path]) -> tuple[Encoder, int]:
    """An encoder that leaves out, and its padding's number."""
    if name == "transformer":
        return build(text, name), text.tokenizer.pad
    modality, encoder = opened(checkpoints[name])
    return encoder, modality.tokenizer.pad


@pytest.mark.parametrize("name", ["transformer", *LEAVE_OUT])
def test_tokens_left_out_or_hidden_reach_nothing(
    name: str, text: Text, x: Tensor, checkpoints: dict[str, Path]
) -> None:
    encoder, _ = tokenful(name, text, checkpoints)
    row, other = x[5:], x[5:].clone()
    other[0, ::2] = x[5, 1]
    odd = torch.arange(1, 24, 2)[None]
    hidden = torch.arange(24)[None] % 2 == 0
    token = torch.full((16,), 0.3)
    with torch.no_grad():
        for options in ({"keep": odd}, {"mask": hidden, "mask_token": token}, {"present": ~hidden}):
            one, two = encoder.encode(row, **options), encoder.encode(other, **options)
            torch.testing.assert_close(one.features, two.features, rtol=1e-4, atol=1e-5)
        left, absent = encoder.encode(row, keep=odd), encoder.encode(row, present=~hidden)
        torch.testing.assert_close(left.features, absent.features, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(left.tokens, absent.tokens[:, odd[0]], rtol=1e-4, atol=1e-5)  # type: ignore[index]
        assert not torch.allclose(encoder.encode(row).features, encoder.encode(other).features, atol=1e-4)
        assert left.layers[0].shape == left.tokens.shape == (1, 12, 16)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["transformer", *LEAVE_OUT])
def test_keeping_all_keeps_all_whatever_the_order(
    name: str, text: Text, x: Tensor, checkpoints: dict[str, Path]
) -> None:
    encoder, _ = tokenful(name, text, checkpoints)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0)).expand(6, -1)
    with torch.no_grad():
        whole, turned = encoder.encode(x), encoder.encode(x, keep=order)
        torch.testing.assert_close(whole.features, turned.features, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KIN)
def test_padding_changes_no_features_of_a_checkpoint(
    kind: str, x: Tensor, checkpoints: dict[str, Path]
) -> None:
    modality, encoder = opened(checkpoints[kind])
    with torch.no_grad():
        together = encoder(x)
        for i, length in enumerate((1, 2, 5, 9, 17, 24)):
            torch.testing.assert_close(encoder(x[i : i + 1, :length])[0], together[i], rtol=1e-4, atol=1e-5)
        assert bool(encoder(torch.full_like(x, modality.tokenizer.pad)).isfinite().all())


def test_every_weight_of_a_checkpoint_learns(x: Tensor, checkpoints: dict[str, Path]) -> None:
    for kind in ("bert", "t5"):
        _, encoder = opened(checkpoints[kind])
        encoder.train()(x).square().sum().backward()
        assert [n for n, p in encoder.named_parameters() if p.grad is None] == []


def test_the_first_mark_can_be_the_features(x: Tensor, checkpoints: dict[str, Path], tmp_path: Path) -> None:
    _, encoder = opened(checkpoints["bert"], pool="cls")
    _, other = opened(checkpoints["bert"])
    assert encoder.spec["pool"] == "cls" and not torch.allclose(encoder(x), other(x))
    bare = checkpoint(tmp_path, "bert")
    inner = Tokenizer.from_file(str(bare / "tokenizer.json"))
    inner.post_processor = TemplateProcessing(single="$A", special_tokens=[])
    inner.save(str(bare / "tokenizer.json"))
    assert opened(bare)[1](x).shape == (6, 16)
    with pytest.raises(OptionError, match="needs a mark before"):
        opened(bare, pool="cls")


def test_a_checkpoint_and_data_of_another_tokenizer_are_refused(
    text: Text, checkpoints: dict[str, Path]
) -> None:
    with pytest.raises(OptionError, match=r"modality=.*'tokenizer'"):
        text.build_encoder(str(checkpoints["bert"]))


def test_documents_longer_than_a_checkpoint_reads_are_refused(checkpoints: dict[str, Path]) -> None:
    opened(checkpoints["bert"], 38)
    with pytest.raises(OptionError, match="at most 38 tokens"):
        opened(checkpoints["bert"], 39)
    with pytest.raises(OptionError, match="at most 36 tokens"):
        opened(checkpoints["roberta"], 37)


def test_a_small_table_grows_to_the_tokenizer(tmp_path: Path, x: Tensor) -> None:
    modality, encoder = opened(checkpoint(tmp_path, "bert", vocab_size=200))
    assert encoder.spec["config"]["vocab_size"] == modality.categories
    assert modality.build_encoder(**encoder.spec)(x).shape == (6, 16)


def test_code_and_pickles_of_a_checkpoint_are_not_read(tmp_path: Path) -> None:
    import json

    folder = checkpoint(tmp_path / "code", "bert")
    held = json.loads((folder / "config.json").read_text())
    (folder / "evil.py").write_text("raise SystemExit('code was run')")
    odd = {**held, "model_type": "odd", "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(odd))
    with pytest.raises(OptionError, match="without running its code"):
        opened(folder)
    # a model that transformers knows is built from its own code, and the name of the other is not kept
    (folder / "config.json").write_text(json.dumps({**odd, "model_type": "bert"}))
    assert "auto_map" not in opened(folder)[1].spec["config"]
    weights = transformers.AutoModel.from_pretrained(folder, trust_remote_code=False).state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(OptionError, match=r"model\.safetensors are needed"):
        opened(folder)
    (folder / "config.json").unlink()
    with pytest.raises(OptionError, match=r"config\.json"):
        opened(folder)


# the raw yardstick


def test_the_yardstick_is_that_of_scikit_learn(text: Text, x: Tensor) -> None:
    source = text.read(DOCS)
    x = source.fetch(range(len(source)))
    counts = torch.zeros(len(x), text.categories).scatter_add_(1, x, (x != text.tokenizer.pad).float())
    expected = TfidfTransformer(sublinear_tf=True).fit_transform(counts.numpy()).toarray()
    torch.testing.assert_close(
        text.flatten(x).double(), torch.from_numpy(expected).double(), rtol=1e-3, atol=1e-4
    )


def test_a_large_vocabulary_shares_columns() -> None:
    rows = [torch.tensor([5, COLUMNS + 5, 7]).numpy(), torch.tensor([7]).numpy()]
    idf = inverse_frequencies(rows, 3 * COLUMNS)
    assert len(idf) == COLUMNS and idf[5] > idf[7] == 1.0
    made = tfidf(torch.tensor([[5, COLUMNS + 5, 0, 0]]), 0, torch.tensor(idf))
    assert made.shape == (1, COLUMNS) and made.nonzero().tolist() == [[0, 5]]
    assert not tfidf(torch.zeros(1, 4, dtype=torch.long), 0, torch.tensor(idf)).any()
