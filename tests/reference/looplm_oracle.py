"""Reference LoopLM (Ouro architecture) in plain PyTorch: slow, small, and meant to be read.

It follows "Scaling Latent Reasoning via Looped Language Models" (arXiv 2510.25741, sections 3-5)
and the tensor names of the published Ouro checkpoints. Everything runs in float64 by default, so
that a difference against another implementation is that implementation's rounding, not this one's.

Shapes: B batch, M positions, D hidden_size, V vocab_size, T recurrent steps (total_ut_steps),
H query heads, G key/value heads, d head_dim. Token ids are int64. Losses are in nats.
"""

from __future__ import annotations

import json
import math
import operator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F

Tensors = dict[str, torch.Tensor]


@dataclass
class Config:
    vocab_size: int = 64
    hidden_size: int = 32
    intermediate_size: int = 80
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 4
    head_dim: int | None = None
    total_ut_steps: int = 4
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1_000_000.0
    max_position_embeddings: int = 256
    tie_word_embeddings: bool = False
    early_exit_threshold: float = 1.0

    @property
    def d(self) -> int:
        return self.head_dim or self.hidden_size // self.num_attention_heads

    def save(self, folder: Path, dtype: str = "float32") -> None:
        extra = {
            "model_type": "ouro", "architectures": ["OuroForCausalLM"], "hidden_act": "silu",
            "rope_scaling": None, "use_sliding_window": False, "torch_dtype": dtype,
            "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None,
        }
        fields = {k: v for k, v in asdict(self).items() if v is not None}
        (folder / "config.json").write_text(json.dumps(fields | extra, indent=1) + "\n")


def tensor_shapes(c: Config) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint, by its published name."""
    D, I, q, kv = c.hidden_size, c.intermediate_size, c.num_attention_heads * c.d, c.num_key_value_heads * c.d
    shapes = {
        "model.embed_tokens.weight": (c.vocab_size, D),
        "model.norm.weight": (D,),
        "model.early_exit_gate.weight": (1, D),
        "model.early_exit_gate.bias": (1,),
    }
    if not c.tie_word_embeddings:
        shapes["lm_head.weight"] = (c.vocab_size, D)
    for i in range(c.num_hidden_layers):
        p = f"model.layers.{i}."
        shapes |= {
            p + "self_attn.q_proj.weight": (q, D), p + "self_attn.k_proj.weight": (kv, D),
            p + "self_attn.v_proj.weight": (kv, D), p + "self_attn.o_proj.weight": (D, q),
            p + "mlp.gate_proj.weight": (I, D), p + "mlp.up_proj.weight": (I, D), p + "mlp.down_proj.weight": (D, I),
            p + "input_layernorm.weight": (D,), p + "input_layernorm_2.weight": (D,),
            p + "post_attention_layernorm.weight": (D,), p + "post_attention_layernorm_2.weight": (D,),
        }
    return shapes


def random_weights(c: Config, seed: int, std: float = 0.15, dtype: torch.dtype = torch.float64) -> Tensors:
    """Weights large enough that every step, head and gate matters. Norm gains are drawn around 1."""
    g = torch.Generator().manual_seed(seed)
    out = {}
    for name, shape in tensor_shapes(c).items():
        x = torch.randn(shape, generator=g, dtype=torch.float64)
        out[name] = ((1.0 + 0.2 * x) if name.endswith(("norm.weight", "norm_2.weight")) else std * x).float().to(dtype)
    return out


def rms_norm(x: torch.Tensor, gain: torch.Tensor, eps: float) -> torch.Tensor:
    return gain * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)


def rope(x: torch.Tensor, positions: torch.Tensor, theta: float) -> torch.Tensor:
    """Rotate the two halves of each head. x (B, heads, M, d), positions (M,) or (B, M)."""
    d = x.shape[-1]
    inv = theta ** (-torch.arange(0, d, 2, dtype=x.dtype) / d)
    angle = positions.to(x.dtype)[..., None] * inv
    cos, sin = torch.cos(angle), torch.sin(angle)
    if positions.dim() == 2:
        cos, sin = cos[:, None], sin[:, None]
    a, b = x[..., : d // 2], x[..., d // 2 :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Stack:
    """The shared stack of layers: one call is one application to B rows of M positions."""

    def __init__(self, c: Config, w: Tensors):
        self.c, self.w = c, w

    def qkv(self, i: int, x: torch.Tensor, positions: torch.Tensor):
        c, p = self.c, f"model.layers.{i}.self_attn."
        B, M, _ = x.shape
        heads = lambda name, n: (x @ self.w[p + name].T).view(B, M, n, c.d).transpose(1, 2)
        q, k, v = heads("q_proj.weight", c.num_attention_heads), heads("k_proj.weight", c.num_key_value_heads), heads("v_proj.weight", c.num_key_value_heads)
        return rope(q, positions, c.rope_theta), rope(k, positions, c.rope_theta), v

    def layer(self, i: int, h: torch.Tensor, positions, mask, past=None):
        """h (B, M, D); mask (M, past + M) or (B, 1, M, past + M), true where a key is seen. Returns h and this call's (k, v)."""
        c, w, p = self.c, self.w, f"model.layers.{i}."
        x = rms_norm(h, w[p + "input_layernorm.weight"], c.rms_norm_eps)
        q, k, v = self.qkv(i, x, positions)
        K = k if past is None else torch.cat([past[0], k], 2)
        V = v if past is None else torch.cat([past[1], v], 2)
        rep = c.num_attention_heads // c.num_key_value_heads
        score = q @ K.repeat_interleave(rep, 1).transpose(-1, -2) / math.sqrt(c.d)
        prob = score.masked_fill(~mask, -torch.inf).softmax(-1)
        a = (prob @ V.repeat_interleave(rep, 1)).transpose(1, 2).flatten(2) @ w[p + "self_attn.o_proj.weight"].T
        h = h + rms_norm(a, w[p + "input_layernorm_2.weight"], c.rms_norm_eps)
        x = rms_norm(h, w[p + "post_attention_layernorm.weight"], c.rms_norm_eps)
        m = (F.silu(x @ w[p + "mlp.gate_proj.weight"].T) * (x @ w[p + "mlp.up_proj.weight"].T)) @ w[p + "mlp.down_proj.weight"].T
        return h + rms_norm(m, w[p + "post_attention_layernorm_2.weight"], c.rms_norm_eps), (k, v)


@dataclass
class Steps:
    """What every recurrent step t = 1..T left behind, stacked on axis 0."""
    hidden: torch.Tensor   # (T, B, M, D), after the final norm: what the head, the gate and the next step read
    logits: torch.Tensor   # (T, B, M, V)
    lam: torch.Tensor      # (T, B, M), instantaneous exit probability
    pdf: torch.Tensor      # (T, B, M), probability of exiting first at t; the last step takes what remains
    kv: list               # [T][layers] of (k, v), each (B, G, M, d)

    def exit_step(self, q: float) -> torch.Tensor:
        """First step (1-based) whose cumulative exit probability reaches q. (B, M)."""
        reached = self.pdf.cumsum(0) >= q
        reached[-1] = True
        return reached.to(torch.int64).argmax(0) + 1


def exit_pdf(lam: torch.Tensor) -> torch.Tensor:
    survive = torch.cumprod(1 - lam, 0)
    before = torch.cat([torch.ones_like(lam[:1]), survive[:-1]], 0)
    return torch.cat([lam[:-1] * before[:-1], before[-1:]], 0)


@dataclass
class Taken:
    """The steps 1..t that one token has taken so far, stacked on axis 0."""
    h: torch.Tensor        # (t + 1, D): h_0 is the token's embedding, then each step's state after the final norm
    logits: torch.Tensor   # (t, V)
    lam: torch.Tensor      # (t,)

    def until(self, t: int) -> Taken:
        return Taken(self.h[: t + 1], self.logits[:t], self.lam[:t])


# What a rule looks at after a token's latest step, and how that has to compare with the rule's number for the token to leave.
QUANTITIES = {
    # The exit probability cumulated over the steps: one minus the probability of having stayed at each. Only the last step of all
    # takes what remains, and there a token leaves anyway.
    "gate": (lambda s: 1 - (1 - s.lam).prod(), operator.ge),
    "gate-delayed": (lambda s: 1 - (1 - s.lam[:-1]).prod(), operator.ge),
    "hidden": (lambda s: (s.h[-1] - s.h[-2]).norm() / s.h[-2].norm(), operator.lt),
    "hidden-abs": (lambda s: (s.h[-1] - s.h[-2]).norm(), operator.lt),
    "confidence": (lambda s: s.logits[-1].softmax(-1).max(), operator.ge),
    "entropy": (lambda s: entropy(s.logits[-1].softmax(-1)), operator.le),
}


@dataclass
class Exit:
    """When a token leaves the loop: a rule, and the steps between which it decides. A rule is a name and a number:

    step:N           the N-th step
    gate:Q           the first step at which the cumulated exit probability reaches Q; Q >= 1 is never early
    gate-delayed:Q   one step later than gate:Q
    hidden:EPS       the state changes by less than this share of itself: |h_t - h_(t-1)| / |h_(t-1)| < EPS
    hidden-abs:EPS   the state changes by less than this: |h_t - h_(t-1)| < EPS
    confidence:P     the head gives its best token at least this probability
    entropy:X        the head's entropy is at most this, in nats
    agree:K          the head's best token has been the same for K steps, this one included"""
    rule: str
    min_steps: int
    max_steps: int

    def ask(self, s: Taken) -> tuple[bool, float]:
        """Does a token leave after these steps? And how far is what was compared from where the answer changes; inf: it cannot."""
        name, number = self.rule.split(":")
        x, t = float(number), len(s.lam)
        if name == "step" or name.startswith("gate") and x >= 1:
            return name == "step" and t >= x, math.inf
        if name == "agree":
            if t < x:
                return False, math.inf
            best, token = s.logits[-int(x):].topk(2, -1)
            return bool((token[:, 0] == token[-1, 0]).all()), float((best[:, 0] - best[:, 1]).min())
        quantity, compare = QUANTITIES[name]
        found = float(quantity(s))
        return compare(found, x), abs(found - x)

    def step(self, s: Taken) -> tuple[int, float] | None:
        """The step, from 1, at which a token that has taken these steps has left, and the nearest any answer was to the other
        one; None if it goes on. At max_steps nobody asks. What the gate says before min_steps counts all the same."""
        nearest = math.inf
        for t in range(self.min_steps, len(s.lam) + 1):
            if t == self.max_steps:
                return t, nearest
            leaves, distance = self.ask(s.until(t))
            nearest = min(nearest, distance)
            if leaves:
                return t, nearest
        return None


class LoopLM:
    def __init__(self, c: Config, w: Tensors):
        self.c, self.w, self.stack = c, w, Stack(c, w)

    def head(self, h: torch.Tensor) -> torch.Tensor:
        return h @ self.w.get("lm_head.weight", self.w["model.embed_tokens.weight"]).T

    def gate(self, h: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(h @ self.w["model.early_exit_gate.weight"].T + self.w["model.early_exit_gate.bias"])[..., 0]

    def forward(self, ids: torch.Tensor, steps: int | None = None, segments: torch.Tensor | None = None) -> Steps:
        """ids (B, M). segments (B, M): packed documents; positions restart and attention stays inside one."""
        c, T = self.c, steps or self.c.total_ut_steps
        B, M = ids.shape
        mask = torch.tril(torch.ones(M, M, dtype=torch.bool))
        positions = torch.arange(M)
        if segments is not None:
            mask = (mask & (segments[:, :, None] == segments[:, None, :]))[:, None]
            start = torch.cat([torch.ones_like(segments[:, :1], dtype=torch.bool), segments[:, 1:] != segments[:, :-1]], 1)
            first = torch.where(start, torch.arange(M), 0).cummax(1).values
            positions = torch.arange(M) - first
        h = self.w["model.embed_tokens.weight"][ids]
        hs, kvs = [], []
        for _ in range(T):
            row = []
            for i in range(c.num_hidden_layers):
                h, kv = self.stack.layer(i, h, positions, mask)
                row.append(kv)
            h = rms_norm(h, self.w["model.norm.weight"], c.rms_norm_eps)
            hs.append(h)
            kvs.append(row)
        hidden = torch.stack(hs)
        lam = self.gate(hidden)
        return Steps(hidden, self.head(hidden), lam, exit_pdf(lam), kvs)

    def decode(self, prompt: list[int], new_tokens: int, cache: str = "full", rule: str = "gate:1", steps: int | None = None,
               min_steps: int = 1, max_steps: int | None = None) -> dict:
        """Greedy decoding with a cache; the logits of a token's exit step choose the next. `cache` says what new tokens leave for
        later ones; the prompt is prefilled with all steps:
        full: each step its own; last / first / mean: one entry for all steps. Every step is computed, whatever the exit step, as
        the published code does.
        last-exited: a token takes no step beyond its exit step, and later tokens see its last one at the steps it did not take.
        Of each new token returns ids, exit_steps, distances (of the rule's answers, see Exit), and the steps taken by the token
        before it, which chose it: all T, or with last-exited those up to the exit step."""
        c, T = self.c, steps or self.c.total_ut_steps
        leave = Exit(rule, min_steps, max_steps or T)
        embedding = self.w["model.embed_tokens.weight"]
        s = self.forward(torch.tensor([prompt]), T)
        shared = {"last": lambda x: x[-1], "first": lambda x: x[0], "mean": lambda x: sum(x) / len(x)}.get(cache)
        def pack(kvs):  # kvs[T][layer] -> the same, or every step holding the one shared entry
            if shared is None:
                return kvs
            one = [(shared([kvs[t][i][0] for t in range(T)]), shared([kvs[t][i][1] for t in range(T)])) for i in range(c.num_hidden_layers)]
            return [one] * T
        def taken(token: int, hs: list) -> Taken:  # hs[t] (1, 1, D)
            hidden = torch.stack(hs)
            return Taken(torch.cat([embedding[None, token], hidden[:, 0, 0]]), self.head(hidden)[:, 0, 0], self.gate(hidden)[:, 0, 0])
        past = pack(s.kv)
        now = Taken(torch.cat([embedding[None, prompt[-1]], s.hidden[:, 0, -1]]), s.logits[:, 0, -1], s.lam[:, 0, -1])
        out = {"ids": [], "exit_steps": [], "distances": [], "taken": []}
        for n in range(new_tokens):
            e, distance = leave.step(now)
            tok = int(now.logits[e - 1].argmax())
            out["ids"].append(tok); out["exit_steps"].append(e); out["distances"].append(distance); out["taken"].append(now)
            pos = torch.tensor([len(prompt) + n])
            h = embedding[torch.tensor([[tok]])]
            hs, fresh = [], []
            for t in range(T):
                row = []
                for i in range(c.num_hidden_layers):
                    seen = torch.ones(1, past[t][i][0].shape[2] + 1, dtype=torch.bool)
                    h, kv = self.stack.layer(i, h, pos, seen, past[t][i])
                    row.append(kv)
                h = rms_norm(h, self.w["model.norm.weight"], c.rms_norm_eps)
                hs.append(h); fresh.append(row)
                if cache == "last-exited" and leave.step(taken(tok, hs)):
                    break
            now = taken(tok, hs)
            new = pack(fresh + [fresh[-1]] * (T - len(fresh)))
            past = [[(torch.cat([past[t][i][0], new[t][i][0]], 2), torch.cat([past[t][i][1], new[t][i][1]], 2)) for i in range(c.num_hidden_layers)] for t in range(T)]
        return out


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each step at each position. logits (T, B, M, V), targets (B, M) with -100 ignored -> (T, B, M)."""
    T = logits.shape[0]
    flat = F.cross_entropy(logits.flatten(0, 2), targets.repeat(T, 1, 1).flatten(), ignore_index=-100, reduction="none")
    return flat.view(T, *targets.shape)


def entropy(pdf: torch.Tensor) -> torch.Tensor:
    """Entropy of the exit distribution of each position. pdf (T, B, M) -> (B, M)."""
    return -(pdf * torch.log(pdf.clamp_min(1e-30))).sum(0)


def geometric_prior(steps: int, lam: float) -> torch.Tensor:
    """Probability of each exit step when one leaves with probability `lam` at every step; the last takes the rest. (T,)."""
    t = torch.arange(steps, dtype=torch.float64)
    prior = lam * (1 - lam) ** t
    prior[-1] = (1 - lam) ** (steps - 1)
    return prior


def stage1_loss(s: Steps, targets: torch.Tensor, beta: float, geometric: float | None = None) -> torch.Tensor:
    """Expected task loss under the exit distribution minus beta times its entropy, per position, then the mean (eq. 4).
    With `geometric`, plus beta times the divergence from that prior instead; the uniform one is the entropy up to a constant."""
    keep = targets != -100
    p = s.pdf
    per = (p * token_losses(s.logits, targets)).sum(0) - beta * entropy(p)
    if geometric is not None:
        per = per - beta * (p * geometric_prior(p.shape[0], geometric).log()[:, None, None]).sum(0)
    return per[keep].mean()


def stage2_loss(s: Steps, targets: torch.Tensor, k: float = 50.0, gamma: float = 0.005, look_ahead: bool = False) -> torch.Tensor:
    """Adaptive exit loss of the gate (eqs. 5-6). Language model frozen: hidden states and losses carry no gradient; only the
    gate does. The paper's label of step t = 2..T is whether t improved on t - 1. With `look_ahead` the label of step t = 1..T-1
    is whether any later step improves on t: it waits through a plateau, and the first step is taught too."""
    keep = targets != -100
    L = token_losses(s.logits, targets).detach()
    T = L.shape[0]
    if look_ahead:
        best_later = L.flip(0).cummin(0).values.flip(0)[1:]  # of t = 1..T-1: the least of t+1..T
        improvement, lam = L[:-1] - best_later, s.lam[:-1]
    else:
        improvement, lam = L[:-1] - L[1:], s.lam[1:]
    w = torch.sigmoid(k * (improvement.clamp_min(0) - gamma))
    lam = lam.clamp(1e-30, 1 - 1e-12)
    bce = -(w * torch.log1p(-lam) + (1 - w) * torch.log(lam))
    return bce[:, keep].mean(1).sum() / T
