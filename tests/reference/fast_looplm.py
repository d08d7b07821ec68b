"""The oracle's forward pass and Stage I loss in float32 with PyTorch's fused operations: for training and for measuring PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from looplm_oracle import Config, exit_pdf, tensor_shapes


class FastLoopLM(torch.nn.Module):
    """The oracle's forward pass for training: multi-head attention only, one length for the whole batch."""

    def __init__(self, c: Config, seed: int):
        super().__init__()
        self.c = c
        g = torch.Generator().manual_seed(seed)
        self.w = torch.nn.ParameterDict()
        for name, shape in tensor_shapes(c).items():
            std = 1.0 if "embed_tokens" in name else 0.02
            x = std * torch.randn(shape, generator=g)
            if name.endswith(("norm.weight", "norm_2.weight")):
                x = torch.ones(shape)
            if "early_exit_gate" in name:  # a flat start: p about .25 .19 .14 .42
                x = torch.full(shape, -1.1 if name.endswith("bias") else 0.0)
            self.w[name.replace(".", "/")] = torch.nn.Parameter(x)
        inv = c.rope_theta ** (-torch.arange(0, c.d, 2) / c.d)
        angle = torch.arange(c.max_position_embeddings)[:, None] * inv
        self.cos, self.sin = angle.cos().repeat(1, 2), torch.cat([-angle.sin(), angle.sin()], 1)

    def weights(self) -> dict[str, torch.Tensor]:
        return {k.replace("/", "."): v.detach().clone() for k, v in self.w.items()}

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, x in weights.items():
                self.w[name.replace(".", "/")].copy_(x)

    def forward(self, ids: torch.Tensor, steps: int | None = None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """ids (B, M), T steps -> hidden (T, B, M, D), logits (T, B, M, V), lambda (T, B, M)."""
        c, w = self.c, self.w
        B, M = ids.shape
        cos, sin = self.cos[:M], self.sin[:M]
        turn = lambda x: x * cos + x.roll(c.d // 2, -1) * sin
        norm = lambda x, name: F.rms_norm(x, (c.hidden_size,), w[name], c.rms_norm_eps)
        layers = []
        for i in range(c.num_hidden_layers):
            p = f"model/layers/{i}/"
            a, m = p + "self_attn/", p + "mlp/"
            layers.append((p, torch.cat([w[a + n + "_proj/weight"] for n in "qkv"]), torch.cat([w[m + "gate_proj/weight"], w[m + "up_proj/weight"]])))
        h = F.embedding(ids, w["model/embed_tokens/weight"])
        hidden = []
        for _ in range(steps or c.total_ut_steps):
            for p, qkv_w, gate_up_w in layers:
                x = norm(h, p + "input_layernorm/weight")
                q, k, v = F.linear(x, qkv_w).view(B, M, 3, c.num_attention_heads, c.d).permute(2, 0, 3, 1, 4)
                a = F.scaled_dot_product_attention(turn(q), turn(k), v, is_causal=True).transpose(1, 2).flatten(2)
                h = h + norm(F.linear(a, w[p + "self_attn/o_proj/weight"]), p + "input_layernorm_2/weight")
                x = norm(h, p + "post_attention_layernorm/weight")
                gate, up = F.linear(x, gate_up_w).chunk(2, -1)
                h = h + norm(F.linear(F.silu(gate) * up, w[p + "mlp/down_proj/weight"]), p + "post_attention_layernorm_2/weight")
            h = norm(h, "model/norm/weight")
            hidden.append(h)
        hidden = torch.stack(hidden)
        gate = F.linear(hidden, w["model/early_exit_gate/weight"], w["model/early_exit_gate/bias"])
        return hidden, F.linear(hidden, w["lm_head/weight"]), torch.sigmoid(gate)[..., 0]


def step_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """(T, B, M)"""
    T, B, M, V = logits.shape
    return F.cross_entropy(logits.reshape(-1, V), targets.expand(T, B, M).reshape(-1), reduction="none").view(T, B, M)


def stage1_loss(logits: torch.Tensor, lam: torch.Tensor, targets: torch.Tensor, beta: float) -> torch.Tensor:
    p = exit_pdf(lam)
    entropy = -(p * p.clamp_min(1e-20).log()).sum(0)
    return ((p * step_losses(logits, targets)).sum(0) - beta * entropy).mean()
