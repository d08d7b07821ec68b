"""A llama of the same shapes with the loop unrolled, as GGUF in Q4_0: what llama.cpp (wllama) can run.

It is not the same model. llama.cpp has no looped model: its llama has two norms a layer where Ouro has four, and no norm between the
steps. Bytes of weights, products and cache of a token are the same; the tokens are not. A GGUF file cannot name one tensor twice, so
the weights are in it once for each step.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from checkpoint import pieces
from weights import GROUP, SPECIAL_TOKENS, Grid, Size, Weights

LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(path: Path, size: Size, weights: Weights) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    _metadata(writer, size)
    _tensor(writer, "token_embd.weight", weights["model.embed_tokens.weight"])
    _tensor(writer, "output_norm.weight", weights["model.norm.weight"])
    _tensor(writer, "output.weight", weights["lm_head.weight"])
    for step in range(size.steps):
        for layer in range(size.num_hidden_layers):
            block = step * size.num_hidden_layers + layer
            for ours, theirs in LAYER.items():
                weight = weights[f"model.layers.{layer}.{ours}.weight"]
                if theirs in ("attn_q", "attn_k"):
                    weight = _neighbours(weight, size.num_attention_heads)
                _tensor(writer, f"blk.{block}.{theirs}.weight", weight)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _metadata(writer: gguf.GGUFWriter, size: Size) -> None:
    writer.add_name(f"looplm bench {size.name}")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_context_length(size.context)
    writer.add_embedding_length(size.hidden_size)
    writer.add_block_count(size.steps * size.num_hidden_layers)
    writer.add_feed_forward_length(size.intermediate_size)
    writer.add_head_count(size.num_attention_heads)
    writer.add_head_count_kv(size.num_attention_heads)
    writer.add_key_length(size.head_dim)
    writer.add_value_length(size.head_dim)
    writer.add_rope_dimension_count(size.head_dim)
    writer.add_rope_freq_base(size.rope_theta)
    writer.add_layer_norm_rms_eps(size.eps)
    writer.add_vocab_size(size.vocab_size)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(pieces(size))
    writer.add_token_scores([0.0] * size.vocab_size)
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer.add_token_types(kinds + [gguf.TokenType.NORMAL] * (size.vocab_size - SPECIAL_TOKENS))
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)


def _neighbours(weight: Grid, heads: int) -> Grid:
    """Rows in the order of llama.cpp's rotary embedding, which turns neighbours and not the halves of a head."""

    def order(x: np.ndarray) -> np.ndarray:
        rows, columns = x.shape
        return x.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)

    return Grid(order(weight.codes), order(weight.scales))


def _tensor(writer: gguf.GGUFWriter, name: str, weight: Grid | np.ndarray) -> None:
    if isinstance(weight, Grid):
        writer.add_tensor(name, q4_0(weight), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    else:
        writer.add_tensor(name, weight)


def q4_0(weight: Grid) -> np.ndarray:
    """Blocks of 18 bytes: the scale in f16, then code i in the low half of byte i and code i + 16 in its high half, 8 for zero."""
    codes = (weight.codes + 8).astype(np.uint8).reshape(*weight.scales.shape, GROUP)
    packed = codes[..., : GROUP // 2] | codes[..., GROUP // 2 :] << 4
    scales = weight.scales.astype(np.float16)[..., None].view(np.uint8)
    return np.concatenate([scales, packed], -1).reshape(len(weight.codes), -1)
