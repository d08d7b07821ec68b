"""Writes one model for all contestants, from one seed: python generate.py --size 10m --out FOLDER

FOLDER/looplm   the float checkpoint (f16) in Ouro's layout
FOLDER/onnx     the same as ONNX, 4 bits, the loop unrolled, for onnxruntime-web and transformers.js
FOLDER/llama.gguf   a llama of the same shapes, Q4_0, the loop unrolled, for wllama
FOLDER/bench.json   sizes, prompts, and what the model says to them
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from checkpoint import first_character, write_checkpoint
from gguf_file import write_gguf
from onnx_graph import write_onnx
from reference import Reference
from weights import Grid, Size, prompt, random_weights

PROMPTS = (32, 128, 512)
# Tokens that the reference says: enough to see that a contestant computes this model.
EXPECTED = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", action="store_true", help="also onnx/model_q4f16.onnx, for GPUs with f16")
    parser.add_argument("--no-gguf", action="store_true", help="not llama.gguf, which is four times as large as the others' files")
    parser.add_argument("--accuracy-level", type=int, default=0, help="of MatMulNBits; 4 lets it round activations to 8 bits")
    options = parser.parse_args()
    size = Size.named(options.size)
    weights = random_weights(size, options.seed)
    write_checkpoint(options.out / "looplm", size, weights)
    for half in (False, True) if options.half else (False,):
        write_onnx(options.out / "onnx", size, weights, half, options.accuracy_level)
    if not options.no_gguf:
        write_gguf(options.out / "llama.gguf", size, weights)
    # Last: a folder with it is complete.
    (options.out / "bench.json").write_text(json.dumps(_bench(size, weights, options), indent=1) + "\n")


def _bench(size: Size, weights: dict, options: argparse.Namespace) -> dict:
    reference = Reference(size, weights)
    prompts = []
    for length in PROMPTS:
        ids = prompt(size, length, options.seed)
        expected, leads = reference.greedy(ids, EXPECTED)
        prompts.append({"length": length, "ids": ids, "expected": expected, "leads": leads})
    count = lambda w: w.codes.size if isinstance(w, Grid) else w.size
    return {
        "size": size.__dict__,
        "seed": options.seed,
        "accuracyLevel": options.accuracy_level,
        "half": options.half,
        "parameters": sum(count(w) for w in weights.values()),
        "layerParameters": sum(count(w) for name, w in weights.items() if name.startswith("model.layers.")),
        "firstCharacter": first_character(size),
        "prompts": prompts,
    }


if __name__ == "__main__":
    main()
