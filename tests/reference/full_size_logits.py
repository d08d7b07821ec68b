"""What the oracle says of a folder of any size, and whether a run of `looplm forward` says the same.

    python full_size_logits.py FOLDER --prompt-ids 1,100,2000 --out EXPECTED.json     # or .npz
    looplm forward FOLDER --ids 1,100,2000 --out RUN.safetensors
    python full_size_logits.py --expected EXPECTED.json --check RUN.safetensors

EXPECTED.json holds `ids`; `exit_lambda` and `exit_pdf` [T,M]; and of the last position `hidden` [T,D], `logits` [T,V] and `top`, the
five best tokens of each step with their logits. An .npz holds `ids`, `exit_lambda`, `exit_pdf`, and `hidden` [T,M,D] and `logits`
[T,M,V] of all positions. A check compares the positions there are: for each step the length of the difference over the length of
what is expected, and the best token.

Weights are read where the oracle asks for them and stay on disk otherwise, so memory holds a few tensors at a time. Needs torch and safetensors.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file

from looplm_oracle import Config, LoopLM, Steps, tensor_shapes

CLOSE = 1e-3  # a choice between two logits closer than this may go either way
STEP_FIRST = ("exit_lambda", "exit_pdf", "hidden", "logits")


class Stored(Mapping):
    """The tensors of a folder by name, widened whenever they are asked for."""

    def __init__(self, folder: Path, dtype: torch.dtype, files: ExitStack):
        opened = [files.enter_context(safe_open(f, framework="pt")) for f in sorted(folder.glob("model*.safetensors"))]
        self.where, self.dtype = {name: f for f in opened for name in f.keys()}, dtype

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.where[name].get_tensor(name).to(self.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self.where)

    def __len__(self) -> int:
        return len(self.where)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(f.get_slice(name).get_shape()) for name, f in self.where.items()}


@torch.no_grad()
def run(folder: Path, ids: list[int], dtype: torch.dtype) -> Steps:
    fields = json.loads((folder / "config.json").read_text())
    config = Config(**{k: v for k, v in fields.items() if k in Config.__dataclass_fields__})
    with ExitStack() as files:
        stored = Stored(folder, dtype, files)
        if stored.shapes() != tensor_shapes(config):
            sys.exit(f"names or shapes are not those of config.json: {sorted(set(stored.shapes().items()) ^ set(tensor_shapes(config).items()))[:5]}")
        return LoopLM(config, stored).forward(torch.tensor([ids]))


def found(s: Steps) -> dict[str, np.ndarray]:
    values = {"exit_lambda": s.lam, "exit_pdf": s.pdf, "hidden": s.hidden, "logits": s.logits}
    return {name: x[:, 0].float().numpy() for name, x in values.items()}


def save(file: Path, ids: list[int], values: dict[str, np.ndarray], dtype: str) -> None:
    if file.suffix == ".npz":
        np.savez(file, ids=np.array(ids), **values)
        return
    number = lambda x: float(f"{x:.9g}")  # all that a float32 holds
    lists = lambda x: [[number(v) for v in row] for row in x]
    last = {name: values[name][:, -1] for name in ("hidden", "logits")}
    best = np.argsort(-last["logits"], axis=-1)[:, :5]
    top = [[{"id": int(i), "logit": number(row[i])} for i in five] for row, five in zip(last["logits"], best)]
    content = {"ids": ids, "computed_in": dtype, "top": top} | {name: lists(values[name]) for name in ("exit_lambda", "exit_pdf")}
    file.write_text(json.dumps(content | {name: lists(x) for name, x in last.items()}) + "\n")


def load(file: Path) -> dict[str, np.ndarray]:
    """The step first, then the position: all of them, or the last alone."""
    if file.suffix == ".npz":
        return dict(np.load(file))
    content = json.loads(file.read_text())
    values = {name: np.array(content[name], dtype=np.float32) for name in STEP_FIRST}
    return values | {"ids": np.array(content["ids"])} | {name: values[name][:, None] for name in ("hidden", "logits")}


def check(expected: dict[str, np.ndarray], got: dict[str, np.ndarray], tolerance: float) -> bool:
    same = True
    for name in STEP_FIRST:
        want, have = expected[name].astype(np.float64), got[name].astype(np.float64)
        have = have[:, -want.shape[1]:]
        if have.shape != want.shape:
            sys.exit(f"{name} is {have.shape}, where {want.shape} is expected: another prompt, or another number of steps?")
        for t in range(len(want)):
            error = np.linalg.norm(have[t] - want[t]) / np.linalg.norm(want[t])
            line = f"{name:<12} step {t + 1}: relative error {error:.2e}, largest difference {np.abs(have[t] - want[t]).max():.2e}"
            same &= bool(error <= tolerance)
            if name == "logits":
                best, mine = want[t].argmax(-1), have[t].argmax(-1)
                lost = np.take_along_axis(want[t], best[:, None], -1)[:, 0] - np.take_along_axis(want[t], mine[:, None], -1)[:, 0]
                same &= bool((lost <= CLOSE).all())
                line += f", best token the same at {(best == mine).sum()} of {len(best)} positions"
            print(line)
    return same


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("folder", type=Path, nargs="?", metavar="FOLDER")
    ap.add_argument("--prompt-ids", type=lambda text: [int(n) for n in text.split(",")], metavar="ID,ID,...")
    ap.add_argument("--out", type=Path, metavar="FILE", help="a .json or an .npz")
    ap.add_argument("--dtype", choices=["float64", "float32"], default="float64", help="what the oracle computes in")
    ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--expected", type=Path, metavar="FILE", help="what --out wrote")
    ap.add_argument("--check", type=Path, metavar="FILE", help="what looplm forward wrote, or what --out did")
    ap.add_argument("--tolerance", type=float, default=1e-5, help="largest relative error; float32 against float64 stays under 1e-6")
    a = ap.parse_args()
    if a.check:
        if not a.expected:
            ap.error("--check needs --expected")
        got = load_file(a.check) if a.check.suffix == ".safetensors" else load(a.check)
        if not check(load(a.expected), got, a.tolerance):
            sys.exit("they differ")
        print("the same")
        return
    if not (a.folder and a.prompt_ids and a.out):
        ap.error("a FOLDER needs --prompt-ids and --out")
    torch.set_num_threads(a.threads)
    began = time.monotonic()
    values = found(run(a.folder, a.prompt_ids, getattr(torch, a.dtype)))
    save(a.out, a.prompt_ids, values, a.dtype)
    for t, (logits, pdf, hidden) in enumerate(zip(values["logits"][:, -1], values["exit_pdf"][:, -1], values["hidden"][:, -1]), 1):
        two = np.sort(logits)[-2:]
        print(f"step {t}: exits here with {pdf:.3f}; state {np.sqrt((hidden ** 2).mean()):.2f} long; logits spread {logits.std():.2f}, best {logits.argmax()}, {two[1] - two[0]:.3f} ahead")
    print(f"{a.out}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
