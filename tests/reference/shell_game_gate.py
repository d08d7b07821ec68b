"""Stage II of the shell game: the language model frozen, the gate taught to leave at the first solved step.

The paper's label says at step t whether t improved on t - 1, so a gate that follows it leaves one step after the last
improvement. Here the label looks ahead: go on at t while some later step is better by more than `gamma` nats.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F


def look_ahead_label(losses: torch.Tensor, k: float = 50.0, gamma: float = 0.1) -> torch.Tensor:
    """losses (T, N) of one position each -> (T - 1, N), near 1 where a later step is worth waiting for."""
    best_later = losses.flip(0).cummin(0).values.flip(0)[1:]
    return torch.sigmoid(k * (losses[:-1] - best_later - gamma))


def fit_gate(hidden: torch.Tensor, losses: torch.Tensor, iterations: int = 300) -> tuple[torch.Tensor, torch.Tensor, float]:
    """hidden (T, N, D), losses (T, N) -> gate weight (1, D), bias (1,), and the cross-entropy reached.

    One logistic regression shared by the steps; the last step's gate is never asked. Each step weighs the same.
    """
    x, stop = hidden[:-1].flatten(0, 1), 1 - look_ahead_label(losses).flatten()
    weight = torch.zeros(1, x.shape[1], requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    opt = torch.optim.LBFGS([weight, bias], max_iter=iterations, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        opt.zero_grad()
        loss = F.binary_cross_entropy_with_logits(F.linear(x, weight, bias)[:, 0], stop) + 1e-6 * weight.pow(2).sum()
        loss.backward()
        return loss

    opt.step(closure)
    return weight.detach(), bias.detach(), closure().item()
