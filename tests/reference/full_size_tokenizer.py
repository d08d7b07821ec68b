"""A tokenizer of the published size: byte-level BPE whose merges are drawn, not learned.

What it shares with the published one: 49,152 tokens, 17 special ones at the ids 0 to 16, digits one by one, GPT-2's splitting
into words, and the chat template. What it does not: the words, and the alphabet, which is all 256 bytes here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

TOKENS = 49_152
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<file_sep>", "<filename>", "<gh_stars>", "<issue_start>",
           "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
           "<jupyter_script>", "<empty_output>")
LONGEST = 12  # bytes of a drawn token
TEMPLATE = Path(__file__).with_name("full_size_template.jinja")


def byte_letters() -> list[str]:
    """The letter of each byte in GPT-2's alphabet: the byte itself where it can be seen, else the next free one from U+0100."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in seen]
    letters = {b: chr(b) for b in seen} | {b: chr(0x100 + i) for i, b in enumerate(hidden)}
    return [letters[b] for b in range(256)]


def merges(count: int, seed: int) -> list[tuple[str, str]]:
    """Pairs of tokens, each made of tokens before it. Words are letters, perhaps behind a space: only these meet in running text."""
    letters = byte_letters()
    words = [letters[b] for b in b" etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLUCMFWYPVBGKJQXZ"]
    space = words[0]
    rng = np.random.Generator(np.random.SFC64([seed, TOKENS]))
    known, pairs = set(letters), []
    while len(pairs) < count:
        # Squares of uniform numbers: tokens that came early, which are short, take part most often.
        for a, b in (rng.random((4096, 2)) ** 2 * len(words)).astype(int):
            left, right = words[a], words[b]
            word = left + right
            if right[0] != space and len(word) <= LONGEST and word not in known and len(pairs) < count:
                known.add(word)
                words.append(word)
                pairs.append((left, right))
    return pairs


def token(content: str) -> dict:
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}


def added(content: str) -> dict:
    return token(content) | {"special": True}


def tokenizer(seed: int) -> dict:
    """The content of tokenizer.json."""
    alphabet = sorted(byte_letters())
    pairs = merges(TOKENS - len(SPECIAL) - len(alphabet), seed)
    vocabulary = [*SPECIAL, *alphabet, *(a + b for a, b in pairs)]
    assert len(set(vocabulary)) == TOKENS
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i} | added(name) for i, name in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {entry: i for i, entry in enumerate(vocabulary)}, "merges": [list(pair) for pair in pairs]},
    }


def tokenizer_config() -> dict:
    """The content of tokenizer_config.json."""
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(i): added(name) for i, name in enumerate(SPECIAL)},
        "additional_special_tokens": list(SPECIAL),
        "bos_token": SPECIAL[0], "eos_token": SPECIAL[0], "unk_token": SPECIAL[0],
        "chat_template": TEMPLATE.read_text().rstrip("\n"),
        "clean_up_tokenization_spaces": False, "extra_special_tokens": {}, "model_max_length": 131_072,
        "tokenizer_class": "GPT2Tokenizer", "vocab_size": TOKENS,
    }


def special_tokens_map() -> dict:
    """The content of special_tokens_map.json, which is the published one."""
    return {"additional_special_tokens": list(SPECIAL)} | {role: token(SPECIAL[0]) for role in ("bos_token", "eos_token", "unk_token")}


def save(folder: Path, seed: int) -> None:
    files = {"tokenizer.json": tokenizer(seed), "tokenizer_config.json": tokenizer_config(), "special_tokens_map.json": special_tokens_map()}
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
