"""Seeded weights that four bits hold exactly.

Every matrix is drawn as codes of -8 .. 7 and one scale for each group of 32 along the input, and the float checkpoint holds their
products. Each group has both a -8 and a 7, and a scale has 7 significant bits, so that any quantiser of 4 bits and groups of 32 that
puts its ends at the group's extremes finds codes and scale again, and f16 holds every product. The contestants then differ by how they
compute, not by how they round weights.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

GROUP = 32
# <unk>, <s>, </s>: no contestant may end early, so the head gives them zero where the best of thousands is well above it.
SPECIAL_TOKENS = 3


@dataclass(frozen=True)
class Size:
    name: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    head_dim: int
    steps: int
    context: int = 1024
    eps: float = 1e-6
    rope_theta: float = 1_000_000.0

    @staticmethod
    def named(name: str) -> Size:
        sizes = json.loads((Path(__file__).parent / "sizes.json").read_text())
        return Size(name, **sizes[name])


@dataclass(frozen=True)
class Grid:
    """A matrix (out, in): codes of -8 .. 7, int8, and scales (out, in / GROUP), f32."""

    codes: np.ndarray
    scales: np.ndarray

    def values(self) -> np.ndarray:
        groups = self.codes.reshape(*self.scales.shape, GROUP).astype(np.float32)
        return (groups * self.scales[..., None]).reshape(self.codes.shape)


Weights = dict[str, Grid | np.ndarray]


def random_weights(size: Size, seed: int) -> Weights:
    """Tensors of a checkpoint by their published names: grids, and f32 arrays of gains and the gate."""
    rng = np.random.default_rng(seed)
    d, i, q = size.hidden_size, size.intermediate_size, size.num_attention_heads * size.head_dim
    out: Weights = {"model.embed_tokens.weight": _matrix(rng, size.vocab_size, d, std=1.0)}
    for n in range(size.num_hidden_layers):
        p = f"model.layers.{n}."
        for name in ("q_proj", "k_proj", "v_proj"):
            out[f"{p}self_attn.{name}.weight"] = _matrix(rng, q, d)
        out[f"{p}self_attn.o_proj.weight"] = _matrix(rng, d, q)
        out[f"{p}mlp.gate_proj.weight"] = _matrix(rng, i, d)
        out[f"{p}mlp.up_proj.weight"] = _matrix(rng, i, d)
        out[f"{p}mlp.down_proj.weight"] = _matrix(rng, d, i)
        for name in ("input_layernorm", "input_layernorm_2", "post_attention_layernorm", "post_attention_layernorm_2"):
            out[f"{p}{name}.weight"] = _gains(rng, d)
    out["model.norm.weight"] = _gains(rng, d)
    out["model.early_exit_gate.weight"] = (rng.standard_normal((1, d)) / d**0.5).astype(np.float16).astype(np.float32)
    out["model.early_exit_gate.bias"] = np.zeros(1, np.float32)
    head = _matrix(rng, size.vocab_size, d)
    head.codes[:SPECIAL_TOKENS] = 0
    head.scales[:SPECIAL_TOKENS] = 0
    out["lm_head.weight"] = head
    return out


def prompt(size: Size, length: int, seed: int) -> list[int]:
    return np.random.default_rng([seed, length]).integers(SPECIAL_TOKENS, size.vocab_size, length).tolist()


def _matrix(rng: np.random.Generator, rows: int, columns: int, std: float | None = None) -> Grid:
    groups = rows * columns // GROUP
    codes = np.clip(np.rint(3.3 * rng.standard_normal((groups, GROUP), np.float32)), -8, 7).astype(np.int8)
    low = rng.integers(0, GROUP, groups)
    high = (low + rng.integers(1, GROUP, groups)) % GROUP
    codes[np.arange(groups), low] = -8
    codes[np.arange(groups), high] = 7
    spread = rng.uniform(0.75, 1.25, groups) * (std or columns**-0.5) / 3.5
    mantissa, exponent = np.frexp(spread)
    scales = np.ldexp(np.rint(mantissa * 128) / 128, exponent).astype(np.float32)
    return Grid(codes.reshape(rows, columns), scales.reshape(rows, columns // GROUP))


def _gains(rng: np.random.Generator, n: int) -> np.ndarray:
    return (1 + 0.2 * rng.standard_normal(n)).astype(np.float16).astype(np.float32)
