"""Calls for the tests: by hand for what must be met, drawn with a seed for what might be."""

import random

OPENAI_MODELS = ("gpt-5-mini", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-nano", "gpt-5", "o4-mini")
ANTHROPIC_MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1")
OPENAI_KINDS = ("text", "tools", "reasoning", "refusal", "length", "empty")
ANTHROPIC_KINDS = ("text", "tools", "reasoning", "refusal", "length", "stop_sequence", "search")
SSE_FOR_SDKS = ("lf", "crlf", "cr", "multiline", "comments", "ids", "split", "joined", "noblank")


def call(api: str, identity: str, stream: bool = False, model: str | None = None, **knobs) -> dict:
    """A call that the client programs understand; `knobs` are the simulator's."""
    options = {name: knobs.pop(name) for name in ("params", "messages", "fails", "close_after",
                                                  "prompt_bytes", "timeout", "headers",
                                                  "include_usage") if name in knobs}
    return {"api": api, "model": model or (OPENAI_MODELS if api == "openai" else
                                           ANTHROPIC_MODELS)[0],
            "stream": stream, "include_usage": True, "scenario": {"id": identity, **knobs},
            **options}


def every_kind(prefix: str) -> list:
    calls = []
    for stream in (False, True):
        for api, kinds in (("openai", OPENAI_KINDS), ("anthropic", ANTHROPIC_KINDS)):
            calls += [call(api, f"{prefix}-{api}-{kind}-{'stream' if stream else 'whole'}", stream,
                           kind=kind) for kind in kinds]
    return calls


def drawn(seed: int, count: int) -> list:
    """`count` random successful calls; the same for the same seed."""
    rng = random.Random(seed)
    calls = []
    for number in range(count):
        api = rng.choice(["openai", "anthropic"])
        stream = rng.random() < 0.6
        knobs = {
            "kind": rng.choice(OPENAI_KINDS if api == "openai" else ANTHROPIC_KINDS),
            "seed": rng.randrange(1 << 30), "chunks": rng.choice([1, 2, 8, 40]),
            "coding": rng.choice(["", "", "gzip", "deflate"]),
            "imitate": rng.random() < 0.3, "text_bytes": rng.choice([0, 0, 0, 3000, 90000]),
            "close": rng.random() < 0.1}
        if stream:
            knobs |= {"sse": rng.choice(SSE_FOR_SDKS), "first_ms": rng.choice([0, 0, 5, 30]),
                      "delay_ms": rng.choice([0, 0, 0, 1])}
            if rng.random() < 0.15:
                knobs["framing"] = "close"
        else:
            knobs |= {"framing": rng.choice(["length", "chunked", "close"]),
                      "pieces": rng.choice([1, 1, 3]), "leading_blank": rng.random() < 0.2,
                      "informational": rng.choice([[], [], [103]])}
        models = OPENAI_MODELS if api == "openai" else ANTHROPIC_MODELS
        params = {}
        if api == "openai" and rng.random() < 0.15:
            params["n"] = 2
        calls.append(call(api, f"r{seed}-{number}", stream, rng.choice(models), params=params,
                          prompt_bytes=rng.choice([0, 0, 500, 20000]), **knobs))
    return calls
