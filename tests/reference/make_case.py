"""Write one parity case: a checkpoint folder as Hugging Face lays it out, and what the reference says of it.

    python make_case.py OUT --seed 1 [--hidden 32 --heads 4 --kv-heads 2 --layers 2 --vocab 64 --steps 4 --tied --dtype bfloat16]

OUT/model/                    config.json and model.safetensors, or with --shards N the shards and their index
OUT/expected.json             prompt, greedy continuations per cache policy and threshold (with --exits, per rule too), objectives
OUT/expected.safetensors      ids, targets, logits, hidden, exit_lambda, exit_pdf (step first), and grad.OBJECTIVE.*
OUT/expected.stepsN.safetensors   the same tensors, without gradients, from N steps instead of the trained ones (--extra-steps)
Needs torch and safetensors. Expected tensors are float32, computed in float64 from the weights as stored.
README.md beside this file says what every field means.
"""

import argparse
import json
import math
import re
from itertools import combinations
from pathlib import Path

import torch
from safetensors.torch import save_file

from looplm_oracle import (QUANTITIES, Config, LoopLM, Steps, Tensors, entropy, exit_pdf, random_weights, stage1_loss, stage2_loss,
                           tensor_shapes, token_losses)

BETA, GEOMETRIC = 0.1, 0.5
CACHES = ("full", "last", "mean", "first")
THRESHOLDS = (1.0, 0.5, 0.8)
# The exit rules asked for with each cache policy (--exits). One without a number gets one that suits the case.
EVERY_RULE = ("step:2", "gate", "gate-delayed", "hidden", "hidden-abs", "confidence", "entropy", "agree:2")
RULES = {"full": EVERY_RULE, "last-exited": EVERY_RULE, "last": ("gate", "hidden"), "mean": ("gate", "confidence"), "first": ("gate", "hidden")}
QUANTILES = [n / 10 for n in range(1, 10)]
CLOSE = 1e-3  # a test stops comparing at a choice closer than this


def arguments(argv: list[str] | None) -> argparse.Namespace:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path)
    sizes = dict(seed=1, hidden=32, inter=80, layers=2, heads=4, kv_heads=4, head_dim=0, vocab=64, steps=4, length=17, batch=2, new=12)
    for flag, default in sizes.items():
        ap.add_argument("--" + flag.replace("_", "-"), type=int, default=default)
    ap.add_argument("--prompt", type=int, default=0, help="tokens of the greedy prompt; 0: half of --length")
    ap.add_argument("--theta", type=float, default=1e6)
    ap.add_argument("--tied", action="store_true")
    ap.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    ap.add_argument("--shards", type=int, default=1)
    ap.add_argument("--packed", action="store_true", help="also two documents packed in each sequence: *_packed and segments")
    ap.add_argument("--extra-steps", type=int, nargs="*", default=[], metavar="N")
    ap.add_argument("--exits", action="store_true", help="also greedy continuations for each exit rule")
    ap.add_argument("--no-grads", action="store_true", help="leave out the gradient tensors (the losses stay)")
    return ap.parse_args(argv)


def save_checkpoint(folder: Path, c: Config, stored: Tensors, dtype: str, shards: int) -> None:
    """Weights under Hugging Face's names: one file, or shards of about equal size and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    c.save(folder, dtype)
    size = lambda t: t.numel() * t.element_size()
    total = sum(map(size, stored.values()))
    groups, seen = [{} for _ in range(shards)], 0
    for name, t in stored.items():
        groups[min(shards - 1, seen * shards // total)][name] = t
        seen += size(t)
    if shards == 1:
        save_file(groups[0], folder / "model.safetensors", {"format": "pt"})
        return
    where = {}
    for i, group in enumerate(groups, 1):
        file = f"model-{i:05}-of-{shards:05}.safetensors"
        save_file(group, folder / file, {"format": "pt"})
        where |= {name: file for name in group}
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def f32(x: torch.Tensor) -> torch.Tensor:
    return x.detach().float().contiguous()


def step_tensors(s: Steps, suffix: str = "") -> Tensors:
    return {"logits" + suffix: f32(s.logits), "hidden" + suffix: f32(s.hidden), "exit_lambda" + suffix: f32(s.lam), "exit_pdf" + suffix: f32(s.pdf)}


EVERYTHING, GATE = ("",), ("early_exit_gate",)


def stage1(s: Steps, targets: torch.Tensor) -> tuple[dict, tuple[str, ...]]:
    """What Stage I reports, and the weights whose gradients are written (parts of their names)."""
    keep = targets != -100
    steps = torch.arange(1, s.pdf.shape[0] + 1, dtype=s.pdf.dtype)[:, None, None]
    return {"loss": stage1_loss(s, targets, BETA), "step_losses": token_losses(s.logits, targets)[:, keep].mean(1),
            "entropy": entropy(s.pdf)[keep].mean(), "expected_steps": (steps * s.pdf).sum(0)[keep].mean()}, EVERYTHING


def stage_objectives(model: LoopLM, s: Steps, targets: torch.Tensor) -> dict:
    # Stage II teaches the gate only: what it reads is a constant.
    frozen = Steps(s.hidden.detach(), s.logits.detach(), model.gate(s.hidden.detach()), s.pdf, s.kv)
    return {
        "stage1": stage1(s, targets),
        # The prior reaches everything through the gate alone, so the gate and what it reads are enough.
        "stage1_geometric": ({"loss": stage1_loss(s, targets, BETA, GEOMETRIC)}, (*GATE, "model.norm")),
        "stage2_paper": ({"loss": stage2_loss(frozen, targets)}, GATE),
        "stage2_lookahead": ({"loss": stage2_loss(frozen, targets, look_ahead=True)}, GATE),
    }


def gradients(objective: str, loss: torch.Tensor, over: Tensors) -> Tensors:
    """The paper's Stage II is `grad.stage2`. A weight that the loss does not depend on (the gate of a single step) has zeros."""
    prefix = "grad." + objective.removesuffix("_paper")
    if not loss.requires_grad:
        return {f"{prefix}.{k}": f32(torch.zeros_like(v)) for k, v in over.items()}
    grads = torch.autograd.grad(loss, list(over.values()), retain_graph=True, allow_unused=True, materialize_grads=True)
    return {f"{prefix}.{k}": f32(g) for k, g in zip(over, grads)}


def head_margins(r: dict) -> list[float]:
    """How far the best logit is above the second at each token's exit step."""
    best = [s.logits[e - 1].topk(2).values for s, e in zip(r["taken"], r["exit_steps"])]
    return [float(two[0] - two[1]) for two in best]


def greedy(model: LoopLM, prompt: list[int], new: int, steps: int | None = None) -> dict:
    """Greedy continuations, with how close each choice was: see README.md, "Margins"."""
    out = {}
    for cache in CACHES:
        for q in THRESHOLDS:
            r = model.decode(prompt, new, cache, f"gate:{q}", steps)
            margins = head_margins(r)
            # The last step is taken whatever its probability, so only the steps before it can be a close call.
            lam = torch.stack([s.lam for s in r["taken"]])
            cumulated = exit_pdf(lam.T).T.cumsum(1)[:, :-1]
            gate = (cumulated - q).abs().amin(1).tolist() if cumulated.shape[1] else [1.0] * new
            out[f"{cache}:{q}"] = {"ids": r["ids"], "exit_steps": r["exit_steps"], "smallest_margin": min(margins),
                                   "margins": [round(m, 7) for m in margins], "gate_margins": [round(m, 7) for m in gate]}
    return out


def exits(model: LoopLM, prompt: list[int], new: int) -> dict:
    """Greedy continuations under each exit rule, with how close each choice was: see README.md, "Exit rules"."""
    T = model.c.total_ut_steps
    asked = [(cache, rule, 1, T) for cache, rules in RULES.items() for rule in rules]
    asked += [(cache, "gate", *((2, T - 1) if T > 3 else (1, 2))) for cache in ("full", "last-exited")]
    if T > 3:  # the first question is about a step before it, too
        asked.append(("last-exited", "agree:2", 3, T))
    out = {}
    for cache, rule, low, high in asked:
        rules = [rule] if ":" in rule else candidates(model, prompt, new, cache, rule, low, high)
        runs = {rule: model.decode(prompt, new, cache, rule, min_steps=low, max_steps=high) for rule in rules}
        rule = max(rules, key=lambda rule: mixed(runs[rule]))
        r = runs[rule]
        bounds = "" if (low, high) == (1, T) else f"|{low}-{high}"
        rule_margins = [1.0 if math.isinf(d) else d for d in r["distances"]]
        out[f"{cache}|{rule}{bounds}"] = {"ids": r["ids"], "exit_steps": r["exit_steps"], "margins": [round(m, 7) for m in head_margins(r)],
                                          "rule_margins": [round(m, 7) for m in rule_margins]}
    return out


def candidates(model: LoopLM, prompt: list[int], new: int, cache: str, name: str, low: int, high: int) -> list[str]:
    """A rule with numbers from its own data: quantiles of what it looks at when every token stays as long as it may."""
    quantity, _ = QUANTITIES[name]
    longest = model.decode(prompt, new, cache, f"step:{high}")["taken"]
    low = max(low, 2) if name == "gate-delayed" else low  # which knows nothing after a single step
    found = torch.tensor([float(quantity(s.until(t))) for s in longest for t in range(low, high)])
    return [f"{name}:{float(found.quantile(q)):.3g}" for q in QUANTILES]


def mixed(r: dict) -> int:
    """How many pairs of tokens leave at different steps, of those before the first close choice."""
    close = [min(pair) <= CLOSE for pair in zip(head_margins(r), r["distances"])]
    steps = r["exit_steps"][: (close + [True]).index(True)]
    return sum(a != b for a, b in combinations(steps, 2))


def save_expected(file: Path, tensors: Tensors) -> None:
    # One key only: several would be written in an order that changes from run to run.
    save_file(tensors, file, {"made_by": "tests/reference/make_case.py"})


def make(argv: list[str] | None = None) -> None:
    a = arguments(argv)
    torch.set_num_threads(1)
    c = Config(vocab_size=a.vocab, hidden_size=a.hidden, intermediate_size=a.inter, num_hidden_layers=a.layers,
               num_attention_heads=a.heads, num_key_value_heads=a.kv_heads, head_dim=a.head_dim or None,
               total_ut_steps=a.steps, rope_theta=a.theta, tie_word_embeddings=a.tied)
    stored = {k: v.to(getattr(torch, a.dtype)) for k, v in random_weights(c, a.seed).items()}
    assert {k: tuple(v.shape) for k, v in stored.items()} == tensor_shapes(c)
    save_checkpoint(a.out / "model", c, stored, a.dtype, a.shards)

    w = {k: v.double().requires_grad_() for k, v in stored.items()}
    g = torch.Generator().manual_seed(a.seed + 1000)
    ids = torch.randint(0, a.vocab, (a.batch, a.length), generator=g)
    targets = torch.cat([ids[:, 1:], torch.full((a.batch, 1), -100)], 1)
    targets[:, 0] = -100
    model = LoopLM(c, w)
    s = model.forward(ids)
    out = {"ids": ids, "targets": targets} | step_tensors(s)
    expected = {"trained_steps": a.steps, "beta": BETA}
    objectives = stage_objectives(model, s, targets)
    if a.packed:
        segments = (torch.arange(a.length) >= a.length // 2).long().expand(a.batch, -1).contiguous()
        packed = model.forward(ids, segments=segments)
        # The last position of a document has nothing to predict.
        packed_targets = targets.clone()
        packed_targets[:, :-1][segments[:, :-1] != segments[:, 1:]] = -100
        out |= {"segments": segments} | step_tensors(packed, "_packed") | {"targets_packed": packed_targets}
        objectives["stage1_packed"] = stage1(packed, packed_targets)
    for name, (values, of) in objectives.items():
        expected[name] = {"loss": values["loss"].item()} | {k: v.tolist() for k, v in values.items() if k != "loss"}
        if not a.no_grads:
            out |= gradients(name, values["loss"], {k: v for k, v in w.items() if any(part in k for part in of)})
    save_expected(a.out / "expected.safetensors", out)

    prompt = ids[0, : a.prompt or a.length // 2].tolist()
    with torch.no_grad():
        expected |= {"prompt": prompt, "greedy": greedy(model, prompt, a.new), "steps": {}}
        for n in a.extra_steps:
            save_expected(a.out / f"expected.steps{n}.safetensors", {"ids": ids} | step_tensors(model.forward(ids, n)))
            expected["steps"][str(n)] = {"greedy": greedy(model, prompt, a.new, n)}
        if a.exits:
            expected["exits"] = exits(model, prompt, a.new)
    text = json.dumps(expected, indent=1)
    (a.out / "expected.json").write_text(one_line_lists(text) + "\n")


def one_line_lists(text: str) -> str:
    """Each list of numbers on one line: people read the fixtures too."""
    return re.sub(r"\[[^\[\]{}]*\]", lambda m: " ".join(m[0].split()).replace("[ ", "[").replace(" ]", "]"), text)


if __name__ == "__main__":
    make()
