"""Token counts of the four dialects, however the answer is cut into pieces."""

import json

import pytest

from hushgate.edge.profile import Dialect
from hushgate.edge.usage import TAIL, UsageMeter

NATIVE = b"".join(
    json.dumps(line).encode() + b"\n"
    for line in (
        *(
            {"model": "t", "message": {"role": "assistant", "content": f'"eval_count":9{i} \\'}, "done": False}
            for i in range(5)
        ),
        {
            "model": "t",
            "done": True,
            "prompt_eval_count": 26,
            "prompt_eval_duration": 1,
            "eval_count": 298,
            "eval_duration": 4,
        },
    )
)
CHUNK = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
OPENAI = (
    CHUNK * 7
    + b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}\n\ndata: [DONE]\n\n'
)
ANTHROPIC = (
    b'event: message_start\ndata: {"message":{"usage":{"input_tokens":11,"output_tokens":0}}}\n\n'
    + b'event: content_block_delta\ndata: {"delta":{"text":"\\"usage\\":{\\"output_tokens\\":999}"}}\n\n' * 3000
    + b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":42}}\n\n'
)
RESPONSES = (
    b'event: response.completed\ndata: {"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":0},'
    b'"output_tokens":4,"output_tokens_details":{"reasoning_tokens":0}}}\n\n'
)


@pytest.mark.parametrize("size", [1, 7, 8, 1000, 10**7])
@pytest.mark.parametrize(
    ("dialect", "body", "facts"),
    [
        (Dialect.OLLAMA, NATIVE, ("26", "298")),
        (Dialect.OPENAI, OPENAI, ("5", "7")),
        (Dialect.ANTHROPIC, ANTHROPIC, ("11", "42")),
        (Dialect.OPENAI, RESPONSES, ("3", "4")),
        (Dialect.OPENAI, b'{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}', ("2", "1")),
    ],
    ids=["native", "openai", "anthropic", "responses", "whole"],
)
def test_counts(dialect: Dialect, body: bytes, facts: tuple[str, str], size: int) -> None:
    meter = UsageMeter(dialect)
    for at in range(0, len(body), size):
        meter.feed(body[at : at + size])
    assert meter.facts() == {"prompt_tokens": facts[0], "completion_tokens": facts[1]}


@pytest.mark.parametrize("size", [1, 5, 48, 10**6])
def test_a_stream_without_usage_is_estimated(size: int) -> None:
    meter, body = UsageMeter(Dialect.OPENAI), CHUNK * 9 + b"data: [DONE]\n\n"
    for at in range(0, len(body), size):
        meter.feed(body[at : at + size])
    assert meter.facts() == {"completion_tokens": "9", "estimated": "yes"}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_answer_that_was_cut_says_nothing_wrong(dialect: Dialect) -> None:
    meter = UsageMeter(dialect)
    assert meter.facts() == {}
    meter.feed(b'{"message":{"content":"hel')
    assert meter.facts() == {}


def test_what_is_kept_is_bounded() -> None:
    meter = UsageMeter(Dialect.OLLAMA)
    for _ in range(100):
        meter.feed(bytes(TAIL))
    meter.feed(NATIVE)
    assert len(meter._tail) <= 2 * TAIL and meter.facts()["completion_tokens"] == "298"
