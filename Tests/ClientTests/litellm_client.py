#!/usr/bin/env python3
"""Checks a running server with litellm from PyPI, as an openai-compatible provider.

Usage: litellm_client.py http://127.0.0.1:8080/v1
"""

import asyncio
import importlib.metadata
import json
import sys

import litellm

base_url = sys.argv[1]
model = "openai/" + litellm.get_valid_models(
    check_provider_endpoint=True, custom_llm_provider="openai", api_base=base_url, api_key="none"
)[0].removeprefix("openai/")
common = dict(model=model, api_base=base_url, api_key="none", temperature=0, max_retries=0)
question = [{"role": "user", "content": "What is a mixture of experts?"}]

whole = litellm.completion(messages=question, max_tokens=32, **common)
text = whole.choices[0].message.content
assert text and whole.usage.completion_tokens <= 32, whole

parts = litellm.completion(
    messages=question, max_tokens=32, stream=True, stream_options={"include_usage": True}, **common
)
rebuilt = litellm.stream_chunk_builder(list(parts), messages=question)
assert rebuilt.choices[0].message.content == text, rebuilt


async def together():
    answers = await asyncio.gather(
        *(litellm.acompletion(messages=question, max_tokens=32, **common) for _ in range(6))
    )
    assert {answer.choices[0].message.content for answer in answers} == {text}


asyncio.run(together())

tool = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
called = litellm.completion(
    messages=question, tools=[tool], tool_choice="required", parallel_tool_calls=False, **common
)
arguments = json.loads(called.choices[0].message.tool_calls[0].function.arguments)
assert set(arguments) == {"a", "b"}, arguments

completed = litellm.text_completion(
    prompt="Long ago", max_tokens=8, **{**common, "model": "text-completion-" + model}
)
assert completed.choices[0].text, completed

answered = litellm.responses(
    input="Hello", max_output_tokens=16, model=model, api_base=base_url, api_key="none"
)
assert answered.output[0].content[0].text, answered

try:
    litellm.completion(messages=question, **{**common, "temperature": 5})
    raise SystemExit("a temperature of 5 was accepted")
except litellm.BadRequestError as error:
    assert "temperature" in str(error)

print(f"litellm {importlib.metadata.version('litellm')}: all checks hold")
