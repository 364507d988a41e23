"""What is asked of a server, and what is measured."""

import asyncio
import math
import random
import statistics
import time

from .client import complete, prompt, session
from .servers import COMPUTING


def percentile(values, part):
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


def lengths(seed):
    """Tokens of a prompt and of its answer: skewed as in conversations that people have shared."""
    generator = random.Random(seed)
    draw = lambda median, spread, low, high: int(
        min(max(generator.lognormvariate(math.log(median), spread), low), high))
    return draw(100, 0.9, 16, 700), draw(90, 0.7, 16, 300)


async def users(server, count, rounds):
    """`count` users, each of whom asks `rounds` times, one question after another's answer."""
    async with session() as client:
        # Nobody starts with an idle server in the figures: one short question first.
        await complete(client, server.url, prompt(-1, 16), 4)
        before, start = server.processor_seconds(), time.monotonic()

        async def user(number):
            answers = []
            for turn in range(rounds):
                seed = 1000 * number + turn
                asked, wanted = lengths(seed)
                answers.append(await complete(client, server.url, prompt(seed, asked), wanted))
            return answers

        answers = sum(await asyncio.gather(*(user(number) for number in range(count))), [])
        seconds, after = time.monotonic() - start, server.processor_seconds()
    failed = [answer.status for answer in answers if answer.status != 200]
    if failed:
        raise SystemExit(f"{server.name} answered {failed[0]} to {len(failed)} of {len(answers)}")
    tokens = sum(answer.tokens for answer in answers)
    serving = sum(after[name] - before.get(name, 0) for name in after
                  if not name.startswith(COMPUTING))
    gaps = [gap for answer in answers for gap in answer.gaps]
    return {"tokensPerSecond": tokens / seconds, "seconds": seconds, "tokens": tokens,
            "ttftMedian": statistics.median(answer.ttft for answer in answers),
            "itlMedian": statistics.median(gaps), "itlP99": percentile(gaps, 0.99),
            "servingMicrosecondsPerToken": 1e6 * serving / tokens}


async def arrival(server, streams=2, tokens=160, long=4096):
    """Gaps between the tokens of some streams, alone and while a prompt of `long` tokens comes."""
    async with session() as client:
        async def gaps(seed, disturbed):
            jobs = [asyncio.create_task(complete(client, server.url, prompt(seed + n, 64), tokens))
                    for n in range(streams)]
            await asyncio.sleep(1.5)
            start = time.monotonic()
            other = None
            if disturbed:
                other = asyncio.create_task(complete(client, server.url, prompt(seed + 99, long), 1))
            answers = await asyncio.gather(*jobs)
            end = (await other).end if other else math.inf
            found = [b - a for answer in answers for a, b in zip(answer.times, answer.times[1:])
                     if b > start and a < end]
            return found, end - start

        quiet, _ = await gaps(10, False)
        busy, seconds = await gaps(1000, True)
    return {"quietP99": percentile(quiet, 0.99), "busyP99": percentile(busy, 0.99),
            "busyMax": max(busy), "longPromptSeconds": seconds}


async def prefix(server, tokens=2048):
    """Time to the first token of a prompt, and of a second one that begins alike."""
    async with session() as client:
        begin = prompt(77, tokens)
        first = await complete(client, server.url, begin + prompt(1, 16), 4)
        second = await complete(client, server.url, begin + prompt(2, 16), 4)
    return {"first": first.ttft, "second": second.ttft, "cachedTokens": second.cached}


async def streams(server, count=1000, slow=100, tokens=24):
    """Many open streams of which some readers are slow; then the speed of one more request."""
    async with session() as client:
        alone = await complete(client, server.url, prompt(5, 32), 64)
        resident = server.resident
        jobs = [asyncio.create_task(complete(
            client, server.url, prompt(10_000 + n, 16), tokens, pause=0.5 if n < slow else 0))
            for n in range(count)]
        peak = resident
        while not all(job.done() for job in jobs):
            await asyncio.sleep(1)
            peak = max(peak, server.resident)
        answers = [job.result() for job in jobs]
        again = await complete(client, server.url, prompt(6, 32), 64)
    speed = lambda answer: 1 / statistics.median(answer.gaps)
    whole = [answer for answer in answers if answer.status == 200 and answer.tokens == tokens]
    return {"streams": count, "complete": len(whole), "residentBefore": resident,
            "residentPeak": peak, "residentAfter": server.resident,
            "tokensPerSecondBefore": speed(alone), "tokensPerSecondAfter": speed(again)}


async def overload(server, capacity, factor, seconds):
    """Requests at `factor` times what the server can do, whatever it answers (open loop)."""
    generator = random.Random(3)
    resident = server.resident
    async with session() as client:
        jobs, start, seed = [], time.monotonic(), 0
        peak = resident
        while time.monotonic() - start < seconds:
            asked, wanted = lengths(seed)
            jobs.append(asyncio.create_task(
                complete(client, server.url, prompt(seed, asked), wanted)))
            seed += 1
            peak = max(peak, server.resident)
            await asyncio.sleep(generator.expovariate(factor * capacity))
        offered = time.monotonic() - start
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        end = time.monotonic()
    broken = [answer for answer in answers if isinstance(answer, BaseException)]
    answers = [answer for answer in answers if not isinstance(answer, BaseException)]
    good = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status in (429, 503)]
    return {"offeredPerSecond": len(jobs) / offered, "answered": len(good),
            "refused": len(refused), "broken": len(broken),
            "other": len(answers) - len(good) - len(refused),
            "withRetryAfter": sum(answer.retry_after is not None for answer in refused),
            "refusalP50": percentile([a.end - a.start for a in refused], 0.5),
            "refusalP99": percentile([a.end - a.start for a in refused], 0.99),
            "goodput": sum(a.tokens for a in good) / (end - start),
            "residentBefore": resident, "residentPeak": peak, "residentAfter": server.resident}
