"""Does a checkpoint written here load in Hugging Face Transformers, and compute the same?

    python check_transformers.py CHECKPOINT --modeling FOLDER [--ids 1 2 3 ...]

FOLDER holds configuration_ouro.py and modeling_ouro.py as they come with the published Ouro checkpoints; they are not part of this
repository. Needs transformers 4.55 .. 4.57, which the published code was written for, in an environment of their own (their tokenizers are older). Every weight must have its place and every place
its weight. Then the logits of each recurrent step are compared with the oracle's, in float32 against float64, the exit distribution too,
and greedy decoding through the published cache is compared with the oracle's.
"""

import argparse
import importlib
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is here

import torch
import transformers
from safetensors.torch import load_file

from looplm_oracle import Config, LoopLM, Tensors, tensor_shapes

TOLERANCE = 2e-3  # logits of float32 against float64
CLOSE = 1e-3      # a choice between two logits closer than this may go either way
NEW_TOKENS = 8


def published(folder: Path):
    """The published classes: the files import each other relatively, so the folder is imported as a package."""
    sys.path.insert(0, str(folder.resolve().parent))
    modeling = importlib.import_module(f"{folder.resolve().name}.modeling_ouro")
    return modeling.OuroConfig, modeling.OuroForCausalLM


def stored_weights(folder: Path) -> Tensors:
    out = {}
    for file in sorted(folder.glob("model*.safetensors")):
        out |= load_file(file)
    return out


def oracle(folder: Path, stored: Tensors) -> LoopLM:
    fields = json.loads((folder / "config.json").read_text())
    config = Config(**{k: v for k, v in fields.items() if k in Config.__dataclass_fields__})
    shapes = {k: tuple(v.shape) for k, v in stored.items()}
    if shapes != tensor_shapes(config):
        sys.exit(f"names or shapes are not the published ones: {sorted(set(shapes.items()) ^ set(tensor_shapes(config).items()))}")
    return LoopLM(config, {k: v.double() for k, v in stored.items()})


def check_names(info: dict, tied: bool) -> None:
    left = {k: v for k, v in info.items() if v and not (k == "missing_keys" and tied and set(v) == {"lm_head.weight"})}
    if left:
        sys.exit(f"loading left something over: {left}")


@torch.no_grad()
def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("checkpoint", type=Path)
    ap.add_argument("--modeling", type=Path, required=True)
    ap.add_argument("--ids", type=int, nargs="+", help="default: 16 random ones")
    a = ap.parse_args()
    torch.set_num_threads(1)

    reference = oracle(a.checkpoint, stored_weights(a.checkpoint))
    c = reference.c
    OuroConfig, OuroForCausalLM = published(a.modeling)
    config = OuroConfig.from_pretrained(a.checkpoint)
    model, info = OuroForCausalLM.from_pretrained(a.checkpoint, config=config, dtype=torch.float32, output_loading_info=True)
    check_names(info, c.tie_word_embeddings)
    model.eval()

    ids = torch.tensor([a.ids]) if a.ids else torch.randint(0, c.vocab_size, (1, 16), generator=torch.Generator().manual_seed(0))
    expected = reference.forward(ids)
    worst = 0.0
    for t in range(c.total_ut_steps):
        logits = model(ids, use_cache=False, exit_at_step=t).logits
        worst = max(worst, (logits.double() - expected.logits[t]).abs().max().item())
    scale = expected.logits.abs().max().item()
    print(f"transformers {transformers.__version__}: {len(reference.w)} tensors, none left over")
    print(f"logits of {c.total_ut_steps} steps at {ids.shape[1]} positions: largest difference {worst:.2e} of values up to {scale:.1f}")

    _, hidden, gates = model.model(ids, use_cache=False)
    lam = torch.sigmoid(torch.stack(gates)[..., 0]).double()
    gate = (lam - expected.lam).abs().max().item()
    print(f"exit gate: largest difference {gate:.2e}")

    # Without a mask, `generate` takes ids that equal the padding for padding.
    new = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0)
    new = new[0, ids.shape[1]:].tolist()
    r = reference.decode(ids[0].tolist(), NEW_TOKENS)
    two = torch.stack([s.logits[-1] for s in r["taken"]]).topk(2, -1).values
    sure = next((i for i, (a, b) in enumerate(two.tolist()) if a - b <= CLOSE), NEW_TOKENS)
    print(f"greedy: {new}, the oracle: {r['ids']}" + (f" (compared up to {sure}, where it is a close call)" if sure < NEW_TOKENS else ""))
    if worst > TOLERANCE or gate > TOLERANCE or new[:sure] != r["ids"][:sure]:
        sys.exit("they differ")
    print("the same")


if __name__ == "__main__":
    main()
