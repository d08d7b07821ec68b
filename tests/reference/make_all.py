"""Write every committed fixture again, the same bytes each time: python make_all.py [NAME ...]"""

import shutil
import sys
from pathlib import Path

from make_case import make

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

# name: the arguments of make_case.py. Sizes are small so that the files are, and odd so that no tile fits them.
CASES = {
    # The plain case, with gradients, and steps below and beyond the trained four.
    "f32-mha": "--seed 1 --hidden 24 --heads 4 --kv-heads 4 --inter 40 --layers 2 --vocab 48 --steps 4 --batch 1 --length 13 --extra-steps 2 6 --exits",
    # Grouped-query attention whose head_dim (8) is given and is not hidden / heads (5).
    "f32-gqa-head-dim": "--seed 2 --hidden 20 --heads 4 --kv-heads 2 --head-dim 8 --inter 44 --layers 2 --vocab 51 --steps 3 --length 15 --theta 10000 --packed --exits",
    # Half-precision storage.
    "f16-gqa": "--seed 3 --hidden 32 --heads 4 --kv-heads 1 --inter 72 --layers 2 --vocab 64 --steps 4 --dtype float16 --no-grads",
    "bf16-mha": "--seed 4 --hidden 32 --heads 2 --kv-heads 2 --inter 80 --layers 2 --vocab 64 --steps 4 --dtype bfloat16 --no-grads",
    # Nothing here is a multiple of anything; the head is the embedding.
    "f32-odd-tied": "--seed 5 --hidden 30 --heads 3 --kv-heads 3 --inter 37 --layers 2 --vocab 53 --steps 4 --length 19 --tied",
    # No recurrence at all: one layer applied once; the gate is never asked.
    "f32-one-layer-one-step": "--seed 6 --hidden 18 --heads 3 --kv-heads 1 --inter 29 --layers 1 --vocab 37 --steps 1 --length 11",
    "f32-two-steps": "--seed 7 --hidden 24 --heads 2 --kv-heads 1 --inter 52 --layers 3 --vocab 41 --steps 2 --length 12 --theta 10000",
    "bf16-six-steps-tied": "--seed 8 --hidden 28 --heads 2 --kv-heads 2 --inter 60 --layers 2 --vocab 45 --steps 6 --length 14 --tied --dtype bfloat16 --no-grads --exits",
    # A vocabulary that is prime and larger than a workgroup.
    "f16-vocab-1031": "--seed 9 --hidden 14 --heads 1 --kv-heads 1 --inter 33 --layers 1 --vocab 1031 --steps 2 --batch 1 --length 7 --dtype float16 --no-grads",
    # Longer than a prefill chunk or an attention tile of 64.
    "f32-long": "--seed 10 --hidden 16 --heads 2 --kv-heads 1 --inter 36 --layers 2 --vocab 40 --steps 3 --batch 1 --length 83 --prompt 79 --exits",
    # A folder as large models come: three shards and their index.
    "f32-sharded": "--seed 11 --hidden 24 --heads 4 --kv-heads 2 --inter 40 --layers 2 --vocab 48 --steps 4 --batch 1 --length 12 --shards 3 --exits",
    # Two documents in one sequence: positions restart, attention stays inside each.
    "bf16-packed-gqa": "--seed 12 --hidden 24 --heads 6 --kv-heads 3 --inter 50 --layers 2 --vocab 47 --steps 3 --length 15 --dtype bfloat16 --packed --no-grads",
    # Gradients summed over six steps, of documents in one sequence, with two query heads for each key head and a tied head.
    "f32-six-steps-packed-tied": "--seed 13 --hidden 22 --heads 2 --kv-heads 1 --head-dim 12 --inter 34 --layers 2 --vocab 43 --steps 6 --batch 3 --length 16 --tied --packed",
    # Rows, width and vocabulary each a little over a tile of 64.
    "f32-over-tiles": "--seed 14 --hidden 68 --heads 2 --kv-heads 2 --inter 72 --layers 1 --vocab 70 --steps 2 --batch 3 --length 23 --new 6",
}


def main() -> None:
    unknown = set(sys.argv[1:]) - set(CASES)
    if unknown:
        sys.exit(f"no such case: {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}")
    for name in sys.argv[1:] or CASES:
        out = FIXTURES / name
        shutil.rmtree(out, ignore_errors=True)
        make([str(out), *CASES[name].split()])
        print(f"{name}: {sum(f.stat().st_size for f in out.rglob('*') if f.is_file()) / 1000:.0f} KB")


if __name__ == "__main__":
    main()
