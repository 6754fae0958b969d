"""A language model of 300 KB with random weights, in llama.cpp's GGUF format: it answers with noise, at once, for ever.

The architecture is llama's and the tokenizer SentencePiece's, in the smallest sizes that llama.cpp loads. Tokens that
are no printable character have no weight in the last layer, so that an answer holds letters only and never ends by
itself.
"""

import array
import random
import struct
from collections.abc import Iterable
from pathlib import Path

_WIDTH, _LAYERS, _HEADS, _INNER, _CONTEXT = 64, 1, 4, 96, 128 * 1024
_ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 4, 5, 6, 8, 9
"""Types of values (GGUF specification, version 3)."""
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
"""Kinds of tokens."""
_MEAN = 1
"""How the vectors of a text's tokens become one."""

Value = int | float | str | list[int] | list[float] | list[str]


def write_model(path: Path, *, embeds: bool = False, seed: int = 1) -> None:
    """The same bytes for the same arguments. `embeds`: a model that turns texts into vectors."""
    letters = ["▁", *map(chr, range(0x21, 0x7F))]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * len(letters)]
    values: dict[str, Value] = {
        "general.architecture": "llama",
        "general.name": "tiny",
        "llama.context_length": _CONTEXT,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": _LAYERS,
        "llama.feed_forward_length": _INNER,
        "llama.attention.head_count": _HEADS,
        "llama.attention.head_count_kv": _HEADS,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    if embeds:
        values["llama.pooling_type"] = _MEAN
    path.write_bytes(_file(values, _tensors(len(tokens), len(letters), random.Random(seed))))


def _tensors(vocabulary: int, speaking: int, chance: random.Random) -> dict[str, tuple[tuple[int, ...], bytes]]:
    """Name to shape (the fastest dimension first) and little-endian floats."""

    def noise(rows: int, columns: int, silent: int = 0) -> tuple[tuple[int, ...], bytes]:
        spoken = (rows - silent) * columns
        return (columns, rows), bytes(4 * silent * columns) + _floats(chance.gauss(0, 0.2) for _ in range(spoken))

    ones = (_WIDTH,), _floats([1.0] * _WIDTH)
    tensors = {
        "token_embd.weight": noise(vocabulary, _WIDTH),
        "output_norm.weight": ones,
        "output.weight": noise(vocabulary, _WIDTH, silent=vocabulary - speaking),
    }
    for layer in range(_LAYERS):
        block = f"blk.{layer}."
        tensors[f"{block}attn_norm.weight"] = tensors[f"{block}ffn_norm.weight"] = ones
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            tensors[f"{block}{name}.weight"] = noise(_WIDTH, _WIDTH)
        tensors[f"{block}ffn_gate.weight"] = noise(_INNER, _WIDTH)
        tensors[f"{block}ffn_up.weight"] = noise(_INNER, _WIDTH)
        tensors[f"{block}ffn_down.weight"] = noise(_WIDTH, _INNER)
    return tensors


def _file(values: dict[str, Value], tensors: dict[str, tuple[tuple[int, ...], bytes]]) -> bytes:
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values)))
    for key, value in values.items():
        out += _string(key) + _typed(value)
    data = bytearray()
    for name, (shape, floats) in tensors.items():
        out += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, len(data))
        data += floats + bytes(-len(floats) % _ALIGNMENT)
    return bytes(out + bytes(-len(out) % _ALIGNMENT) + data)


def _typed(value: Value) -> bytes:
    if isinstance(value, list):
        # Negative numbers are not needed; token types are written signed, as llama.cpp reads them.
        kind = {str: _STRING, float: _FLOAT32, int: _INT32}[type(value[0])]
        return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(map(_bare, value))
    kind = {str: _STRING, float: _FLOAT32, int: _UINT32}[type(value)]
    return struct.pack("<I", kind) + _bare(value)


def _bare(value: int | float | str) -> bytes:
    if isinstance(value, str):
        return _string(value)
    return struct.pack("<f" if isinstance(value, float) else "<I", value)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _floats(numbers: Iterable[float]) -> bytes:
    return array.array("f", numbers).tobytes()
