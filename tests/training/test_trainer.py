"""The loop on a toy task: what it writes, and that interrupted and uninterrupted runs are the same run."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from syncam import optional
from syncam.errors import InputError
from syncam.training.checkpoint import newest_checkpoint
from syncam.training.config import Phase
from syncam.training.optimizers import build_optimizers
from syncam.training.trainer import check_folder, fit, learning_rate, step_generator
from training.toy import TRUTH, ToyTask, toy_config

ROOT = Path(__file__).parents[2]


class Interrupted(Exception):
    """Stands for whatever ends a process without warning."""


def column(path: Path, name: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def interrupt_at(step: int) -> Any:
    def progress(done: int, steps: int, row: dict[str, float]) -> None:
        if done == step:
            raise Interrupted

    return progress


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 12 steps from beginning to end."""
    out = tmp_path_factory.mktemp("whole")
    fit(ToyTask(toy_config()), out)
    return out


def test_a_run_leaves_a_complete_record(whole_run: Path) -> None:
    assert sorted(p.name for p in whole_run.iterdir()) == [
        "checkpoints",
        "config.json",
        "curves.png",
        "export",
        "hardware.json",
        "train.csv",
        "validation.csv",
    ]
    assert column(whole_run / "train.csv", "step") == [str(step) for step in range(1, 13)]
    assert list(csv.reader((whole_run / "train.csv").open()))[0] == [
        "step",
        "loss",
        "learning_rate",
        "grad_norm",
        "mse",
        "seconds_per_step",
    ]
    assert column(whole_run / "validation.csv", "step") == ["4", "8", "12"]
    assert sorted(p.name for p in (whole_run / "checkpoints").iterdir()) == ["step00000009", "step00000012"]
    assert json.loads((whole_run / "config.json").read_text())["phases"][1]["batch_size"] == 4
    assert set(json.loads((whole_run / "hardware.json").read_text())) == {"device", "name", "torch", "processes"}


def test_it_learns(tmp_path: Path) -> None:
    fit(ToyTask(toy_config(200, validate_every=200, checkpoint_every=200, log_every=50)), tmp_path)
    weight = torch.load(tmp_path / "export" / "layer.pt")["weight"]
    assert (weight - TRUTH).abs().max() < 0.2
    assert column(tmp_path / "train.csv", "step") == ["50", "100", "150", "200"]


@pytest.mark.parametrize("stop", [1, 2, 3, 5, 9, 11])
def test_an_interrupted_run_resumes_to_the_same_numbers(whole_run: Path, tmp_path: Path, stop: int) -> None:
    with pytest.raises(Interrupted):
        fit(ToyTask(toy_config()), tmp_path, progress=interrupt_at(stop))
    assert column(tmp_path / "train.csv", "step")[-1] == str(stop)
    fit(ToyTask(toy_config()), tmp_path)
    for name in ("step", "loss", "learning_rate", "grad_norm", "mse"):
        assert column(tmp_path / "train.csv", name) == column(whole_run / "train.csv", name)
    assert (tmp_path / "validation.csv").read_text() == (whole_run / "validation.csv").read_text()
    mine, theirs = (torch.load(out / "export" / "layer.pt") for out in (tmp_path, whole_run))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_a_run_interrupted_again_and_again(whole_run: Path, tmp_path: Path) -> None:
    for stop in (2, 4, 5, 8, 12):
        with pytest.raises(Interrupted):
            fit(ToyTask(toy_config()), tmp_path, progress=interrupt_at(stop))
    fit(ToyTask(toy_config()), tmp_path)
    assert column(tmp_path / "train.csv", "loss") == column(whole_run / "train.csv", "loss")
    assert (tmp_path / "validation.csv").read_text() == (whole_run / "validation.csv").read_text()


def test_a_validation_cut_short_is_made_up_for(
    whole_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: ToyTask) -> dict[str, float]:
        raise Interrupted

    config = toy_config(checkpoint_every=4)
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(ToyTask, "validate", fail)
        fit(ToyTask(config), tmp_path)
    assert newest_checkpoint(tmp_path / "checkpoints").name == "step00000004"
    fit(ToyTask(config), tmp_path)
    assert (tmp_path / "validation.csv").read_text() == (whole_run / "validation.csv").read_text()


def test_a_finished_run_resumes_to_its_export(whole_run: Path, tmp_path: Path) -> None:
    fit(ToyTask(toy_config()), tmp_path)
    before = (tmp_path / "train.csv").read_text()
    (tmp_path / "export" / "layer.pt").unlink()
    fit(ToyTask(toy_config()), tmp_path)
    assert (tmp_path / "train.csv").read_text() == before
    mine, theirs = (torch.load(out / "export" / "layer.pt") for out in (tmp_path, whole_run))
    assert torch.equal(mine["weight"], theirs["weight"])


def wait_for_row(process: subprocess.Popen, path: Path, step: int) -> None:
    """Waits until a run has logged that step; fails if it ends before."""
    for _ in range(6000):
        if path.is_file() and (steps := column(path, "step")) and int(steps[-1]) >= step:
            return
        assert process.poll() is None, "the run ended early"
        time.sleep(0.05)
    raise TimeoutError


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_resumes_to_the_same_numbers(tmp_path: Path, number: signal.Signals) -> None:
    config = toy_config(40)
    fit(ToyTask(config), tmp_path / "whole")
    killed = tmp_path / "killed"
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])
    command = [sys.executable, "-m", "training.toy", str(killed), "0.25"]
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for_row(process, killed / "train.csv", 4)
        process.send_signal(number)
        _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    reached = int(column(killed / "train.csv", "step")[-1])
    assert 4 <= reached < 40
    if number != signal.SIGKILL:  # a request to stop: nothing is lost
        assert newest_checkpoint(killed / "checkpoints").name == f"step{reached:08d}"
        assert f"stopped at step {reached}; a checkpoint is in {killed / 'checkpoints'}" in errors
    fit(ToyTask(config), killed)
    assert column(killed / "train.csv", "loss") == column(tmp_path / "whole" / "train.csv", "loss")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_leaves_a_checkpoint_and_the_handlers_as_they_were(
    tmp_path: Path, number: signal.Signals
) -> None:
    def ask_to_stop(done: int, steps: int, row: dict[str, float]) -> None:
        if done == 5:
            signal.raise_signal(number)

    before = signal.signal(number, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt, match="stopped at step 5; a checkpoint is in"):
            fit(ToyTask(toy_config()), tmp_path, progress=ask_to_stop)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert newest_checkpoint(tmp_path / "checkpoints").name == "step00000005"


def test_asked_twice_it_stops_at_once(tmp_path: Path) -> None:
    def ask_to_stop(done: int, steps: int, row: dict[str, float]) -> None:
        if done == 5:
            for _ in range(2):
                signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt, match="stopped without a checkpoint"):
            fit(ToyTask(toy_config()), tmp_path, progress=ask_to_stop)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert newest_checkpoint(tmp_path / "checkpoints").name == "step00000003"


def test_a_damaged_newest_checkpoint_is_named_and_the_one_before_serves(whole_run: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(ToyTask(toy_config()), tmp_path, progress=interrupt_at(7))
    newest = newest_checkpoint(tmp_path / "checkpoints")
    (newest / "optimizer.pt").write_bytes(b"")
    with pytest.raises(InputError, match="step00000006/optimizer.pt is damaged"):
        fit(ToyTask(toy_config()), tmp_path)
    newest.rename(tmp_path / "aside")
    fit(ToyTask(toy_config()), tmp_path)
    assert column(tmp_path / "train.csv", "loss") == column(whole_run / "train.csv", "loss")


def test_folders_are_checked(whole_run: Path, tmp_path: Path) -> None:
    for fresh in (tmp_path, tmp_path / "new"):
        check_folder(fresh, toy_config(), resume=False)
        with pytest.raises(InputError, match="holds no run to resume; leave --resume away to begin one"):
            check_folder(fresh, toy_config(), resume=True)
    (tmp_path / "letter.txt").write_text("Dear Sir")
    for taken in (tmp_path, tmp_path / "letter.txt"):
        with pytest.raises(InputError, match="exists and is not the folder of a run; choose another --out"):
            check_folder(taken, toy_config(), resume=False)
    check_folder(whole_run, toy_config(), resume=True)
    with pytest.raises(InputError, match=r"holds a run already; go on with it \(--resume\) or choose another --out"):
        check_folder(whole_run, toy_config(), resume=False)
    other = toy_config(seed=1, learning_rate=0.1)
    message = "was made with another configuration: learning_rate was 0.05, is 0.1; seed was 0, is 1; choose another"
    with pytest.raises(InputError, match=message):
        check_folder(whole_run, other, resume=True)


def test_step_generators_are_functions_of_their_numbers() -> None:
    draws = {
        (seed, step, micro, process): torch.rand(2, generator=step_generator(seed, step, micro, process)).tolist()
        for seed in range(2)
        for step in (0, 1, 11)
        for micro in range(2)
        for process in range(2)
    }
    assert len({tuple(values) for values in draws.values()}) == len(draws)
    for numbers, values in draws.items():
        torch.rand(1)
        assert torch.rand(2, generator=step_generator(*numbers)).tolist() == values


@pytest.mark.parametrize(("warmup", "final"), [(1, 0.1), (20, 0.1), (20, 1.0), (0, 0.0)])
def test_learning_rate_warms_up_and_follows_a_cosine(warmup: int, final: float) -> None:
    config = toy_config(200, warmup_steps=warmup, final_learning_rate=final, learning_rate=2.0)
    rates = [learning_rate(config, step) for step in range(200)]
    for step, rate in enumerate(rates):
        cosine = math.cos(math.pi * step / 400) ** 2  # a half-angle formula
        expected = 2.0 * (final + (1 - final) * cosine) * min(1.0, (step + 1) / max(warmup, 1))
        assert rate == pytest.approx(expected, rel=1e-12)
    assert rates.index(max(rates)) <= warmup
    assert rates[-1] == pytest.approx(2.0 * final, abs=1e-3)


class FixedItems(ToyTask):
    """Takes the items of a fixed list in turn and notes the gradient that every optimizer step sees."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.items = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
        self.taken = 0
        self.gradients: list[Tensor] = []
        self.layer.weight.register_post_accumulate_grad_hook(lambda p: self.gradients.append(p.grad.clone()))

    def batch(self, phase: Phase, generator: torch.Generator) -> Tensor:
        self.taken += phase.batch_size
        return self.items[self.taken - phase.batch_size : self.taken]

    def forward(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        loss = ((self.layer(batch) - batch @ TRUTH.T) ** 2).mean()
        return loss, {}


@pytest.mark.parametrize(("micro", "size"), [(2, 2), (4, 1)])
def test_gradients_accumulate(tmp_path: Path, micro: int, size: int) -> None:
    numbers = {"validate_every": 9, "checkpoint_every": 9}
    tasks = [
        FixedItems(toy_config(phases=(Phase(steps=2, batch_size=4, num_frames=1),), **numbers)),
        FixedItems(
            toy_config(phases=(Phase(steps=2, batch_size=size, num_frames=1),), gradient_accumulation=micro, **numbers)
        ),
    ]
    for index, task in enumerate(tasks):
        fit(task, tmp_path / str(index))
    one, several = (task.gradients for task in tasks)
    assert len(one) == 2 and len(several) == 2 * micro
    assert tasks[0].taken == tasks[1].taken == 8
    torch.testing.assert_close(several[micro - 1 :: micro], one)  # what stands in .grad at the optimizer's two steps
    torch.testing.assert_close(tasks[1].layer.weight, tasks[0].layer.weight)
    for name in ("loss", "grad_norm"):
        values = [[float(x) for x in column(tmp_path / run / "train.csv", name)] for run in "01"]
        assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_validation_and_export_use_the_averages(tmp_path: Path) -> None:
    config = toy_config(ema_decay=0.99)
    task = ToyTask(config)
    fit(task, tmp_path)
    exported = torch.load(tmp_path / "export" / "layer.pt")["weight"]
    assert torch.equal(task.validated[-1], exported)
    assert not torch.equal(exported, task.layer.weight)  # training went on with the weights themselves
    assert task.frozen.weight.grad is None


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    class Diverging(ToyTask):
        def forward(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
            loss, scalars = super().forward(batch, generator)
            return loss / 0, scalars

    with pytest.raises(InputError, match="the loss became inf at step 1; lower the learning rate"):
        fit(Diverging(toy_config(log_every=4, checkpoint_every=1)), tmp_path)
    assert newest_checkpoint(tmp_path / "checkpoints") is None


def test_a_missing_matplotlib_is_said_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError(name=module)

    monkeypatch.setattr(optional, "import_module", missing)
    with pytest.raises(InputError, match=r"matplotlib is not installed; run: pip install 'syncam\[train\]'"):
        fit(ToyTask(toy_config()), tmp_path)
    assert not any(tmp_path.iterdir())


def test_two_processes_train_one_model_on_batches_of_their_own(tmp_path: Path) -> None:
    """Against a loop that takes the mean of both processes' gradients."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    program = ["-m", "training.toy", str(tmp_path), "0"]
    done = subprocess.run(
        [*command, *program],
        cwd=ROOT / "tests",
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    config, task = toy_config(40), ToyTask(toy_config(40))
    (optimizer,) = build_optimizers(task, config)
    trained = [p for p in task.parameters() if p.requires_grad]
    losses = []
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        optimizer.zero_grad()
        for process in range(2):
            generator = step_generator(config.seed, step, 0, process)
            loss, _ = task(task.batch(config.phase_at(step), generator), generator)
            (loss / 2).backward()
            if process == 0:
                losses.append(loss.item())
        torch.nn.utils.clip_grad_norm_(trained, config.max_grad_norm)
        optimizer.step()
    assert json.loads((tmp_path / "hardware.json").read_text())["processes"] == 2
    assert [float(loss) for loss in column(tmp_path / "train.csv", "loss")] == pytest.approx(losses, rel=1e-4)
    newest = newest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    weights = load_file(newest / "weights.safetensors")
    torch.testing.assert_close(weights["layer.weight"], task.layer.weight.detach(), rtol=1e-4, atol=1e-5)
