"""A real program: makes the calls of a plan with the official OpenAI and Anthropic libraries.

    sdk_client.py PLAN.json

The plan: {"openai": base URL, "anthropic": base URL, "mode": "sync" | "async" | "threads",
"concurrency": N, "max_retries": N, "calls": [...]}. Prints one JSON line per call with what the
library saw, so that the test knows that the client was content.
"""

import asyncio
import concurrent.futures
import itertools
import json
import sys

import anthropic
import httpx2
import openai

# What a caller of the libraries has to expect; a stream that breaks off raises the HTTP layer's own.
ERRORS = (openai.OpenAIError, anthropic.AnthropicError, httpx2.HTTPError)


def arguments(call: dict) -> dict:
    """Keyword arguments of the library's `create`."""
    prompt = f"call {call['scenario'].get('id')}: " + call.get("prompt", "What is the tide?")
    prompt += " lorem" * (call.get("prompt_bytes", 0) // 6)
    kwargs = {"model": call["model"], "messages": [{"role": "user", "content": prompt}]}
    kwargs["messages"] = call.get("messages", kwargs["messages"])
    scenario = json.dumps(call["scenario"])
    if call["api"] == "anthropic":
        kwargs["max_tokens"] = call.get("max_tokens", 1000)
        kwargs["metadata"] = {"user_id": scenario}
    else:
        kwargs["user"] = scenario
        if call.get("include_usage"):
            kwargs["stream_options"] = {"include_usage": True}
    if call.get("stream"):
        kwargs["stream"] = True
    if call.get("headers"):
        kwargs["extra_headers"] = call["headers"]
    if call.get("timeout"):
        kwargs["timeout"] = call["timeout"]
    return kwargs | call.get("params", {})


def report(call: dict, **seen) -> None:
    print(json.dumps({"id": call["scenario"].get("id"), **seen}), flush=True)


def finish(call: dict, error) -> None:
    """A failure that the plan did not expect ends the program."""
    if error is None:
        assert not call.get("fails"), f"{call} did not fail"
    elif not call.get("fails"):
        raise error
    else:
        report(call, error=type(error).__name__)


class Sync:
    def __init__(self, plan: dict):
        retries = plan.get("max_retries", 0)
        self.openai = openai.OpenAI(base_url=plan["openai"], api_key="sk-test-simulated",
                                    max_retries=retries)
        self.anthropic = anthropic.Anthropic(base_url=plan["anthropic"],
                                             api_key="sk-ant-test-simulated", max_retries=retries)

    def make(self, call: dict) -> None:
        error = None
        try:
            self._make(call)
        except ERRORS as raised:
            error = raised
        finish(call, error)

    def _make(self, call: dict) -> None:
        library = self.openai.chat.completions if call["api"] == "openai" else \
            self.anthropic.messages
        reply = library.create(**arguments(call))
        if not call.get("stream"):
            report(call, response=reply.id)
            return
        events = list(itertools.islice(reply, call.get("close_after")))
        reply.close()
        report(call, events=len(events))


class Async:
    def __init__(self, plan: dict):
        retries = plan.get("max_retries", 0)
        self.openai = openai.AsyncOpenAI(base_url=plan["openai"], api_key="sk-test-simulated",
                                         max_retries=retries)
        self.anthropic = anthropic.AsyncAnthropic(
            base_url=plan["anthropic"], api_key="sk-ant-test-simulated", max_retries=retries)

    async def make(self, call: dict) -> None:
        error = None
        try:
            await self._make(call)
        except ERRORS as raised:
            error = raised
        finish(call, error)

    async def _make(self, call: dict) -> None:
        library = self.openai.chat.completions if call["api"] == "openai" else \
            self.anthropic.messages
        reply = await library.create(**arguments(call))
        if not call.get("stream"):
            report(call, response=reply.id)
            return
        count = 0
        async for _ in reply:
            count += 1
            if count == call.get("close_after"):
                break
        await reply.close()
        report(call, events=count)


async def run_async(plan: dict) -> None:
    client, gate = Async(plan), asyncio.Semaphore(plan.get("concurrency", 8))

    async def one(call):
        async with gate:
            await client.make(call)

    await asyncio.gather(*(one(call) for call in plan["calls"]))


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    mode = plan.get("mode", "sync")
    if mode == "async":
        asyncio.run(run_async(plan))
        return
    client = Sync(plan)
    if mode == "threads":
        with concurrent.futures.ThreadPoolExecutor(plan.get("concurrency", 8)) as pool:
            list(pool.map(client.make, plan["calls"]))
    else:
        for call in plan["calls"]:
            client.make(call)


if __name__ == "__main__":
    main()
