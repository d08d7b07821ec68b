"""The model as ONNX Runtime and transformers.js run it: one decoder with the loop unrolled over the same initialisers.

The operators are those of the 4-bit decoders published for these runtimes: com.microsoft MatMulNBits (bits 4, blocks of 32, no zero
points: 8 is zero), GroupQueryAttention with rotary embedding and cache, SkipSimplifiedLayerNormalization, GatherBlockQuantized; queries,
keys and values are one product. Each (step, layer) has a cache of its own, named as if it were a layer of a llama that is `steps` times
as deep.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from checkpoint import SPECIAL, tokenizer
from reference import rotary
from weights import GROUP, Grid, Size, Weights

MICROSOFT = "com.microsoft"
INT64_MAX = np.iinfo(np.int64).max


def write_onnx(folder: Path, size: Size, weights: Weights, half: bool, accuracy_level: int = 0) -> None:
    """A folder that transformers.js takes for a llama: onnx/model_q4.onnx, or with `half` model_q4f16.onnx."""
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    kind = "q4f16" if half else "q4"
    onnx.save_model(Decoder(size, weights, half, accuracy_level).model(), folder / "onnx" / f"model_{kind}.onnx")
    onnx.save_model(cache_maker(half), folder / "onnx" / f"cache_{kind}.onnx")
    (folder / "config.json").write_text(json.dumps(_config(size), indent=1) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer(size)) + "\n")
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": SPECIAL[0], "bos_token": SPECIAL[1], "eos_token": SPECIAL[2]}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=1) + "\n")


def _config(size: Size) -> dict:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": size.vocab_size,
        "hidden_size": size.hidden_size,
        "intermediate_size": size.intermediate_size,
        "num_hidden_layers": size.steps * size.num_hidden_layers,
        "num_attention_heads": size.num_attention_heads,
        "num_key_value_heads": size.num_attention_heads,
        "head_dim": size.head_dim,
        "hidden_act": "silu",
        "rms_norm_eps": size.eps,
        "rope_theta": size.rope_theta,
        "max_position_embeddings": size.context,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}},
    }


def cache_maker(half: bool) -> onnx.ModelProto:
    """Zeros of a shape: what makes a tensor on the GPU where a runtime has no other way."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    zero = helper.make_tensor("zero", kind, [1], [0.0])
    node = helper.make_node("ConstantOfShape", ["shape"], ["cache"], "cache", value=zero)
    shape = helper.make_tensor_value_info("shape", TensorProto.INT64, [4])
    cache = helper.make_tensor_value_info("cache", kind, ["batch_size", "heads", "capacity", "head_dim"])
    graph = helper.make_graph([node], "cache", [shape], [cache])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10, producer_name="looplm-bench")


class Decoder:
    def __init__(self, size: Size, weights: Weights, half: bool, accuracy_level: int):
        self.size, self.weights, self.accuracy_level = size, _packed(size, weights), accuracy_level
        self.float = np.float16 if half else np.float32
        self.type = TensorProto.FLOAT16 if half else TensorProto.FLOAT
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    def model(self) -> onnx.ModelProto:
        self._weights()
        self._input("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"])
        self._input("attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"])
        self._lengths()
        embedding = {"gather_axis": 0, "quantize_axis": 1, "block_size": GROUP, "bits": 4}
        # The residual stream is a sum that was not formed yet: its two halves, and their sum with the norm a layer wants of it.
        hidden, branch = self._node("GatherBlockQuantized", ["embed.codes", "input_ids", "embed.scales"], "embedding", **embedding), None
        for step in range(self.size.steps):
            for layer in range(self.size.num_hidden_layers):
                hidden, branch = self._layer(step, layer, hidden, branch)
            last = step + 1 == self.size.steps
            if last:
                self._input("num_logits_to_keep", TensorProto.INT64, [])
                hidden, branch = self._latest("hidden", hidden), self._latest("branch", branch)
            hidden, branch = self._norm_of_sum(hidden, branch, "model.norm.weight", f"step{step}.norm")[0], None
        logits = self._linear(hidden, "lm_head", "head")
        self._node("Cast", [logits], "logits", name="logits", to=TensorProto.FLOAT)
        vocabulary = ["batch_size", "num_logits_to_keep", self.size.vocab_size]
        self.outputs.insert(0, helper.make_tensor_value_info("logits", TensorProto.FLOAT, vocabulary))
        graph = helper.make_graph(self.nodes, "looped decoder", self.inputs, self.outputs, self.initializers)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="looplm-bench")

    def _layer(self, step: int, layer: int, hidden: str, branch: str | None) -> tuple[str, str]:
        w, at = f"model.layers.{layer}.", f"step{step}.layer{layer}."
        x, hidden = self._norm_of_sum(hidden, branch, w + "input_layernorm.weight", at + "input_norm")
        qkv = self._linear(x, w + "self_attn.qkv", at + "qkv")
        attended = self._attention(step * self.size.num_hidden_layers + layer, qkv, at + "attention")
        attended = self._linear(attended, w + "self_attn.o_proj", at + "o")
        branch = self._norm(attended, w + "input_layernorm_2.weight", at + "attention_norm")
        x, hidden = self._norm_of_sum(hidden, branch, w + "post_attention_layernorm.weight", at + "mlp_input_norm")
        gate = self._linear(x, w + "mlp.gate_proj", at + "gate")
        up = self._linear(x, w + "mlp.up_proj", at + "up")
        sigmoid = self._node("Sigmoid", [gate], at + "sigmoid", domain="")
        inner = self._node("Mul", [gate, sigmoid], at + "silu", domain="")
        inner = self._node("Mul", [inner, up], at + "inner", domain="")
        down = self._linear(inner, w + "mlp.down_proj", at + "down")
        return hidden, self._norm(down, w + "post_attention_layernorm_2.weight", at + "mlp_norm")

    def _attention(self, cache: int, qkv: str, name: str) -> str:
        heads, dim = self.size.num_attention_heads, self.size.head_dim
        shape = lambda length: ["batch_size", heads, length, dim]
        past = [f"past_key_values.{cache}.{kind}" for kind in ("key", "value")]
        present = [f"present.{cache}.{kind}" for kind in ("key", "value")]
        for before, after in zip(past, present):
            self._input(before, self.type, shape("past_sequence_length"))
            self.outputs.append(helper.make_tensor_value_info(after, self.type, shape("total_sequence_length")))
        inputs = [qkv, "", "", *past, "seqlens_k", "total_length", "rotary.cos", "rotary.sin"]
        attributes = {"num_heads": heads, "kv_num_heads": heads, "scale": dim**-0.5, "do_rotary": 1, "rotary_interleaved": 0}
        self.nodes.append(helper.make_node("GroupQueryAttention", inputs, [name, *present], name, domain=MICROSOFT, **attributes))
        return name

    def _norm(self, x: str, gain: str, name: str) -> str:
        return self._node("SimplifiedLayerNormalization", [x, gain], name, domain="", axis=-1, epsilon=self.size.eps, stash_type=1)

    def _norm_of_sum(self, x: str, skip: str | None, gain: str, name: str) -> tuple[str, str]:
        """The norm of x + skip, and the sum."""
        if skip is None:
            return self._norm(x, gain, name), x
        outputs = [name, "", "", name + ".sum"]
        node = helper.make_node("SkipSimplifiedLayerNormalization", [x, skip, gain], outputs, name, domain=MICROSOFT, epsilon=self.size.eps)
        self.nodes.append(node)
        return name, outputs[3]

    def _linear(self, x: str, weight: str, name: str) -> str:
        rows, columns = self.weights[weight + ".weight"].codes.shape
        level = {"accuracy_level": self.accuracy_level} if self.accuracy_level else {}
        inputs = [x, weight + ".codes", weight + ".scales"]
        return self._node("MatMulNBits", inputs, name, K=columns, N=rows, bits=4, block_size=GROUP, **level)

    def _lengths(self) -> None:
        """Of the attention mask: keys before the last one of each sequence, and keys in all."""
        self._constant("one", np.array([1], np.int64))
        count = self._node("ReduceSum", ["attention_mask", "one"], "keys", domain="", keepdims=0)
        count = self._node("Sub", [count, "one"], "keys_before", domain="")
        self._node("Cast", [count], "seqlens_k", domain="", to=TensorProto.INT32)
        shape = self._node("Shape", ["attention_mask"], "mask_shape", domain="")
        self._constant("index_one", np.array(1, np.int64))
        total = self._node("Gather", [shape, "index_one"], "mask_length", domain="", axis=0)
        self._node("Cast", [total], "total_length", domain="", to=TensorProto.INT32)

    def _latest(self, kind: str, x: str) -> str:
        """The last `num_logits_to_keep` rows; all of them for 0, as transformers.js has it."""
        if kind == "hidden":
            self._constant("slice_end", np.array([INT64_MAX], np.int64))
            self._constant("vector", np.array([1], np.int64))
            negative = self._node("Neg", ["num_logits_to_keep"], "latest.negative", domain="")
            self._node("Reshape", [negative, "vector"], "latest.start", domain="")
        return self._node("Slice", [x, "latest.start", "slice_end", "one"], "latest." + kind, domain="")

    def _weights(self) -> None:
        cos, sin = rotary(self.size)
        self._constant("rotary.cos", cos.astype(self.float))
        self._constant("rotary.sin", sin.astype(self.float))
        for name, weight in self.weights.items():
            stem = name.removesuffix(".weight")
            if "early_exit_gate" in name:
                continue
            if not isinstance(weight, Grid):
                self._constant(name, weight.astype(self.float))
            elif name == "model.embed_tokens.weight":
                self._constant("embed.codes", pack(weight).reshape(self.size.vocab_size, -1))
                self._constant("embed.scales", weight.scales.astype(self.float))
            else:
                self._constant(stem + ".codes", pack(weight))
                self._constant(stem + ".scales", weight.scales.astype(self.float))

    def _node(self, op: str, inputs: list[str], output: str, domain: str = MICROSOFT, name: str | None = None, **attributes) -> str:
        domain = "" if op == "Cast" else domain
        self.nodes.append(helper.make_node(op, inputs, [output], name or output, domain=domain, **attributes))
        return output

    def _input(self, name: str, kind: int, shape: list) -> None:
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))

    def _constant(self, name: str, values: np.ndarray) -> None:
        self.initializers.append(numpy_helper.from_array(values, name))


def _packed(size: Size, weights: Weights) -> Weights:
    """With the rows of queries, keys and values of a layer in one matrix."""
    weights = dict(weights)
    for layer in range(size.num_hidden_layers):
        p = f"model.layers.{layer}.self_attn."
        parts = [weights.pop(f"{p}{name}_proj.weight") for name in "qkv"]
        codes, scales = ([getattr(part, field) for part in parts] for field in ("codes", "scales"))
        weights[p + "qkv.weight"] = Grid(np.concatenate(codes), np.concatenate(scales))
    return weights


def pack(weight: Grid) -> np.ndarray:
    """MatMulNBits' layout (out, groups, GROUP / 2): two codes a byte, the first in the low half, 8 for zero."""
    codes = (weight.codes + 8).astype(np.uint8).reshape(*weight.scales.shape, GROUP)
    return codes[..., 0::2] | codes[..., 1::2] << 4
