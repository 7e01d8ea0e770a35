"""A small agent: asks two providers, calls a tool, streams, and meets a rate limit on the way.

It knows nothing of Sonde. It takes its endpoints from the libraries' own variables, so it runs
against real providers as well as against the simulator of `make demo`:

    sonde run -- python examples/agent.py
"""

import json

import anthropic
import openai

OPENAI_MODEL = "gpt-5-mini"
ANTHROPIC_MODEL = "claude-sonnet-4-5"
TOOLS = [{"type": "function", "function": {
    "name": "get_tide", "description": "High tide at a harbour",
    "parameters": {"type": "object", "properties": {"harbour": {"type": "string"}}}}}]


def get_tide(arguments: dict) -> str:
    return f"High tide at {arguments.get('harbour', 'the harbour')}: 14:05"


def plan(client: openai.OpenAI, question: str) -> str:
    """One turn with a tool: the model asks for it, the answer goes back."""
    messages = [{"role": "user", "content": question}]
    reply = client.chat.completions.create(model=OPENAI_MODEL, messages=messages, tools=TOOLS)
    message = reply.choices[0].message
    if not message.tool_calls:
        return message.content or ""
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id,
                         "content": get_tide(json.loads(call.function.arguments))})
    reply = client.chat.completions.create(model=OPENAI_MODEL, messages=messages)
    return reply.choices[0].message.content or ""


def tell(client: openai.OpenAI, topic: str, with_usage: bool) -> str:
    """A streamed answer. Without stream_options the provider sends no usage."""
    options = {"stream_options": {"include_usage": True}} if with_usage else {}
    text = ""
    for chunk in client.chat.completions.create(
            model=OPENAI_MODEL, stream=True, **options,
            messages=[{"role": "user", "content": f"Tell me about {topic}."}]):
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    return text


def review(client: anthropic.Anthropic, text: str) -> str:
    with client.messages.stream(
            model=ANTHROPIC_MODEL, max_tokens=1000,
            messages=[{"role": "user", "content": f"Review this: {text}"}]) as stream:
        return stream.get_final_text()


def main() -> None:
    first, second = openai.OpenAI(), anthropic.Anthropic()
    print("plan:  ", plan(first, "When can I sail out of Porto tomorrow?")[:60])
    text = tell(first, "lighthouses", with_usage=True)
    print("story: ", text[:60])
    print("review:", review(second, text)[:60])
    print("again: ", tell(first, "fog horns", with_usage=False)[:60])


if __name__ == "__main__":
    main()
