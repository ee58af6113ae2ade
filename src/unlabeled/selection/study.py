"""A search for hyperparameters that is judged by a figure without labels, with Optuna.

    out/search.yaml   what is searched for; a search is resumed only as it was begun
    out/study.log     Optuna's journal of the trials
    out/trial-000 …   the run folder of each trial
    out/search.json   the trials and their figures

One process trains the trials one after the other. What trial k tries follows from the seed, k and the trials
before it, so a search that was stopped and resumed finds what one that never stopped would have.
"""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import lightning as L
from torch import nn

from unlabeled import api
from unlabeled.data.draws import derive_seed
from unlabeled.errors import CollapseError, DataError, NonFiniteError, OptionError, RunError, missing
from unlabeled.methods import Entry, lookup
from unlabeled.run import Run, pick_device, read_yaml, whole, write_yaml
from unlabeled.selection.candidates import aligned, text
from unlabeled.selection.embedded import Embedded, Sampling, check_finite, network_of
from unlabeled.selection.figures import BY, FIGURES, check_figure, measure
from unlabeled.selection.ranking import check_at
from unlabeled.selection.space import Choices, Range, check_training, read_space
from unlabeled.training.checkpoint import save
from unlabeled.training.engine import Engine

READINGS = 10
"""parts of a run: after each but the last, a trial may be pruned"""
UNPRUNED = 4
"""first trials that are trained to their end, whatever their readings"""


@dataclass(frozen=True)
class Trial:
    """One set of hyperparameters and what came of it."""

    number: int
    options: Mapping[str, Any]
    state: Literal["complete", "pruned", "failed"]
    figure: float | None
    """at the end of its training; of a pruned trial, when it was stopped"""
    path: str
    reason: str = ""
    """why it failed"""


@dataclass(frozen=True)
class Search:
    """What `search` found."""

    trials: tuple[Trial, ...]
    by: str
    at: str

    @property
    def ranking(self) -> list[Trial]:
        """The complete trials, best first."""
        merit = FIGURES[self.by].merit
        known = [(merit(t.figure), t) for t in self.trials if t.state == "complete" and t.figure is not None]
        return [t for _, t in sorted(known, key=lambda pair: -pair[0])]

    @property
    def best(self) -> Path:
        """The run folder of the best trial."""
        if not self.ranking:
            raise RunError("no trial was trained to its end, so none is the best: widen or move the space")
        return Path(self.ranking[0].path)

    def table(self) -> str:
        """Aligned text, best first; then the trials that were pruned or failed."""
        ranked = self.ranking
        names = list(self.trials[0].options)
        rows = [
            [str(t.number), t.state, text(t.figure), *(_short(t.options[n]) for n in names)]
            for t in [*ranked, *(t for t in self.trials if t not in ranked)]
        ]
        failed = [f"trial {t.number} failed: {t.reason}" for t in self.trials if t.reason]
        return "\n".join([*aligned(["trial", "state", self.by, *names], rows), *failed])

    def __str__(self) -> str:
        return self.table()

    def save(self, path: Path) -> Path:
        """Writes JSON."""
        best = self.ranking[0].path if self.ranking else None
        values = {"by": self.by, "at": self.at, "best": best, "trials": [asdict(t) for t in self.trials]}
        with whole(path) as part:
            part.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        return path


def search(
    data: Any,
    *,
    method: str | dict[str, Any],
    space: str | Path | Mapping[str, Any],
    out: str | Path,
    trials: int = 20,
    by: str = BY,
    at: Literal["encoder", "projector"] = "encoder",
    prune: bool = True,
    resume: bool = False,
    samples: int = 5_000,
    grouped: int = 100,
    views: int = 10,
    seed: int = 0,
    **training: Any,
) -> Search:
    """Searches hyperparameters for the run with the best figure that needs no labels.

    Optuna's sampler (TPE) proposes what each trial tries; `by` is measured after a trial's training and, on the
    same samples, after each tenth of it: a trial that is then behind the median of those before it is pruned,
    which ends its training early; its run folder stays. Trials that collapse, or whose loss is not finite, have
    failed, which the sampler takes for pruned. Needs the extra `select`.

    Args:
        data: as for pretrain.
        method: whose hyperparameters are searched: a name, or a dict {"name": …, option: value, …} with options
            that are the same for every trial.
        space: a YAML file or what it holds: an option of the method, or epochs, batch_size, lr, optimiser,
            weight_decay, each with [low, high], [low, high, log] or {choices: [one, another]}.
        out: folder of the search; every trial leaves a run folder in it.
        trials: how many in all, those of a resumed search among them.
        by: the figure that is searched for, as in select; clid compares runs that exist and cannot be searched for.
        at: encoder or projector, as in select.
        prune: whether trials may end early.
        resume: go on with the search in out, or start it if there is none.
        samples: as in select.
        grouped: as in select.
        views: as in select.
        seed: the same seed gives the same search.
        **training: other options of pretrain and of the method, the same for every trial.

    Raises:
        UserError: an empty space, an unknown option or figure, another search in out.
    """
    named = dict(method) if isinstance(method, dict) else {"name": method}
    if not isinstance(named.get("name"), str):
        raise OptionError(f"method must be a name or a dict with a 'name', not {method!r}")
    entry = lookup(named.pop("name"))
    training = {**named, **training}
    read = read_space(space, entry)
    check_figure(by)
    check_at(at)
    check_training(entry, read, training)
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise OptionError(f"trials must be a whole number of at least 1, not {trials!r}")
    sampling = Sampling(samples, grouped, views, seed)
    begun = Begun(data, entry, read, Path(out), by, at, prune, sampling, training)
    with _quiet_optuna():
        study = begun.study(resume)
        for number in range(len(_told(study)), trials):
            begun.run(study, number)
        found = Search(tuple(_trial(t) for t in _told(study)[:trials]), by, at)
    found.save(Path(out) / "search.json")
    return found


@dataclass(frozen=True)
class Begun:
    """A search and all that stays the same in it."""

    data: Any
    entry: Entry
    space: Mapping[str, Range | Choices]
    out: Path
    by: str
    at: str
    prune: bool
    sampling: Sampling
    training: Mapping[str, Any]

    def study(self, resume: bool) -> Any:
        """The study in the folder, a new one where there is none."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        said = self._identity()
        file = self.out / "search.yaml"
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            if not file.is_file():
                raise RunError(f"{self.out} holds something that is no search: give another out")
            if not resume:
                raise RunError(
                    f"{self.out} holds a search already: go on with resume=True, or give another out"
                )
            differs = [n for n, v in read_yaml(file).items() if said.get(n) != v]
            if differs:
                raise RunError(
                    f"{self.out} holds another search ({', '.join(differs)} differ): resume with the same options, or "
                    "give another out"
                )
        self.out.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            write_yaml(file, said)
        log = str(self.out / "study.log")
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(log, lock_obj=JournalFileOpenLock(log))),
            study_name="search",
            load_if_exists=True,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED),
        )
        for trial in study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # cut off: it is made anew
        return study

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a search to be resumed."""
        s = self.sampling
        return {
            "method": self.entry.name,
            "space": {name: part.plain() for name, part in self.space.items()},
            "by": self.by,
            "at": self.at,
            "prune": self.prune,
            "samples": s.samples,
            "grouped": s.grouped,
            "views": s.views,
            "seed": s.seed,
            "training": json.loads(
                json.dumps(dict(self.training), default=lambda v: f"<{type(v).__name__}>")
            ),
        }

    def run(self, study: Any, number: int) -> None:
        """Trains and judges one trial."""
        import optuna

        study.sampler = optuna.samplers.TPESampler(
            seed=derive_seed(self.sampling.seed, "trial", number) % 2**32
        )
        trial = study.ask()
        options = {name: part.suggest(trial, name) for name, part in self.space.items()}
        folder = self.out / f"trial-{number:03d}"
        shutil.rmtree(folder, ignore_errors=True)
        trial.set_user_attr("number", number)
        trial.set_user_attr("path", str(folder))
        watch = Pruner(trial, self) if self.prune else None
        figure, reason = None, ""
        try:
            run = api.train(
                api.pretrain,
                self.data,
                method=self.entry.name,
                out=folder,
                seed=self.sampling.seed,
                devices=1,
                callbacks=[watch] if watch else [],
                **options,
                # a module of the user's own starts every trial as it was given
                **{n: copy.deepcopy(v) if isinstance(v, nn.Module) else v for n, v in self.training.items()},
            )
            self._same_data(run)
            figure, reason = self._judge(run, study)
        except (CollapseError, NonFiniteError) as error:
            reason = str(error)
        trial.set_user_attr("reason", reason)
        trial.set_user_attr("figure", figure)
        pruned = watch is not None and watch.pruned
        if figure is None or pruned:
            # below every complete trial, also where it failed
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, FIGURES[self.by].merit(figure))
        said = reason or f"{self.by} {text(figure)}{' (pruned)' if pruned else ''}"
        print(
            f"trial {number}: {said}; {', '.join(f'{n} {_short(v)}' for n, v in options.items())}",
            file=sys.stderr,
        )

    def _judge(self, run: Run, study: Any) -> tuple[float | None, str]:
        """The figure of a trained run, or None and why there is none."""
        source = run.read(self.data)
        device = pick_device("auto")
        embedded = Embedded(
            network_of(run, source, self.at).to(device), run.modality, source, self.sampling, device
        )
        try:
            check_finite(embedded.z, str(run.path))
        except DataError as error:
            return None, str(error)
        dim = embedded.z.shape[1]
        if study.user_attrs.get("dim", dim) != dim:
            raise OptionError(
                f"the space changes the width of what is looked at (now {dim}, {study.user_attrs['dim']} before), and "
                "label-free figures of two widths cannot be compared: leave that option out, or look at='encoder'"
            )
        study.set_user_attr("dim", dim)
        value, said = measure(self.by, embedded)
        return value, said[0] if value is None else ""

    def _same_data(self, run: Run) -> None:
        first = self.out / "trial-000" / "run.yaml"
        if first.is_file():
            before = read_yaml(first).get("about", {}).get("fingerprint")
            if before != run.config["about"]["fingerprint"]:
                raise RunError(f"the data changed since {self.out} was begun: give another out")


class Pruner(L.Callback):
    """Measures the figure after each tenth of a trial, and ends the training of one that falls behind."""

    def __init__(self, trial: Any, begun: Begun) -> None:
        self.trial, self.begun = trial, begun
        self.pruned = False
        self.read = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Engine)
        part = READINGS * pl_module.moved // pl_module.plan.steps
        if part == self.read or part == READINGS:
            return
        self.read = part
        method = pl_module.method
        network = method.kept if self.begun.at == "encoder" else method
        embedded = Embedded(
            network, pl_module.modality, pl_module.source, self.begun.sampling, pl_module.device
        )
        value, _ = measure(self.begun.by, embedded)
        if value is None:
            return
        self.trial.report(FIGURES[self.begun.by].merit(value), part)
        if self.trial.should_prune():
            self.pruned = True
            save(trainer, Path(trainer.default_root_dir) / "last.ckpt")
            trainer.should_stop = True


def _told(study: Any) -> list[Any]:
    """The trials that ended, in their order; not those that were cut off."""
    import optuna

    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return list(study.get_trials(states=ended))


def _trial(told: Any) -> Trial:
    attributes = told.user_attrs
    state: Literal["complete", "pruned", "failed"] = "complete"
    if told.state.name == "PRUNED":
        state = "failed" if attributes["reason"] else "pruned"
    return Trial(
        attributes["number"],
        told.params,
        state,
        attributes["figure"],
        attributes["path"],
        attributes["reason"],
    )


@contextlib.contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Optuna says nothing of its own; what it was set to say is put back."""
    try:
        import optuna
    except ImportError as error:
        raise missing("optuna", "select") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
