"""What was not trained here is opened as its maker meant it, or refused with what to do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import timm
import torch
import transformers
from torch import Tensor, nn

from tests.contract.conftest import digits, opened
from tests.modalities.test_text_encoders import checkpoint
from tests.samples import KINDS
from unlabeled import export
from unlabeled.data.rows import features
from unlabeled.errors import DataError, ExportError, MissingExtraError, OptionError
from unlabeled.export import Shipped
from unlabeled.foreign import Opened, open_model, read_embeddings
from unlabeled.modalities import MODALITIES

X, Y = digits(24)


def embedded(found: Opened, data: Any) -> Tensor:
    return features(found.encoder, found.modality.read(data), prepare=found.prepare, size=7)


# files that were exported here


@pytest.mark.parametrize("kind", ["image", "audio", "text"])
def test_an_exported_file_gives_the_features_of_the_run(kind: str, tmp_path: Path) -> None:
    modality, source, _ = opened(kind)
    name = modality.default_encoder
    encoder = modality.build_encoder(name, **KINDS[kind].ENCODERS[name]).eval()
    about = {
        "unlabeled": "0",
        "method": "simclr",
        "modality": modality.name,
        "preparation": modality.config(),
    }
    wanted = features(encoder, source, prepare=modality.plain)
    for format, end in (("onnx", ".onnx"), ("torch", ".pt2")):
        file = tmp_path / f"it{end}"
        if format == "onnx":
            export.export(Shipped(encoder), modality, file, format="onnx", about=about)
        else:  # as export writes it, without the process that checks it
            example = modality.synthetic(3)
            assert example is not None
            program = export._trace(Shipped(encoder).eval(), modality, example)
            with export._quiet():
                torch.export.save(program, file, extra_files={export.ABOUT: json.dumps(about)})
        found = open_model(file)
        assert found.name == "it" and found.untrained is None and found.encoder.dim == encoder.dim
        assert found.modality.config() == modality.config()
        torch.testing.assert_close(embedded(found, KINDS[kind].data()), wanted, rtol=1e-3, atol=1e-4)


def test_a_program_from_elsewhere_is_refused(tmp_path: Path) -> None:
    program = torch.export.export(nn.Linear(3, 2), (torch.zeros(2, 3),))
    torch.export.save(program, tmp_path / "it.pt2")
    with pytest.raises(OptionError, match="was not exported here"):
        open_model(tmp_path / "it.pt2")
    (tmp_path / "it.pt2").write_bytes(b"nothing")
    with pytest.raises(ExportError, match=r"torch.export cannot read it\.pt2"):
        open_model(tmp_path / "it.pt2")


# ONNX files from elsewhere


class Net(nn.Module):
    """A picture's means and deviations by band."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        return torch.cat([x.mean((2, 3)), x.var((2, 3), unbiased=False)], dim=1)


def onnx_file(path: Path, module: nn.Module, *example: Tensor, batch: bool = True) -> Path:
    free = tuple({0: torch.export.Dim.DYNAMIC} if batch else None for _ in example)
    program = torch.export.export(module.eval(), example, dynamic_shapes=free, strict=True)
    made = torch.onnx.export(program, dynamo=True, verbose=False)
    assert made is not None
    made.save(path)
    return path


@pytest.mark.parametrize("batch", [True, False], ids=["any batch", "batches of 5"])
def test_a_foreign_image_file_sees_pixels_standardised_as_asked(batch: bool, tmp_path: Path) -> None:
    file = onnx_file(tmp_path / "net.onnx", Net(), torch.zeros(5, 3, 8, 8), batch=batch)
    with pytest.raises(OptionError, match="give mean= and std=, one number a band"):
        open_model(file, X)
    found = open_model(file, X, mean=[0.5, 0.4, 0.3], std=[0.1, 0.2, 0.3])
    x = (X / 255 - np.array([0.5, 0.4, 0.3])[:, None, None]) / np.array([0.1, 0.2, 0.3])[:, None, None]
    wanted = np.concatenate([x.mean((2, 3)), x.var((2, 3))], axis=1)
    np.testing.assert_allclose(embedded(found, X), wanted, rtol=1e-4, atol=1e-4)


def test_a_foreign_file_of_bytes_sees_bytes(tmp_path: Path) -> None:
    file = onnx_file(tmp_path / "net.onnx", Net(), torch.zeros(5, 3, 8, 8, dtype=torch.uint8))
    wanted = np.concatenate([X.mean((2, 3)), X.var((2, 3))], axis=1)
    np.testing.assert_allclose(embedded(open_model(file, X), X), wanted, rtol=1e-4)


def test_a_foreign_file_of_another_size_gets_images_of_its_own(tmp_path: Path) -> None:
    file = onnx_file(tmp_path / "net.onnx", Net(), torch.zeros(5, 1, 16, 12))
    found = open_model(file, X, mean=[0.0], std=[1.0])
    assert found.modality.config()["bands"] == 1 and found.modality.config()["size"] == [16, 12]
    assert embedded(found, X).shape == (24, 2)


def test_a_foreign_file_of_series_sees_zeros_where_nothing_is(tmp_path: Path) -> None:
    modality, source, _ = opened("series")

    class Last(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :, -1]

    file = onnx_file(tmp_path / "net.onnx", Last(), torch.zeros(5, *source.fetch([0]).shape[1:]))
    z = embedded(open_model(file, modality=modality), KINDS["series"].data())
    last = modality.standardise(source.fetch(np.arange(len(source))))[:, :, -1]  # type: ignore[attr-defined]
    assert bool(last.isnan().any())
    torch.testing.assert_close(z, last.nan_to_num(0.0))


def test_a_foreign_file_of_sound_hears_waveforms(tmp_path: Path) -> None:
    modality, source, _ = opened("audio")

    class Loudness(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.square().sum(dim=1, keepdim=True)

    file = onnx_file(tmp_path / "net.onnx", Loudness(), source.fetch([0, 1]))
    z = embedded(open_model(file, modality=modality), KINDS["audio"].data())
    waves = source.fetch(np.arange(len(source))).nan_to_num(0.0)
    torch.testing.assert_close(z, waves.square().sum(dim=1, keepdim=True))


def test_foreign_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    two = onnx_file(tmp_path / "two.onnx", Two(), torch.zeros(2, 3), torch.zeros(2, 3), batch=False)
    with pytest.raises(OptionError, match=r"several inputs \(x, y\)"):
        open_model(two, X)
    flat = onnx_file(tmp_path / "flat.onnx", nn.Linear(3, 2), torch.zeros(4, 3))
    with pytest.raises(OptionError, match="a batch of the modality 'image' is 4 axes"):
        open_model(flat, X)
    narrow = onnx_file(tmp_path / "narrow.onnx", Net(), torch.zeros(5, 3, 8, 8))
    fixed = MODALITIES["image"].measure(X, size=16)
    with pytest.raises(DataError, match=r"the ONNX model takes .*, was given torch.float32 \(2, 3, 16, 16\)"):
        open_model(narrow, modality=fixed, mean=[0.0] * 3, std=[1.0] * 3)
    with pytest.raises(OptionError, match="is a model of images, and this data is of 'table'"):
        open_model(narrow, modality=opened("table")[0])
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(ExportError, match=r"ONNX Runtime cannot open broken\.onnx"):
        open_model(tmp_path / "broken.onnx", X)


# timm


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Weights of a tiny model of timm, where Hugging Face keeps what it has downloaded."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    torch.manual_seed(1)
    weights = {n: t.contiguous() for n, t in timm.create_model("test_resnet").state_dict().items()}
    folder = tmp_path / "models--timm--test_resnet.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    safetensors.torch.save_file(weights, folder / "snapshots" / "abc" / "model.safetensors")
    return weights


def test_a_model_of_timm_gets_its_own_weights_size_and_scale(cached: dict[str, Tensor]) -> None:
    found = open_model("timm/test_resnet.r160_in1k", X[:6])
    assert found.name == "timm/test_resnet.r160_in1k"
    config = timm.models.get_pretrained_cfg("test_resnet.r160_in1k")
    assert config is not None
    assert found.modality.config()["size"] == config.input_size[1]
    net = timm.create_model("test_resnet", num_classes=0).eval()
    net.load_state_dict({n: t for n, t in cached.items() if not n.startswith("fc.")})
    pixels = found.modality.plain(found.modality.read(X[:6]).fetch(np.arange(6)))
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (config.mean, config.std))
    with torch.no_grad():
        torch.testing.assert_close(embedded(found, X[:6]), net((pixels - mean) / std), rtol=1e-3, atol=1e-4)
    assert found.untrained is not None
    assert found.untrained.spec == found.encoder.spec
    again = open_model("timm/test_resnet.r160_in1k", X[:6]).untrained
    assert again is not None
    for a, b, c in zip(
        found.untrained.parameters(), again.parameters(), found.encoder.parameters(), strict=True
    ):
        assert torch.equal(a, b) and (a.ndim < 2 or not torch.equal(a, c))


def test_asked_options_come_before_those_of_timm(cached: dict[str, Tensor]) -> None:
    small = open_model(
        "timm/test_resnet.r160_in1k", X, modality={"name": "image", "size": 32}, mean=[0.1] * 3, std=[0.9] * 3
    )
    assert small.modality.config()["size"] == 32
    assert small.modality.config()["mean"] == [0.1] * 3


def test_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(OptionError, match="weights of timm/resnet18 are not cached here, and nothing is"):
        open_model("timm/resnet18", X)


def test_a_name_that_timm_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="timm has no model 'resnet': did you mean"):
        open_model("timm/resnet", X)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtraError, match=r"'unlabeled\[image\]'"):
        open_model("timm/resnet18", X)


# transformers, and modules


def test_a_checkpoint_of_transformers_cuts_text_by_its_own_tokenizer(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "bert", "bert", max_position_embeddings=300)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(1.5)  # as trained: no longer those that a seed gives
    model.save_pretrained(folder)
    documents = KINDS["text"].data(8)
    found = open_model(folder, documents, modality="text")
    assert found.name == "bert"
    z = embedded(found, documents)
    tokenizer = found.modality.tokenizer  # type: ignore[attr-defined]
    before, behind = tokenizer.ends
    (row,) = tokenizer.encode(documents[:1])
    ids = row[: found.modality.length].tolist()  # type: ignore[attr-defined]
    with torch.no_grad():
        last = model(torch.tensor([before + ids + behind])).last_hidden_state[0, 1:-1]
    torch.testing.assert_close(z[0], last.mean(0), rtol=1e-4, atol=1e-5)
    assert found.untrained is not None
    assert not torch.allclose(features(found.untrained, found.modality.read(documents)), z)
    with pytest.raises(OptionError, match="is a model of texts, and this data is of 'table'"):
        open_model(folder, modality=opened("table")[0])


def test_a_module_sees_what_it_would_see_in_training() -> None:
    found = open_model(Net(), X)
    modality = found.modality.config()
    mean, std = (np.array(modality[name])[:, None, None] for name in ("mean", "std"))
    x = (X / 255 - mean) / std
    np.testing.assert_allclose(embedded(found, X)[:, :3], x.mean((2, 3)), rtol=1e-3, atol=1e-4)
    assert found.name == "Net" and found.untrained is None
    own = open_model(Net(), X, mean=[0.0] * 3, std=[1.0] * 3)
    np.testing.assert_allclose(embedded(own, X)[:, :3], X.mean((2, 3)) / 255, rtol=1e-4)


def test_the_column_of_the_labels_is_no_input() -> None:
    table = KINDS["table"].data().append_column("kind", pa.array([str(c) for c in KINDS["table"].labels()]))
    modality = MODALITIES["table"].measure(table, label="kind")
    width = len(modality.config()["columns"])

    class First(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1] == width
            return x.nan_to_num(0.0)

    assert open_model(First(), table, labels="kind").modality.config()["label"] == "kind"


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("resnet18", {}, "a model of timm is 'timm/resnet18'"),
        ("weights.pth", {}, "holds weights without their model"),
        ("nowhere.onnx", {}, "there is no file 'nowhere.onnx'"),
        ("no/where", {}, "is not there. Accepted: a run's folder"),
        ("here", {}, "is none of the models"),
        ("run", {}, "is the folder of a run: open it with ul.load"),
        (Net(), {"data": None}, "give data=, or modality="),
        (Net(), {"mean": [0.0] * 3}, "belong together"),
        (Net(), {"modality": "imag"}, "unknown modality 'imag'"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(
    model: Any, options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.yaml").touch()
    with pytest.raises(OptionError, match=said.replace("(", r"\(")):
        open_model(model, **{"data": X, **options})


def test_mean_and_std_are_of_images() -> None:
    with pytest.raises(OptionError, match="of images, and this data is of 'table'"):
        open_model(nn.Identity(), modality=opened("table")[0], mean=[0.0], std=[1.0])


# embeddings

Z = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def lists() -> pa.Table:
    return pa.table(
        {
            "index": np.arange(6),
            "key": [str(i) for i in range(6)],
            "embedding": pa.FixedSizeListArray.from_arrays(pa.array(Z.ravel()), 4),
            "label": pa.array(["a", None] * 3),
        }
    )


def written(folder: Path) -> dict[str, Any]:
    np.save(folder / "z.npy", Z)
    np.savez(folder / "one.npz", anything=Z)
    np.savez(folder / "two.npz", y=np.arange(6), embedding=Z)
    pq.write_table(lists(), folder / "embed.parquet")
    pd.DataFrame(Z).to_csv(folder / "pandas.csv")
    pd.DataFrame(Z, columns=list("abcd")).to_csv(folder / "named.csv", index=False)
    np.savetxt(folder / "bare.csv", Z, delimiter=",")
    pd.DataFrame({"embedding": list(Z.tolist())}).to_json(folder / "z.jsonl", orient="records", lines=True)
    return {
        **{file.name: file for file in folder.iterdir()},
        "text": str(folder / "z.npy"),
        "array": Z,
        "tensor": torch.from_numpy(Z),
        "list": Z.tolist(),
        "arrow": lists(),
        "slice": pa.concat_tables([lists(), lists()]).slice(6, 6),
        "pandas": pd.DataFrame(Z),
    }


def test_embeddings_are_read_from_wherever_they_are(tmp_path: Path) -> None:
    for name, source in written(tmp_path).items():
        z = read_embeddings(source)
        assert isinstance(z, np.ndarray) and z.shape == (6, 4), name
        np.testing.assert_allclose(z, Z, rtol=1e-5, err_msg=name)


def refused(folder: Path) -> list[tuple[Any, str]]:
    np.savez(folder / "two.npz", a=Z, b=Z)
    np.save(folder / "flat.npy", Z.ravel())
    np.save(folder / "objects.npy", np.array([None, "a"], dtype=object), allow_pickle=True)
    (folder / "z.txt").write_text("1 2")
    uneven = pa.table({"embedding": pa.array([[1.0, 2.0], [3.0], None])})
    words = pa.table({"a": [1.0, 2.0], "word": ["x", "y"]})
    several = pa.table({"a": pa.array([[1.0]]), "b": pa.array([[2.0]])})
    return [
        (folder / "two.npz", "two.npz holds a, b: call the array of embeddings 'embedding'"),
        (folder / "flat.npy", r"flat.npy has shape \(24,\): two dimensions"),
        (folder / "objects.npy", "objects.npy is no file of numbers"),
        (folder / "z.txt", "z.txt is no file of embeddings: give .npy"),
        (uneven, "hold none, 1, 2 numbers"),
        (words, "word hold no numbers"),
        (several, r"several columns of lists \(a, b\)"),
        (np.where(Z > 1, np.nan, Z), "NaN or infinite"),
        (pa.table({"key": ["a"]}), "no column of numbers"),
    ]


def test_what_holds_no_embeddings_is_refused_with_the_reason(tmp_path: Path) -> None:
    for source, said in refused(tmp_path):
        with pytest.raises(DataError, match=said):
            read_embeddings(source)
    with pytest.raises(OptionError, match="there is no file"):
        read_embeddings(tmp_path / "nowhere.npy")
