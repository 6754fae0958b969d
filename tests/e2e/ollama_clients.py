"""What users run against Ollama: the official libraries, each call with the tokens that its library says were used."""

from collections.abc import Callable
from typing import Any, NamedTuple

import anthropic
import ollama
import openai

from tests.e2e.ollama import EMBEDDER, MODEL

TOKENS = 12
_CHAT: Any = [{"role": "user", "content": "say something"}]


class Used(NamedTuple):
    """Tokens; None: the library does not say."""

    prompt: int | None
    answer: int | None


def ollama_stream(url: str) -> Used:
    with ollama.Client(url, trust_env=False) as client:
        *_, last = client.chat(MODEL, _CHAT, stream=True, options={"num_predict": TOKENS})
    return Used(last.prompt_eval_count, last.eval_count)


def ollama_whole(url: str) -> Used:
    with ollama.Client(url, trust_env=False) as client:
        answer = client.generate(MODEL, "say something", options={"num_predict": TOKENS})
    return Used(answer.prompt_eval_count, answer.eval_count)


def ollama_embed(url: str) -> Used:
    with ollama.Client(url, trust_env=False) as client:
        answer = client.embed(EMBEDDER, ["say", "something"])
    assert len(answer.embeddings) == 2
    return Used(answer.prompt_eval_count, None)


def openai_stream(url: str) -> Used:
    with _openai(url) as client:
        *_, last = client.chat.completions.create(
            model=MODEL, messages=_CHAT, max_tokens=TOKENS, stream=True, stream_options={"include_usage": True}
        )
    assert last.usage is not None
    return Used(last.usage.prompt_tokens, last.usage.completion_tokens)


def openai_whole(url: str) -> Used:
    with _openai(url) as client:
        usage = client.completions.create(model=MODEL, prompt="say something", max_tokens=TOKENS).usage
    assert usage is not None
    return Used(usage.prompt_tokens, usage.completion_tokens)


def openai_embed(url: str) -> Used:
    with _openai(url) as client:
        return Used(client.embeddings.create(model=EMBEDDER, input="something").usage.prompt_tokens, None)


def responses_stream(url: str) -> Used:
    with _openai(url) as client:
        events = client.responses.create(model=MODEL, input="say something", max_output_tokens=TOKENS, stream=True)
        [usage] = [event.response.usage for event in events if event.type == "response.completed"]
    assert usage is not None
    return Used(usage.input_tokens, usage.output_tokens)


def messages_stream(url: str) -> Used:
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client:
        with client.messages.stream(model=MODEL, max_tokens=TOKENS, messages=_CHAT) as stream:
            usage = stream.get_final_message().usage
    return Used(usage.input_tokens, usage.output_tokens)


def messages_whole(url: str) -> Used:
    with anthropic.Anthropic(base_url=url, auth_token="none", max_retries=0) as client:
        usage = client.messages.create(model=MODEL, max_tokens=TOKENS, messages=_CHAT).usage
    return Used(usage.input_tokens, usage.output_tokens)


def names(url: str) -> set[str]:
    """The models that are there, as both libraries list them."""
    with ollama.Client(url, trust_env=False) as client:
        listed = {str(model.model) for model in client.list().models}
    with _openai(url) as other:
        assert listed == {model.id for model in other.models.list()}
    return listed


def _openai(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


CALLS: list[Callable[[str], Used]] = [
    ollama_stream,
    ollama_whole,
    ollama_embed,
    openai_stream,
    openai_whole,
    openai_embed,
    responses_stream,
    messages_stream,
    messages_whole,
]
