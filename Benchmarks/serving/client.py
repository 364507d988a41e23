"""One request, streamed, with the time of every piece of the answer."""

import asyncio
import json
import random
import time

import aiohttp


class Answer:
    def __init__(self, start):
        self.start = start
        self.times = []
        self.tokens = 0
        self.cached = 0
        self.status = None
        self.retry_after = None
        self.end = None
        self.text = ""

    @property
    def ttft(self):
        return self.times[0] - self.start if self.times else None

    @property
    def gaps(self):
        return [b - a for a, b in zip(self.times, self.times[1:])]


def session(limit=0):
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=60), read_bufsize=1 << 16)


def prompt(seed, count, vocabulary=100_000):
    """Token ids that no other seed begins with."""
    generator = random.Random(seed)
    return [generator.randrange(1000, vocabulary) for _ in range(count)]


async def complete(client, url, tokens, count, pause=0.0, model="measured"):
    """Asks for `count` tokens after `tokens`; reads a piece every `pause` seconds at most."""
    answer = Answer(time.monotonic())
    body = {"prompt": tokens, "max_tokens": count, "temperature": 0, "stream": True,
            "stream_options": {"include_usage": True}, "model": model}
    async with client.post(url + "/v1/completions", json=body) as response:
        answer.status = response.status
        answer.retry_after = response.headers.get("Retry-After")
        if response.status != 200:
            await response.read()
            answer.end = time.monotonic()
            return answer
        async for line in response.content:
            if not line.startswith(b"data: {"):
                continue
            now = time.monotonic()
            piece = json.loads(line[6:])
            if piece.get("choices"):
                answer.times.append(now)
                answer.text += piece["choices"][0].get("text") or ""
            if piece.get("usage"):
                answer.tokens = piece["usage"]["completion_tokens"]
                details = piece["usage"].get("prompt_tokens_details") or {}
                answer.cached = details.get("cached_tokens") or 0
            if pause:
                await asyncio.sleep(pause)
    answer.end = time.monotonic()
    return answer
