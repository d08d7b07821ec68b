"""Milliseconds of one update in PyTorch: Stage I loss, backward, clipping at 1 and AdamW, on the sizes of bench_sizes.json.

    python bench_train.py [--size small] [--threads 2] [--device cpu|cuda] [--compile] [--updates 10]

The Rust and the browser bench read the same sizes and do the same work: every position has a target, batches are random ids.
Prints one JSON object per size: medians of the updates after two to warm up; `processor_ms` holds on a machine that has other work, too.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from fast_looplm import FastLoopLM, stage1_loss
from looplm_oracle import Config

SIZES = Path(__file__).with_name("bench_sizes.json")
WARM_UP = 2
BETA = 0.1


def measure(size: dict, a: argparse.Namespace) -> dict:
    c = Config(vocab_size=size["vocabulary"], hidden_size=size["hidden"], intermediate_size=size["intermediate"],
               num_hidden_layers=size["layers"], num_attention_heads=size["heads"], num_key_value_heads=size["heads"],
               total_ut_steps=size["steps"], rope_theta=10_000.0)
    model = FastLoopLM(c, seed=1).to(a.device)
    model.cos, model.sin = model.cos.to(a.device), model.sin.to(a.device)
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1}, {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)

    def loss_of(ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        _, logits, lam = model(ids)
        return stage1_loss(logits, lam, targets, BETA)

    loss_fn = torch.compile(loss_of) if a.compile else loss_of
    draw = lambda: torch.randint(0, c.vocab_size, (size["sequences"], size["length"]), device=a.device)
    times, processor = [], []
    for n in range(WARM_UP + a.updates):
        ids, targets = draw(), draw()
        started, worked = time.perf_counter(), time.process_time()
        optimizer.zero_grad(set_to_none=True)
        loss = loss_fn(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        loss.item()  # waits for a device
        times.append(time.perf_counter() - started)
        processor.append(time.process_time() - worked)
    ms = lambda seconds: round(1000 * seconds, 2)
    return {"size": size["name"], "parameters": sum(p.numel() for p in parameters), "ms": ms(statistics.median(times[WARM_UP:])),
            "least_ms": ms(min(times[WARM_UP:])), "processor_ms": ms(statistics.median(processor[WARM_UP:])), "loss": round(loss.item(), 4),
            "threads": a.threads, "device": a.device, "torch": torch.__version__}


def main() -> None:
    sizes = {size["name"]: size for size in json.loads(SIZES.read_text())}
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--size", choices=list(sizes), action="append", help="default: all")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--compile", action="store_true")
    ap.add_argument("--updates", type=int, default=10)
    a = ap.parse_args()
    torch.set_num_threads(a.threads)
    for name in a.size or sizes:
        print(json.dumps(measure(sizes[name], a)), flush=True)


if __name__ == "__main__":
    main()
