"""Train models/shell-game: Stage I, then the gate alone (Stage II), then a checkpoint folder.

    python train_shell_game.py OUT --seed 1 [--hidden 64 --layers 1 --heads 2 --lr 2e-3 --updates 6000]

The model here is the oracle's, in float32 and fused where that is quicker; the exported weights are loaded into the
oracle at the end, and the logits compared. Losses are in nats.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

import shell_game
from fast_looplm import FastLoopLM, stage1_loss, step_losses
from looplm_oracle import Config, LoopLM, exit_pdf
from make_case import one_line_lists
from shell_game import MAX_MOVES, VOCABULARY, sample
from shell_game_card import card
from shell_game_gate import fit_gate

POSITIONS = [(1, 1), (2, 2), (3, 4), (5, 8), (9, 12), (13, 16)]


def rate(step: int, total: int, warmup: int = 200) -> float:
    """Linear warm-up, then a cosine down to a tenth."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


@torch.no_grad()
def evaluate(model: FastLoopLM, seed: int = 77, batch: int = 2048, thresholds=(0.5, 0.8)) -> dict:
    """Accuracy by position and step, expected exit step, and what each threshold gives, on shuffles drawn from another seed."""
    ids, targets = sample(batch, MAX_MOVES, torch.Generator().manual_seed(seed))
    _, logits, lam = model(ids)
    right = (logits.argmax(-1) == targets).float()
    p = exit_pdf(lam)
    T = p.shape[0]
    number = torch.arange(1, T + 1).view(T, 1, 1)
    out = {"shuffles": batch, "seed": seed, "accuracy": right.mean(1).T.tolist(), "expected_exit_step": (p * number).sum(0).mean(0).tolist(), "gate": {}}
    for q in thresholds:
        reached = p.cumsum(0) >= q
        reached[-1] = True
        at = reached.long().argmax(0)
        out["gate"][str(q)] = {"exit_step": (at + 1).float().mean(0).tolist(), "accuracy": right.gather(0, at[None])[0].mean(0).tolist()}
    return out


@torch.no_grad()
def accuracy_beyond(model: FastLoopLM, steps: int = 8, seed: int = 77, batch: int = 2048) -> list[list[float]]:
    """Accuracy by position and step, with more steps than were trained: extrapolation."""
    ids, targets = sample(batch, MAX_MOVES, torch.Generator().manual_seed(seed))
    return (model(ids, steps)[1].argmax(-1) == targets).float().mean(1).T.tolist()


@torch.no_grad()
def gate_timing(model: FastLoopLM, q: float, seed: int = 4242, batch: int = 2048) -> dict:
    """Where the gate leaves, against the first step from which the answer stays right, on shuffles nothing was chosen by.

    Shares of all positions with a move; `never_solved` are those wrong at the last step, whatever the gate does."""
    ids, targets = sample(batch, MAX_MOVES, torch.Generator().manual_seed(seed))
    _, logits, lam = model(ids)
    right = (logits.argmax(-1) == targets)[:, :, 1:].long()
    solved = right[-1] == 1
    first = len(right) - right.flip(0).cumprod(0).sum(0) + 1
    reached = exit_pdf(lam)[:, :, 1:].cumsum(0) >= q
    reached[-1] = True
    at = reached.long().argmax(0) + 1
    share = lambda mask: (mask & solved).float().mean().item()
    return {"seed": seed, "accuracy_last_step": solved.float().mean().item(), "accuracy_at_exit": right.gather(0, (at - 1)[None]).float().mean().item(),
            "early": share(at < first), "on_time": share(at == first), "late": share(at > first), "never_solved": 1 - solved.float().mean().item()}


def table(m: dict) -> str:
    """The evaluation as Markdown, rows being ranges of moves."""
    T = len(m["accuracy"][0])
    mean = lambda xs, a, b: sum(xs[a : b + 1]) / (b - a + 1)
    head = ["moves", *(f"step {t}" for t in range(1, T + 1)), "expected exit step", *(f"gate {q}: step, accuracy" for q in m["gate"])]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for a, b in POSITIONS:
        cells = [f"{a}" if a == b else f"{a}-{b}"]
        cells += [f"{mean([x[t] for x in m['accuracy']], a, b):.3f}" for t in range(T)]
        cells += [f"{mean(m['expected_exit_step'], a, b):.2f}"]
        cells += [f"{mean(g['exit_step'], a, b):.2f}, {mean(g['accuracy'], a, b):.3f}" for g in m["gate"].values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


class Log:
    def __init__(self, file: Path):
        self.file, self.start = file, time.time()
        file.write_text("")

    def __call__(self, text: str) -> None:
        line = f"[{time.time() - self.start:7.1f} s] {text}"
        print(line, flush=True)
        with self.file.open("a") as f:
            f.write(line + "\n")


def train_stage1(model: FastLoopLM, a: argparse.Namespace, log: Log, save) -> None:
    matrices = [p for p in model.parameters() if p.dim() == 2 and p.shape[0] > 1]
    others = [p for p in model.parameters() if not (p.dim() == 2 and p.shape[0] > 1)]
    opt = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}], lr=a.lr, betas=(0.9, 0.95), fused=True)
    g = torch.Generator().manual_seed(a.seed + 1)
    for step in range(a.updates):
        for group in opt.param_groups:
            group["lr"] = a.lr * rate(step, a.updates)
        moves = a.short_moves if step < a.short_updates else MAX_MOVES
        ids, targets = sample(a.batch, moves, g)
        _, logits, lam = model(ids)
        loss = stage1_loss(logits, lam, targets, a.beta)
        opt.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if (step + 1) % a.every == 0 or step + 1 == a.updates:
            m = evaluate(model, batch=512)
            by_position = " ".join(f"{x[-1]:.2f}" for x in m["accuracy"][1:])
            grid = "; ".join(" ".join(f"{sum(x[t] for x in m['accuracy'][lo : hi + 1]) / (hi - lo + 1):.2f}" for t in range(model.c.total_ut_steps)) for lo, hi in POSITIONS)
            log(f"update {step + 1}: loss {loss.item():.4f}, last step by move: {by_position} | by step {grid} | exit {' '.join(f'{x:.1f}' for x in m['expected_exit_step'][1:])}")
            save()


def train_stage2(model: FastLoopLM, a: argparse.Namespace, log: Log) -> None:
    with torch.no_grad():
        ids, targets = sample(a.gate_shuffles, MAX_MOVES, torch.Generator().manual_seed(a.seed + 2))
        hidden, logits, _ = model(ids)
        losses = step_losses(logits, targets)
    weight, bias, loss = fit_gate(hidden.flatten(1, 2), losses.flatten(1))
    with torch.no_grad():
        model.w["model/early_exit_gate/weight"].copy_(weight)
        model.w["model/early_exit_gate/bias"].copy_(bias)
    log(f"stage II: cross-entropy of the gate {loss:.4f}")


def export(model: FastLoopLM, out: Path, metrics: dict, log: Log) -> None:
    """The checkpoint folder, and the proof that the oracle computes the same from it."""
    shell_game.save_config(out, model.c)
    shell_game.save_tokenizer(out)
    save_file(model.weights(), out / "model.safetensors", {"format": "pt"})
    ids, _ = sample(64, MAX_MOVES, torch.Generator().manual_seed(5))
    with torch.no_grad():
        s = LoopLM(model.c, {k: v.double() for k, v in load_file(out / "model.safetensors").items()}).forward(ids)
        _, logits, lam = model(ids)
    far = lambda x, y: float((x - y).abs().max() / y.abs().max())
    metrics["difference_from_oracle"] = {"logits": far(logits, s.logits), "exit_lambda": far(lam, s.lam)}
    assert max(metrics["difference_from_oracle"].values()) < 1e-4, metrics["difference_from_oracle"]
    log(f"max |difference| / max |oracle|: {metrics['difference_from_oracle']}")
    metrics["seconds"] = time.time() - log.start
    (out / "README.md").write_text(card(metrics, table, POSITIONS))
    (out / "metrics.json").write_text(one_line_lists(json.dumps(rounded(metrics), indent=1)) + "\n")


def rounded(x):
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    if isinstance(x, list):
        return [rounded(v) for v in x]
    return float(f"{x:.4g}") if isinstance(x, float) else x


def arguments() -> argparse.Namespace:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path)
    numbers = dict(seed=1, hidden=64, layers=1, heads=2, updates=6000, batch=128, short_moves=8, short_updates=0, gate_shuffles=4096, every=250)
    for flag, default in numbers.items():
        ap.add_argument("--" + flag.replace("_", "-"), type=int, default=default)
    ap.add_argument("--lr", type=float, default=2e-3)
    ap.add_argument("--beta", type=float, default=0.1)
    ap.add_argument("--from", dest="start", type=Path, help="start from this model.safetensors; with --updates 0 only stage II runs")
    return ap.parse_args()


def main() -> None:
    a = arguments()
    torch.set_num_threads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    c = Config(vocab_size=len(VOCABULARY), hidden_size=a.hidden, intermediate_size=3 * a.hidden, num_hidden_layers=a.layers,
               num_attention_heads=a.heads, num_key_value_heads=a.heads, total_ut_steps=4, rope_theta=10_000.0, max_position_embeddings=64)
    model = FastLoopLM(c, a.seed)
    if a.start:
        model.load(load_file(a.start))
    log = Log(a.out / "train.log")
    settings = vars(a) | {"out": a.out.name, "start": a.start and a.start.name}
    log(f"{sum(p.numel() for p in model.parameters())} parameters; {settings}")
    train_stage1(model, a, log, lambda: save_file(model.weights(), a.out / "model.safetensors", {"format": "pt"}))
    metrics = {"settings": settings, "parameters": sum(p.numel() for p in model.parameters()), "stage1": evaluate(model)}
    log("stage I\n" + table(metrics["stage1"]))
    train_stage2(model, a, log)
    metrics["stage2"] = evaluate(model)
    log("stage II\n" + table(metrics["stage2"]))
    metrics["gate_timing"] = {str(q): gate_timing(model, q) for q in (0.5, 0.8)}
    log(f"gate timing: {rounded(metrics['gate_timing'])}")
    metrics["accuracy_with_8_steps"] = accuracy_beyond(model)
    log("accuracy by move with 8 steps, each step: " + "; ".join(" ".join(f"{x:.2f}" for x in row) for row in metrics["accuracy_with_8_steps"][1:]))
    export(model, a.out, metrics, log)


if __name__ == "__main__":
    main()
