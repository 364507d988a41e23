#!/usr/bin/env python3
"""Checks a running server with the openai client from PyPI.

Usage: pip install openai; openai_client.py http://127.0.0.1:8080/v1 [--model NAME]

Exits 0 when every check holds, 1 with a line for each that does not. Run it against the demo model:
some checks expect that greedy answers end by themselves.
"""

import argparse
import concurrent.futures
import datetime
import ipaddress
import json
import sys
import time
import traceback
import typing
import urllib.error
import urllib.request
import uuid

import openai
import pydantic

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
        ({"max_tokens": 0}, "max_tokens"), ({"max_tokens": -1}, "max_tokens"), ({"n": 17}, "n"),
        ({"stop": list("abcdefghijklmnopq")}, "stop"), ({"logit_bias": {"5": 200}}, "logit_bias"),
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


@check
def several_answers_come_at_once(client, model):
    answer = client.chat.completions.create(
        model=model, messages=QUESTION, n=3, temperature=2, seed=11, max_tokens=12
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    one = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=2, seed=11, max_tokens=12
    )
    assert answer.choices[0].message.content == one.choices[0].message.content
    assert len({choice.message.content for choice in answer.choices}) > 1


@check
def probabilities_are_told(client, model):
    arguments = dict(
        model=model, messages=QUESTION, temperature=0, max_tokens=8, logprobs=True, top_logprobs=3
    )
    choice = client.chat.completions.create(**arguments).choices[0]
    entries = choice.logprobs.content
    assert "".join(entry.token for entry in entries).strip() == choice.message.content.strip()
    for entry in entries:
        assert entry.logprob <= 0 and len(entry.top_logprobs) == 3
        assert entry.top_logprobs[0].logprob >= entry.logprob
        assert bytes(entry.bytes).decode(errors="replace") == entry.token
    parts = list(client.chat.completions.create(stream=True, **arguments))
    streamed = [e for p in parts if p.choices and p.choices[0].logprobs
                for e in p.choices[0].logprobs.content]
    assert [e.token for e in streamed] == [e.token for e in entries]
    text = client.completions.create(
        model=model, prompt="Long ago", temperature=0, max_tokens=5, logprobs=2
    ).choices[0]
    assert "".join(text.logprobs.tokens) == text.text and text.logprobs.text_offset[0] == 0
    assert all(len(top) <= 2 for top in text.logprobs.top_logprobs)


class Animal(pydantic.BaseModel):
    kind: str
    legs: int
    tame: bool
    names: list[str]


@check
def answers_are_kept_to_a_schema(client, model):
    for seed in range(3):
        answer = client.chat.completions.parse(
            model=model, messages=[{"role": "user", "content": "Describe a fox as JSON."}],
            response_format=Animal, temperature=0.8, seed=seed, max_tokens=400,
            extra_body={"repetition_penalty": 1.1},
        ).choices[0]
        if answer.finish_reason == "stop":
            assert isinstance(answer.message.parsed, Animal)
            return
    raise AssertionError("no answer ended within 400 tokens")


class Order(pydantic.BaseModel):
    code: typing.Annotated[str, pydantic.Field(pattern=r"^[A-Z]{3}-\d{4}$")]
    share: typing.Annotated[float, pydantic.Field(ge=0, le=1)]
    price: typing.Annotated[float, pydantic.Field(gt=0, lt=99.99)]
    placed: datetime.datetime
    due: datetime.date
    within: datetime.timedelta
    id: uuid.UUID
    host: ipaddress.IPv4Address | ipaddress.IPv6Address
    town: typing.Optional[typing.Annotated[str, pydantic.Field(pattern=r"^\d{5}$", max_length=5)]]


@check
def patterns_formats_and_bounds_are_kept_to(client, model):
    for seed in range(8):
        answer = client.chat.completions.parse(
            model=model, messages=QUESTION, response_format=Order, seed=seed, temperature=1.0,
            max_tokens=800,
        ).choices[0]
        assert answer.finish_reason == "stop" and isinstance(answer.message.parsed, Order)


@check
def answers_are_json_objects(client, model):
    answer = client.chat.completions.create(
        model=model, messages=QUESTION, response_format={"type": "json_object"}, max_tokens=300,
        temperature=0.7, seed=3, logit_bias={str(token(client, "}")): 4, str(token(client, '"')): 3},
    ).choices[0]
    assert answer.message.content.startswith("{")
    if answer.finish_reason == "stop":
        assert isinstance(json.loads(answer.message.content), dict)


def root(client):
    return str(client.base_url).removesuffix("/").removesuffix("/v1")


def token(client, text):
    body = json.dumps({"content": text}).encode()
    return fetch(root(client) + "/tokenize", body)[1]["tokens"][0]


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object", "properties": {"city": {"enum": ["Paris", "Oslo"]}},
            "required": ["city"], "additionalProperties": False,
        },
    },
}


@check
def tools_are_called_and_answered(client, model):
    arguments = dict(
        model=model, messages=[{"role": "user", "content": "Weather in Paris?"}], tools=[WEATHER],
        tool_choice="required", parallel_tool_calls=False, temperature=0,
    )
    choice = client.chat.completions.create(**arguments).choices[0]
    assert choice.finish_reason == "tool_calls", choice
    call = choice.message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["city"] in ("Paris", "Oslo")
    with client.chat.completions.stream(**arguments) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert streamed.function.arguments == call.function.arguments
    after = client.chat.completions.create(
        model=model, tools=[WEATHER], max_tokens=16, temperature=0,
        messages=[
            {"role": "user", "content": "Weather in Paris?"}, choice.message,
            {"role": "tool", "tool_call_id": call.id, "content": "Sunny"},
        ],
    )
    assert after.choices[0].message.role == "assistant"
    named = {"type": "function", "function": {"name": "get_weather"}}
    forced = client.chat.completions.create(**{**arguments, "tool_choice": named}).choices[0]
    assert forced.message.tool_calls[0].function.name == "get_weather"


@check
def responses_answer_and_stream(client, model):
    arguments = dict(
        model=model, input=[{"role": "user", "content": "What is a mixture of experts?"}],
        instructions="Be brief.", temperature=0, max_output_tokens=24,
    )
    whole = client.responses.create(**arguments)
    assert whole.id.startswith("resp_") and whole.output[0].id.startswith("msg_")
    assert whole.output_text and whole.usage.output_tokens <= 24
    text, kinds = "", []
    for event in client.responses.create(stream=True, **arguments):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    assert text == whole.output_text
    assert kinds[0] == "response.created" and kinds[-1] == "response." + whole.status
    arguments.pop("max_output_tokens")  # the helper does not know of incomplete responses
    with client.responses.stream(**arguments) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text.startswith(text)
    forced = client.responses.create(
        model=model, input="Weather in Oslo?", temperature=0, tool_choice="required",
        tools=[{"type": "function", "strict": True, **WEATHER["function"]}],
    )
    assert forced.output[-1].type == "function_call"
    assert json.loads(forced.output[-1].arguments)["city"] in ("Paris", "Oslo")
    parsed = client.responses.parse(
        model=model, input="Yes or no?", text_format=Verdict, temperature=0
    )
    assert parsed.output_parsed.verdict in ("yes", "no")
    expect_error(
        openai.BadRequestError, lambda: client.responses.create(store=True, **arguments), "store"
    )


class Verdict(pydantic.BaseModel):
    verdict: typing.Literal["yes", "no"]


@check
def dropped_streams_go_on(client, model):
    request = {
        "model": model, "messages": QUESTION, "stream": True, "temperature": 1, "max_tokens": 24,
    }
    url = str(client.base_url) + "chat/completions"

    def read(request, limit=None):
        lines = []
        with urllib.request.urlopen(request, timeout=60) as response:
            for line in response:
                lines.append(line.decode())
                if limit and sum(l.startswith("data:") for l in lines) == limit:
                    break
        return [l[4:].strip() for l in lines if l.startswith("id:")], [
            l[6:].strip() for l in lines if l.startswith("data:")
        ]

    def post(headers={}):
        return urllib.request.Request(
            url, json.dumps(request).encode(), {"content-type": "application/json", **headers}
        )

    ids, seen = read(post(), limit=5)
    _, again = read(post({"last-event-id": ids[-1]}))
    stream, position = ids[-1].rsplit(":", 1)
    _, rest = read(f"{client.base_url}requests/{stream}?from={position}")
    assert rest == again and rest[-1] == "[DONE]"
    _, whole = read(f"{client.base_url}requests/{stream}")
    assert whole == seen[: int(position)] + rest


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
