#!/usr/bin/env python3
"""Behaves like an editor that completes code while somebody types.

Every keystroke drops the request before it and sends a new one with what stands before and after
the cursor; only the last one is read to its end.

Usage: fim_client.py http://127.0.0.1:8080/v1
"""

import asyncio
import importlib.metadata
import json
import sys
import time

import httpx

base_url = sys.argv[1].rstrip("/")
prefix = "func multiply(_ a: Int, _ b: Int) -> Int {\n  "
suffix = "\n}\n"


def request(typed):
    return {
        "prompt": prefix + typed, "suffix": suffix, "max_tokens": 24, "temperature": 0,
        "stop": ["\n\n", "\nfunc "], "stream": True,
    }


async def complete(client, typed):
    text = ""
    async with client.stream("POST", base_url + "/completions", json=request(typed)) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if not line.startswith("data: ") or line == "data: [DONE]":
                continue
            part = json.loads(line[6:])
            assert "error" not in part, part
            text += part["choices"][0]["text"]
    return text


async def main():
    async with httpx.AsyncClient(timeout=60) as client:
        alone = await complete(client, "return")
        task = None
        for count in range(1, len("return") + 1):
            if task is not None:
                task.cancel()
            task = asyncio.create_task(complete(client, "return"[:count]))
            await asyncio.sleep(0.05)
        assert await task == alone
        # Nothing of the dropped requests is left that others would wait for.
        start = time.monotonic()
        await complete(client, "return")
        assert time.monotonic() - start < 10
        refused = await client.post(
            base_url + "/completions", json={"prompt": [1, 2], "suffix": "x"}
        )
        assert refused.status_code == 400 and refused.json()["error"]["param"] == "suffix"
    print(f"editor (httpx {importlib.metadata.version('httpx')}): all checks hold")


asyncio.run(main())
