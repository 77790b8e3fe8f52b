"""The training loop on accelerate: step, log, validate, checkpoint, and resume to the same losses."""

import dataclasses
import hashlib
import json
import logging
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from diffusers.training_utils import EMAModel

from syncam.errors import InputError
from syncam.files import atomic_dir, write_json
from syncam.optional import require
from syncam.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from syncam.training.config import TrainConfig, differences
from syncam.training.journal import Journal, draw_curves
from syncam.training.optimizers import build_optimizers
from syncam.training.task import Task

__all__ = ["check_folder", "fit", "process_state", "step_generator"]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 60
"""Lines about the loss in the log, for those who do not watch a progress bar."""

Progress = Callable[[int, int, dict[str, float]], None]
"""Called after every logged step with (step, steps, numbers)."""


def step_generator(seed: int, step: int, micro_step: int, process: int) -> torch.Generator:
    """The source of all randomness of one micro-step: a function of these numbers alone, so that resuming is exact."""
    digest = hashlib.sha256(f"{seed}/{step}/{micro_step}/{process}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to config.final_learning_rate of the peak."""
    warmup = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    cosine = 0.5 * (1 + math.cos(math.pi * step / max(config.steps, 1)))
    return config.learning_rate * warmup * (config.final_learning_rate + (1 - config.final_learning_rate) * cosine)


def check_folder(out: Path, config: TrainConfig, *, resume: bool, sources: Mapping[str, str] | None = None) -> None:
    """InputError if `out` holds a run that is not to be resumed, or one of another configuration or other sources."""
    path = out / "config.json"
    if not path.is_file():
        if resume:
            raise InputError(f"{out} holds no run to resume; leave --resume away to begin one")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} exists and is not the folder of a run; choose another --out")
        return
    if not resume:
        raise InputError(f"{out} holds a run already; go on with it (--resume) or choose another --out")
    if differing := differences(json.loads(path.read_text()), _as_json(config)):
        raise InputError(f"{out} was made with another configuration: {'; '.join(differing)}; choose another --out")
    record = out / "sources.json"
    if sources is None or not record.is_file():
        return
    if differing := differences(json.loads(record.read_text()), dict(sources)):
        raise InputError(
            f"{out} was made from something else: {'; '.join(differing)}; name the same again, "
            f"or correct {record} if it has moved"
        )


def _as_json(config: TrainConfig) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(config)))


def fit(task: Task, out: Path, *, progress: Progress | None = None, sources: Mapping[str, str] | None = None) -> None:
    """Trains `task` as its config says, from the newest checkpoint in `out` on, and exports it to out/export.

    Writes out/config.json, out/sources.json (what it is made from, for check_folder), out/train.csv,
    out/validation.csv, out/curves.png, out/samples and out/checkpoints. Stops cleanly with a checkpoint on SIGTERM and
    on Ctrl-C (KeyboardInterrupt is raised again).
    """
    config = task.config
    require("matplotlib", extra="train")  # not only when the first curves are drawn, hundreds of steps later
    if not process_state().use_distributed:
        AcceleratorState._reset_state()  # an earlier run of this process may have had another precision
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        gradient_accumulation_steps=config.gradient_accumulation,
    )
    main = accelerator.is_main_process
    optimizers = build_optimizers(task, config)
    trained = [p for p in task.parameters() if p.requires_grad]
    checkpoints, start = out / "checkpoints", 0
    averages = EMAModel(trained, decay=config.ema_decay, use_ema_warmup=True, power=3 / 4, foreach=True)
    newest = newest_checkpoint(checkpoints)
    if newest is not None:
        state = load_checkpoint(newest, task, optimizers)
        start = state["step"]
        averages.shadow_params, averages.optimization_step = state["averages"], start
        logger.info("going on from %s", newest)
    module, *prepared = accelerator.prepare(task, *optimizers)
    averages.to(accelerator.device)
    journal = Journal(out / "train.csv", resume_step=start) if main else None
    validation = Journal(out / "validation.csv", resume_step=start) if main else None
    if main:
        if sources is not None:
            write_json(out / "sources.json", dict(sources))
        write_json(out / "config.json", _as_json(config))
        write_json(out / "hardware.json", _hardware(accelerator))

    def save(step: int) -> None:
        accelerator.wait_for_everyone()
        if main:
            raw = [optimizer.optimizer for optimizer in prepared]
            save_checkpoint(checkpoints, step, task, averages.shadow_params, raw, keep=config.keep_checkpoints)

    def evaluate(step: int) -> None:
        if journal is None or validation is None:
            return
        # Eager: a kernel for every shape that only validation uses would cost more than it saves.
        with _averaged(averages, trained), torch.no_grad(), torch.compiler.set_stance("force_eager"):
            task.eval()
            figures = task.validate()
            task.sample(out / "samples" / f"step{step:08d}.png")
            task.train()
        validation.add({"step": step, **figures})
        draw_curves(out / "curves.png", journal, validation)
        logger.info("step %d: %s", step, ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))

    task.train()
    due = start == config.steps or start > 0 and start % config.validate_every == 0
    if due and validation is not None and start not in validation.column("step")[0]:
        evaluate(start)  # the run ended between this step's checkpoint and its validation
    began, pending = time.perf_counter(), 0
    told = began
    with _stop_signal() as stopped:
        for step in range(start, config.steps):
            phase, rate = config.phase_at(step), learning_rate(config, step)
            for group in (group for optimizer in prepared for group in optimizer.param_groups):
                group["lr"] = rate
            total, scalars, norm = torch.zeros((), device=accelerator.device), {}, math.nan
            for micro_step in range(config.gradient_accumulation):
                generator = step_generator(config.seed, step, micro_step, accelerator.process_index)
                batch = task.batch(phase, generator)
                with accelerator.accumulate(module):
                    loss, scalars = module(batch, generator)
                    accelerator.backward(loss)
                    if accelerator.sync_gradients:
                        norm = float(accelerator.clip_grad_norm_(trained, config.max_grad_norm) or 0.0)
                    for optimizer in prepared:
                        optimizer.step()
                        optimizer.zero_grad()
                total += loss.detach() / config.gradient_accumulation
            averages.step(trained)
            done, pending = step + 1, pending + 1
            if not (math.isfinite(total) and math.isfinite(norm)):  # before a checkpoint keeps it
                raise InputError(f"the loss became {float(total)} at step {done}; lower the learning rate")
            last = done == config.steps
            if done % config.log_every == 0 or last:
                row = {"step": done, "loss": total.item(), "learning_rate": rate, "grad_norm": norm}
                row |= {name: value.item() for name, value in scalars.items()}
                now = time.perf_counter()
                row["seconds_per_step"], began, pending = (now - began) / pending, now, 0
                if main and (now - told > SECONDS_BETWEEN_LINES or last):
                    told = now
                    numbers = row["loss"], row["seconds_per_step"]
                    logger.info("step %d of %d: loss %.4g, %.3g s per step", done, config.steps, *numbers)
                if journal is not None:
                    journal.add(row)
                if progress is not None and main:
                    progress(done, config.steps, row)
            if stopped():
                accelerator.set_trigger()
            stop = accelerator.check_trigger()  # all processes end at the same step, whichever was asked
            saved = stop or done % config.checkpoint_every == 0 or last
            if saved:
                save(done)
            if stop:
                logger.info("stopped after step %d; its checkpoint is in %s", done, checkpoints)
                raise KeyboardInterrupt(f"stopped at step {done}; a checkpoint is in {checkpoints}")
            validated = done % config.validate_every == 0 or last
            if validated:
                evaluate(done)
            if saved or validated:  # they are no part of what a step takes
                began, pending = time.perf_counter(), 0
    if main:
        stance = torch.compiler.set_stance("force_eager")
        with _averaged(averages, trained), torch.no_grad(), stance, atomic_dir(out / "export") as folder:
            task.eval()
            task.export(folder)


def process_state() -> PartialState:
    """This process among those of the run; where there is no GPU, processes that torchrun started meet on the CPU."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return PartialState(cpu=several and not torch.accelerator.is_available())


@contextmanager
def _averaged(averages: EMAModel, trained: list[torch.nn.Parameter]) -> Iterator[None]:
    """The moving averages in place of the weights, for as long as the block lasts."""
    averages.store(trained)
    averages.copy_to(trained)
    try:
        yield
    finally:
        averages.restore(trained)


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Turns SIGTERM and SIGINT into a request to stop after the step under way; a second one stops at once."""
    asked: list[int] = []
    signals = (signal.SIGTERM, signal.SIGINT)

    def ask(received: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt("stopped without a checkpoint")
        asked.append(received)

    try:
        before = {number: signal.signal(number, ask) for number in signals}
    except ValueError:  # not the main thread: signals are somebody else's
        before = {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hardware(accelerator: Accelerator) -> dict[str, Any]:
    """Where and with what the run was last started."""
    device = accelerator.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    return {"device": str(device), "name": name, "torch": torch.__version__, "processes": accelerator.num_processes}
