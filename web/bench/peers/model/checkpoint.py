"""The float checkpoint: an Ouro folder as Hugging Face lays it out, which looplm loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from weights import SPECIAL_TOKENS, Grid, Size, Weights

SPECIAL = ["<unk>", "<s>", "</s>"]
# Room below the surrogates, and room for 65,536 above them.
FIRST_CHARACTERS = (0x4E00, 0x20000)
SURROGATES = 0xD800


def first_character(size: Size) -> int:
    """What token 0 would read if it were not special."""
    low, high = FIRST_CHARACTERS
    return low if low + size.vocab_size <= SURROGATES else high


def pieces(size: Size) -> list[str]:
    """What the tokens read: a character each, so that any tokenizer makes the wanted ids of a text, and of an answer its ids again."""
    return SPECIAL + [chr(first_character(size) + i) for i in range(SPECIAL_TOKENS, size.vocab_size)]


def write_checkpoint(folder: Path, size: Size, weights: Weights) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    halves = {}
    for name, weight in weights.items():
        values = weight.values() if isinstance(weight, Grid) else weight
        halves[name] = values.astype(np.float16)
        if not np.array_equal(halves[name].astype(np.float32), values):
            raise ValueError(f"f16 does not hold {name}")
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(_config(size), indent=1) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(size)) + "\n")


def _config(size: Size) -> dict:
    return {
        "architectures": ["OuroForCausalLM"],
        "model_type": "ouro",
        "vocab_size": size.vocab_size,
        "hidden_size": size.hidden_size,
        "intermediate_size": size.intermediate_size,
        "num_hidden_layers": size.num_hidden_layers,
        "num_attention_heads": size.num_attention_heads,
        "num_key_value_heads": size.num_attention_heads,
        "head_dim": size.head_dim,
        "total_ut_steps": size.steps,
        "early_exit_threshold": 1.0,
        "hidden_act": "silu",
        "rms_norm_eps": size.eps,
        "rope_theta": size.rope_theta,
        "rope_scaling": None,
        "max_position_embeddings": size.context,
        "tie_word_embeddings": False,
        "use_sliding_window": False,
        "torch_dtype": "float16",
    }


def tokenizer(size: Size) -> dict:
    """Words to ids, nothing else: the bench gives ids."""
    added = [
        {"id": i, "content": piece, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, piece in enumerate(SPECIAL)
    ]
    vocabulary = {piece: i for i, piece in enumerate(pieces(size))}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": SPECIAL[0]},
    }
