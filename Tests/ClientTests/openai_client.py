#!/usr/bin/env python3
"""Checks a running server with the openai client from PyPI.

Usage: pip install openai; openai_client.py http://127.0.0.1:8080/v1 [--model NAME]

Exits 0 when every check holds, 1 with a line for each that does not. Run it against the demo model:
some checks expect that greedy answers end by themselves.
"""

import argparse
import concurrent.futures
import json
import sys
import time
import traceback
import urllib.error
import urllib.request

import openai

CHECKS = []
QUESTION = [{"role": "user", "content": "What is a mixture of experts?"}]


def check(function):
    CHECKS.append(function)
    return function


def expect_error(kind, call, param=None, code=None):
    """Runs call and returns the error, which must be of this kind and name this field."""
    try:
        call()
    except kind as error:
        body = error.body if isinstance(error.body, dict) else {}
        assert isinstance(body.get("message"), str) and body["message"], error
        if param is not None:
            assert body.get("param") == param, (body, param)
        if code is not None:
            assert body.get("code") == code, (body, code)
        return error
    raise AssertionError(f"expected {kind.__name__}")


def fetch(url, body=None):
    """The status and the parsed JSON of a raw request; the openai client would not send it."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@check
def models_are_listed(client, model):
    listed = client.models.list().data
    assert [entry.id for entry in listed] == [model], listed
    assert client.models.retrieve(model).object == "model"
    expect_error(
        openai.NotFoundError, lambda: client.models.retrieve("no-such-model"), param="model"
    )


@check
def chat_answers(client, model):
    answer = client.chat.completions.create(model=model, messages=QUESTION, temperature=0)
    assert answer.id.startswith("chatcmpl-") and answer.object == "chat.completion"
    assert answer.model == model and abs(answer.created - time.time()) < 600
    choice = answer.choices[0]
    assert choice.index == 0 and choice.finish_reason == "stop", choice
    assert choice.message.role == "assistant" and choice.message.content.strip()
    usage = answer.usage
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@check
def chat_streams_the_same_text(client, model):
    whole = client.chat.completions.create(model=model, messages=QUESTION, temperature=0)
    parts = list(
        client.chat.completions.create(
            model=model, messages=QUESTION, temperature=0, stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert len({part.id for part in parts}) == 1
    assert all(part.object == "chat.completion.chunk" for part in parts)
    assert parts[0].choices[0].delta.role == "assistant"
    text = "".join(p.choices[0].delta.content or "" for p in parts if p.choices)
    assert text == whole.choices[0].message.content
    reasons = [p.choices[0].finish_reason for p in parts if p.choices]
    assert reasons[-1] == "stop" and set(reasons[:-1]) == {None}
    assert parts[-1].choices == [] and parts[-1].usage == whole.usage
    assert all(part.usage is None for part in parts[:-1])


@check
def stream_helper_works(client, model):
    with client.chat.completions.stream(model=model, messages=QUESTION, temperature=0) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content.strip()


@check
def conversations_and_text_parts_are_read(client, model):
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "My name is Bruno."}]},
        {"role": "assistant", "content": "Nice to meet you, Bruno! How can I help you?"},
        {"role": "user", "content": "What is my name?"},
    ]
    answer = client.chat.completions.create(model=model, messages=messages, temperature=0)
    assert answer.choices[0].message.content.strip()


@check
def completions_answer_and_stream(client, model):
    arguments = dict(model=model, prompt="Long ago, a clever robot", temperature=0, max_tokens=12)
    whole = client.completions.create(**arguments)
    assert whole.object == "text_completion" and whole.id.startswith("cmpl-")
    assert whole.usage.completion_tokens <= 12
    parts = list(client.completions.create(stream=True, **arguments))
    assert "".join(p.choices[0].text for p in parts if p.choices) == whole.choices[0].text
    assert parts[-1].choices[0].finish_reason == whole.choices[0].finish_reason


@check
def prompts_may_be_tokens(client, model):
    answer = client.completions.create(model=model, prompt=[5, 6, 7], max_tokens=1)
    assert answer.usage.prompt_tokens == 3


@check
def length_and_stop_end_answers(client, model):
    arguments = dict(model=model, messages=QUESTION, temperature=0)
    whole = client.chat.completions.create(**arguments).choices[0].message.content
    short = client.chat.completions.create(max_completion_tokens=2, **arguments)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 2
    stop = whole[len(whole) // 2 : len(whole) // 2 + 4]
    stopped = client.chat.completions.create(stop=["\u2603", stop], **arguments)
    assert stopped.choices[0].finish_reason == "stop"
    assert stopped.choices[0].message.content == whole[: whole.index(stop)]


@check
def seeds_repeat(client, model):
    def tell(seed):
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Tell me a story about a fox."}],
            temperature=0.9, top_p=0.95, seed=seed, max_tokens=48,
            extra_body={"top_k": 40, "min_p": 0.02, "repetition_penalty": 1.05},
        )
        return answer.choices[0].message.content

    assert tell(7) == tell(7)
    assert len({tell(seed) for seed in range(4)}) > 1


@check
def sampling_fields_are_accepted(client, model):
    client.chat.completions.create(
        model=model, messages=QUESTION, max_tokens=4, temperature=2, top_p=0.5, n=1,
        presence_penalty=-2, frequency_penalty=2, logit_bias={"5": -100, "6": 1.5}, logprobs=False,
        user="someone", metadata={"a": "b"}, response_format={"type": "text"},
        parallel_tool_calls=False, tools=[],
    )


@check
def wrong_fields_are_named(client, model):
    def create(**fields):
        return lambda: client.chat.completions.create(
            **{"model": model, "messages": QUESTION, "max_tokens": 4, **fields}
        )

    for fields, param in [
        ({"temperature": 3}, "temperature"), ({"temperature": "x"}, "temperature"),
        ({"top_p": -1}, "top_p"), ({"presence_penalty": 5}, "presence_penalty"),
        ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": -1}, "max_tokens"), ({"n": 2}, "n"),
        ({"stop": list("abcde")}, "stop"), ({"logit_bias": {"5": 200}}, "logit_bias"),
        ({"logit_bias": {"99999999": 1}}, "logit_bias"), ({"messages": []}, "messages"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"extra_body": {"no_such_field": 1}}, "no_such_field"),
    ]:
        expect_error(openai.BadRequestError, create(**fields), param=param)
    expect_error(
        openai.BadRequestError, create(max_tokens=10**9), code="context_length_exceeded"
    )
    expect_error(openai.NotFoundError, create(model="gpt-4"), param="model")


@check
def hostile_bodies_are_refused(client, model):
    url = str(client.base_url) + "chat/completions"
    for body in [
        b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a":1,"a":2}', b'{"messages":"\\ud800"}',
        b"[" * 100_000, b'{"a":' * 100_000, b'{"messages":[{"role":"user","content":1e999}]}',
    ]:
        start = time.monotonic()
        status, answer = fetch(url, body)
        assert status == 400, (body[:40], status)
        assert isinstance(answer["error"]["message"], str)
        assert time.monotonic() - start < 1
    large = json.dumps({"messages": QUESTION, "user": "x" * (5 << 20)})
    assert fetch(url, large.encode())[0] == 413
    assert fetch(str(client.base_url) + "no/such/route")[0] == 404


@check
def a_client_that_leaves_frees_the_engine(client, model):
    # Otherwise these would run for minutes, one after another.
    for _ in range(3):
        with client.chat.completions.create(
            model=model, messages=QUESTION, stream=True, extra_body={"ignore_eos": True}
        ) as stream:
            for count, _ in enumerate(stream):
                if count >= 3:
                    break
    start = time.monotonic()
    client.chat.completions.create(model=model, messages=QUESTION, max_tokens=1)
    assert time.monotonic() - start < 5


@check
def many_clients_get_their_own_answers(client, model):
    def ask(number):
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": f"What is {number} + {number}?"}],
            temperature=0, max_tokens=24,
        )
        return answer.choices[0].message.content

    alone = [ask(number) for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == alone


@check
def health_is_answered(client, model):
    root = str(client.base_url).removesuffix("/").removesuffix("/v1")
    assert fetch(root + "/health") == (200, {"status": "ok"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base_url", help="for example http://127.0.0.1:8080/v1")
    parser.add_argument("--model", help="default: the first that the server lists")
    options = parser.parse_args()
    client = openai.OpenAI(
        base_url=options.base_url, api_key="none", max_retries=0, timeout=120
    )
    model = options.model or client.models.list().data[0].id
    failures = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            function(client, model)
            print(f"ok      {name}")
        except Exception:
            failures += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}")
    print(f"{len(CHECKS) - failures} of {len(CHECKS)} checks hold (openai {openai.__version__})")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
