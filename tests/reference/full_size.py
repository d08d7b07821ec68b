"""Write a checkpoint folder as large as the published Ouro models, with weights that were drawn instead of trained.

    python full_size.py OUT --model 1.4b [--seed 1] [--dtype bf16] [--shards 1] [--layers N] [--generation-config]

Names, shapes, element type, order and the size of model.safetensors to the byte are those of Ouro-1.4B and Ouro-2.6B; config.json and
special_tokens_map.json are the same bytes. Needs numpy, and memory for a few megabytes of weights: tensors are drawn and written piece by piece. A
tensor depends on the seed, its name and the number of layers, whatever file it is in. README.md, "Full size", says more.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import full_size_tokenizer

WIDTH, INNER, HEADS, HEAD, VOCABULARY, STEPS = 2048, 5632, 16, 128, full_size_tokenizer.TOKENS, 4
LAYERS = {"1.4b": 24, "2.6b": 48}
PUBLISHED_BYTES = {"1.4b": 2_869_336_434, "2.6b": 5_336_011_242}  # of model.safetensors
PIECE = 1 << 20  # elements drawn at once

Shapes = dict[str, tuple[int, ...]]


def layer_shapes(i: int) -> Shapes:
    p, square = f"model.layers.{i}.", (HEADS * HEAD, WIDTH)
    projections = {p + f"self_attn.{x}_proj.weight": square for x in "qkvo"}
    mlp = {p + "mlp.gate_proj.weight": (INNER, WIDTH), p + "mlp.up_proj.weight": (INNER, WIDTH), p + "mlp.down_proj.weight": (WIDTH, INNER)}
    norms = ("input_layernorm", "input_layernorm_2", "post_attention_layernorm", "post_attention_layernorm_2")
    return projections | mlp | {p + f"{norm}.weight": (WIDTH,) for norm in norms}


def tensor_shapes(layers: int) -> Shapes:
    """Every tensor in the order of the model, which is the order shards are cut in."""
    shapes = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    for i in range(layers):
        shapes |= layer_shapes(i)
    return shapes | {"model.norm.weight": (WIDTH,), "model.early_exit_gate.weight": (1, WIDTH), "model.early_exit_gate.bias": (1,),
                     "lm_head.weight": (VOCABULARY, WIDTH)}


def scale(name: str, layers: int) -> tuple[float, float]:
    """Mean and deviation of a tensor's elements.

    Projections have the published initializer's 0.02, those into the residual stream less by the square root of their number.
    What a block adds is brought to the length of its second norm, so that norm decides how far a step moves the state: 2 L
    additions of 1 / sqrt(2 L) turn it by about 45 degrees, as trained models' steps do. The state begins as long as the final
    norm leaves it for the next step. The head's deviation spreads the logits over a few nats: enough for a best token, not a certain one.
    """
    residual = 1 / math.sqrt(2 * layers)
    if name.endswith("layernorm_2.weight"):
        return residual, 0.1 * residual
    if name.endswith("norm.weight"):
        return 1.0, 0.05
    if name.endswith(("o_proj.weight", "down_proj.weight")):
        return 0.0, 0.02 * residual
    return {"model.embed_tokens.weight": (0.0, 1.0), "lm_head.weight": (0.0, 0.05), "model.early_exit_gate.bias": (-1.0, 0.0)}.get(name, (0.0, 0.02))


def bf16(x: np.ndarray) -> np.ndarray:
    """Rounds to the nearest, ties to even: half of what falls off is added, a little less where the last bit is even."""
    bits = x.view(np.uint32)
    bits += 0x7FFF + ((bits >> 16) & 1)
    return (bits >> 16).astype("<u2")


STORED = {"bf16": ("BF16", 2, bf16), "f16": ("F16", 2, lambda x: x.astype("<f2")), "f32": ("F32", 4, lambda x: x.astype("<f4", copy=False))}


def draw(name: str, shape: tuple[int, ...], layers: int, seed: int) -> Iterator[np.ndarray]:
    """The elements of a tensor in row-major order, in pieces that may be changed."""
    rng = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())]))
    mean, deviation = map(np.float32, scale(name, layers))
    left = math.prod(shape)
    while left:
        x = rng.standard_normal(min(left, PIECE), dtype=np.float32)
        x *= deviation
        x += mean
        left -= x.size
        yield x


def header(shapes: Shapes, dtype: str) -> bytes:
    """The length and the JSON in front of the tensors, which follow in the order of their names. The published files have no `__metadata__`."""
    code, size, _ = STORED[dtype]
    entries, at = {}, 0
    for name in sorted(shapes):
        end = at + math.prod(shapes[name]) * size
        entries[name] = {"dtype": code, "shape": shapes[name], "data_offsets": [at, end]}
        at = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


class Progress:
    """One line that is written over; without a terminal, a line a minute."""

    def __init__(self, total: int):
        self.total, self.done, self.began, self.said = total, 0, time.monotonic(), 0.0

    def add(self, count: int, name: str) -> None:
        self.done += count
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if self.done < self.total and now - self.said < (0.2 if terminal else 60):
            return
        self.said = now
        line = f"{self.done / 1e9:.2f} of {self.total / 1e9:.2f} GB, {now - self.began:.0f} s, {name}"
        print(f"\r{line:<100}" if terminal else line, end="" if terminal and self.done < self.total else "\n", file=sys.stderr, flush=True)


def save_file(file: Path, shapes: Shapes, layers: int, seed: int, dtype: str, progress: Progress) -> None:
    *_, encode = STORED[dtype]
    with file.open("wb") as out:
        out.write(header(shapes, dtype))
        for name in sorted(shapes):
            for piece in draw(name, shapes[name], layers, seed):
                data = encode(piece)
                out.write(data)
                progress.add(data.nbytes, name)


def save_weights(folder: Path, layers: int, seed: int, dtype: str, shards: int) -> None:
    """One file, or shards of about equal size and their index."""
    shapes, size = tensor_shapes(layers), STORED[dtype][1]
    total = sum(math.prod(shape) * size for shape in shapes.values())
    progress = Progress(total)
    if shards == 1:
        save_file(folder / "model.safetensors", shapes, layers, seed, dtype, progress)
        return
    groups, seen = [{} for _ in range(shards)], 0
    for name, shape in shapes.items():
        length = math.prod(shape) * size
        groups[(seen + length // 2) * shards // total][name] = shape  # where its middle falls
        seen += length
    if not all(groups):
        sys.exit(f"{len(shapes)} tensors do not fill {shards} shards of equal size")
    where = {}
    for i, group in enumerate(groups, 1):
        file = f"model-{i:05}-of-{shards:05}.safetensors"
        save_file(folder / file, group, layers, seed, dtype, progress)
        where |= dict.fromkeys(group, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))})


def config(layers: int, dtype: str) -> dict:
    modules = {"AutoConfig": "configuration_ouro.OuroConfig", "AutoModel": "modeling_ouro.OuroModel", "AutoModelForCausalLM": "modeling_ouro.OuroForCausalLM"}
    return {
        "architectures": ["OuroForCausalLM"], "attention_dropout": 0.0, "auto_map": modules, "bos_token_id": 0, "eos_token_id": 0,
        "head_dim": HEAD, "hidden_act": "silu", "hidden_size": WIDTH, "initializer_range": 0.02, "intermediate_size": INNER,
        "layer_types": ["full_attention"] * layers, "max_position_embeddings": 65_536, "max_window_layers": layers, "model_type": "ouro",
        "num_attention_heads": HEADS, "num_hidden_layers": layers, "num_key_value_heads": HEADS, "rms_norm_eps": 1e-6, "rope_scaling": None,
        "rope_theta": 1e6, "sliding_window": None, "tie_word_embeddings": False,
        "torch_dtype": {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}[dtype], "total_ut_steps": STEPS, "early_exit_threshold": 1.0,
        "transformers_version": "4.55.0", "use_cache": True, "use_sliding_window": False, "vocab_size": VOCABULARY,
    }


def write_json(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out", type=Path, metavar="OUT", help="a folder; what it holds under the same names is written over")
    ap.add_argument("--model", choices=LAYERS, required=True)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--dtype", choices=STORED, default="bf16")
    ap.add_argument("--shards", type=int, default=1, help="the published models are one file")
    ap.add_argument("--layers", type=int, help="other than the published number, in the same widths")
    ap.add_argument("--generation-config", action="store_true", help="write the generation_config.json Transformers derives; the published folders have none")
    a = ap.parse_args()
    layers = a.layers or LAYERS[a.model]
    if layers < 1 or a.shards < 1:
        ap.error("there is at least one layer and one shard")
    a.out.mkdir(parents=True, exist_ok=True)
    # An index beside a single file, or shards of another number, would make two checkpoints of one folder.
    for old in (*a.out.glob("model*.safetensors"), *a.out.glob("model.safetensors.index.json")):
        old.unlink()
    write_json(a.out / "config.json", config(layers, a.dtype))
    if a.generation_config:
        write_json(a.out / "generation_config.json", {"_from_model_config": True, "bos_token_id": 0, "eos_token_id": 0, "transformers_version": "4.55.0"})
    full_size_tokenizer.save(a.out, a.seed)
    save_weights(a.out, layers, a.seed, a.dtype, a.shards)
    size = sum(file.stat().st_size for file in a.out.glob("model*.safetensors"))
    if (layers, a.shards, a.dtype) == (LAYERS[a.model], 1, "bf16") and size != PUBLISHED_BYTES[a.model]:
        sys.exit(f"the file has {size} bytes, the published one {PUBLISHED_BYTES[a.model]}: a bug in this program")
    print(f"{a.out}: {len(tensor_shapes(layers))} tensors, {size} bytes of weights")


if __name__ == "__main__":
    main()
