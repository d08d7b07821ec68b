"""Track the shuffle: three cups change places, and after every move the model says the arrangement so far.

An arrangement names the cup at each place, cups being named by the place where they began: it starts as "123".
A move is an index permutation: new_state[j] = old_state[perm[j]]. So `swap12` is [1, 0, 2], and `left`, which moves
every cup one place to the left and the first one to the end, is [1, 2, 0]. The six moves are all of S3.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from looplm_oracle import Config
from make_case import one_line_lists

MOVES: dict[str, list[int]] = {
    "stay": [0, 1, 2],
    "swap12": [1, 0, 2],
    "swap23": [0, 2, 1],
    "swap13": [2, 1, 0],
    "left": [1, 2, 0],
    "right": [2, 0, 1],
}
ARRANGEMENTS = ["123", "132", "213", "231", "312", "321"]
VOCABULARY = ["<unk>", "<bos>", *MOVES, *ARRANGEMENTS]
BOS, FIRST_MOVE, FIRST_ARRANGEMENT = 1, 2, 2 + len(MOVES)
MAX_MOVES = 16


def apply(state: str, move: str) -> str:
    return "".join(state[i] for i in MOVES[move])


# AFTER[a, m]: index of the arrangement that move m makes of arrangement a.
AFTER = torch.tensor([[ARRANGEMENTS.index(apply(a, m)) for m in MOVES] for a in ARRANGEMENTS])


def sample(batch: int, moves: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Uniform shuffles. ids and targets (batch, 1 + moves): `<bos>`, whose target is "123", and then the moves."""
    drawn = torch.randint(0, len(MOVES), (batch, moves), generator=generator)
    state = torch.zeros(batch, dtype=torch.int64)
    states = [state]
    for j in range(moves):
        state = AFTER[state, drawn[:, j]]
        states.append(state)
    ids = torch.cat([torch.full((batch, 1), BOS), drawn + FIRST_MOVE], 1)
    return ids, torch.stack(states, 1) + FIRST_ARRANGEMENT


def task_description() -> dict:
    """The `looplm_task` object of config.json: all a page needs to draw the cups and to check the answer."""
    return {
        "kind": "track-the-shuffle",
        "answers": "every-position",
        "bos": True,
        "bos_token": "<bos>",
        "bos_token_id": BOS,
        "moves": MOVES,
        "move_token_ids": {m: FIRST_MOVE + i for i, m in enumerate(MOVES)},
        "move_rule": "new_state[j] = old_state[perm[j]]",
        "arrangements": ARRANGEMENTS,
        "arrangement_token_ids": {a: FIRST_ARRANGEMENT + i for i, a in enumerate(ARRANGEMENTS)},
        "start": "123",
        "max_moves": MAX_MOVES,
        "example": "swap12 left swap23 right swap13 swap12 left swap23 left swap12 swap23 swap13 right swap12",
    }


def save_config(folder: Path, c: Config) -> None:
    """config.json and generation_config.json. Nothing ends an answer: the model labels, it does not continue."""
    c.save(folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"head_dim": c.d, "bos_token_id": BOS, "eos_token_id": None, "looplm_task": task_description()}
    (folder / "config.json").write_text(one_line_lists(json.dumps(config, indent=1)) + "\n")
    generation = {"bos_token_id": BOS, "do_sample": False}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")


def save_tokenizer(folder: Path) -> None:
    """tokenizer.json and tokenizer_config.json: whole lower-case words, `<bos>` in front, words joined by spaces."""
    t = Tokenizer(models.WordLevel({w: i for i, w in enumerate(VOCABULARY)}, unk_token="<unk>"))
    t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    t.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", BOS)])
    # No decoder: `tokenizers` then joins the words with spaces.
    t.add_special_tokens(["<unk>", "<bos>"])
    t.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<bos>", "unk_token": "<unk>",
              "do_lower_case": True, "clean_up_tokenization_spaces": False, "model_max_length": MAX_MOVES + 1}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
