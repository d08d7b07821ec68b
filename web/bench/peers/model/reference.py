"""The model in numpy, f32: what every contestant that computes this model should say."""

from __future__ import annotations

import numpy as np

from weights import Grid, Size, Weights


class Reference:
    """Greedy decoding with a cache for each step and layer. Mathematics: tests/reference/looplm_oracle.py."""

    def __init__(self, size: Size, weights: Weights):
        self.size = size
        self.w = {name: w.values() if isinstance(w, Grid) else w for name, w in weights.items()}
        self.past: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def greedy(self, prompt: list[int], tokens: int) -> tuple[list[int], list[float]]:
        """Ids, and by how much each was ahead of the second best, in standard deviations of its logits."""
        ids, leads = [], []
        self.past = {}
        given = prompt
        for _ in range(tokens):
            logits = self._forward(np.array(given), start=len(prompt) + len(ids) - len(given))
            second, first = np.argsort(logits)[-2:]
            leads.append(float((logits[first] - logits[second]) / logits.std()))
            ids.append(int(first))
            given = [ids[-1]]
        return ids, leads

    def _forward(self, ids: np.ndarray, start: int) -> np.ndarray:
        h = self.w["model.embed_tokens.weight"][ids]
        positions = start + np.arange(len(ids))
        for step in range(self.size.steps):
            for layer in range(self.size.num_hidden_layers):
                h = self._layer(step, layer, h, positions)
            h = self._norm(h, "model.norm")
        return self.w["lm_head.weight"] @ h[-1]

    def _layer(self, step: int, layer: int, h: np.ndarray, positions: np.ndarray) -> np.ndarray:
        p = f"model.layers.{layer}."
        linear = lambda x, name: x @ self.w[f"{p}{name}.weight"].T
        x = self._norm(h, p + "input_layernorm")
        heads = lambda name: linear(x, f"self_attn.{name}").reshape(len(x), self.size.num_attention_heads, -1).swapaxes(0, 1)
        q, k, v = self._rotate(heads("q_proj"), positions), self._rotate(heads("k_proj"), positions), heads("v_proj")
        if (step, layer) in self.past:
            before = self.past[step, layer]
            k, v = np.concatenate([before[0], k], 1), np.concatenate([before[1], v], 1)
        self.past[step, layer] = (k, v)
        score = q @ k.swapaxes(1, 2) / np.float32(self.size.head_dim**0.5)
        score[:, np.arange(k.shape[1])[None, :] > positions[:, None]] = -np.inf
        weight = np.exp(score - score.max(-1, keepdims=True))
        attended = (weight / weight.sum(-1, keepdims=True)) @ v
        attended = linear(attended.swapaxes(0, 1).reshape(len(x), -1), "self_attn.o_proj")
        h = h + self._norm(attended, p + "input_layernorm_2")
        x = self._norm(h, p + "post_attention_layernorm")
        gate = linear(x, "mlp.gate_proj")
        inner = gate / (1 + np.exp(-gate)) * linear(x, "mlp.up_proj")
        return h + self._norm(linear(inner, "mlp.down_proj"), p + "post_attention_layernorm_2")

    def _norm(self, x: np.ndarray, name: str) -> np.ndarray:
        scale = 1 / np.sqrt(np.square(x).mean(-1, keepdims=True) + np.float32(self.size.eps))
        return self.w[name + ".weight"] * x * scale

    def _rotate(self, x: np.ndarray, positions: np.ndarray) -> np.ndarray:
        cos, sin = rotary(self.size)
        cos, sin = cos[positions], sin[positions]
        a, b = np.split(x, 2, -1)
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)


def rotary(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines (context, head_dim / 2)."""
    frequency = size.rope_theta ** (-np.arange(0, size.head_dim, 2) / size.head_dim)
    angle = np.arange(size.context)[:, None] * frequency
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
