"""OpenAI chat completions: replies, streams, errors and headers."""

import json

import errors
from plan import Event, Plan, made_up_id, served_model
from scenario import draw_arguments, draw_texts

PATH = "/v1/chat/completions"
API = "openai.chat"
FINISH = {"text": "stop", "tools": "tool_calls", "reasoning": "stop", "refusal": "stop",
          "length": "length", "stop_sequence": "stop", "empty": "stop", "search": "stop",
          "filtered": "content_filter"}
CREATED = 1_763_700_000


def draw_tokens(scenario, rng, raw_length: int) -> dict:
    """Disjoint classes. Input is drawn near what the request's length suggests."""
    if scenario.usage is not None:
        return dict(scenario.usage)
    prompt = max(8, raw_length // 4 + rng.randrange(1, 4000))
    cached = 128 * rng.randrange(0, prompt // 128 + 1) if rng.random() < 0.5 else 0
    output = rng.randrange(1, 3000)
    reasoning = rng.randrange(0, output) if scenario.kind == "reasoning" else 0
    return {"input_uncached": prompt - cached, "cache_read": cached, "output": output,
            "reasoning": reasoning}


def usage_object(tokens: dict) -> dict:
    cached, written = tokens.get("cache_read", 0), tokens.get("cache_write_other", 0)
    prompt = tokens["input_uncached"] + cached + written
    usage = {
        "prompt_tokens": prompt, "completion_tokens": tokens["output"],
        "total_tokens": prompt + tokens["output"],
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.get("reasoning", 0), "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    }
    if "cache_write_other" in tokens:
        usage["prompt_tokens_details"]["cache_write_tokens"] = written
    return usage


def make_plan(scenario, request_body: dict, raw_length: int) -> Plan:
    rng = scenario.randomness()
    tokens = draw_tokens(scenario, rng, raw_length)
    plan = Plan(response_id=made_up_id(rng, "chatcmpl-", 29),
                model=served_model(scenario, request_body), finish_reasons=[], tokens=tokens,
                body=b"", events=[], service_tier=scenario.service_tier or "default",
                system_fingerprint="fp_" + "%010x" % rng.getrandbits(40))
    usage = usage_object(tokens)
    plan.stated_total = usage["total_tokens"]
    choices = [_draw_choice(scenario, rng, index)
               for index in range(int(request_body.get("n") or 1))]
    plan.finish_reasons = [choice["finish"] for choice in choices]
    plan.tool_calls = [{"id": t["id"], "name": t["function"]["name"]}
                       for choice in choices for t in choice["tools"]]
    if request_body.get("stream"):
        options = request_body.get("stream_options") or {}
        plan.usage_sent = bool(options.get("include_usage"))
        plan.events = list(_stream(scenario, rng, plan, choices, usage, options))
    else:
        plan.body = _whole(plan, choices, usage)
    return plan


def _draw_choice(scenario, rng, index: int) -> dict:
    kind = scenario.kind
    choice = {"index": index, "finish": FINISH[kind], "texts": [], "refusal": [], "tools": [],
              "reasoning": []}
    if kind == "tools":
        for _ in range(rng.randrange(1, 4)):
            choice["tools"].append({
                "id": made_up_id(rng, "call_"), "type": "function",
                "function": {"name": rng.choice(["get_weather", "search_docs", "lookup"]),
                             "arguments": draw_arguments(rng)}})
    elif kind == "refusal":
        choice["refusal"] = draw_texts(scenario, rng)
    elif kind != "empty":
        choice["texts"] = draw_texts(scenario, rng)
    return choice


def _message(choice: dict) -> dict:
    message = {"role": "assistant",
               "content": "".join(choice["texts"]) if choice["texts"] else None,
               "refusal": "".join(choice["refusal"]) or None, "annotations": []}
    if choice["tools"]:
        message["tool_calls"] = choice["tools"]
    if choice["finish"] == "stop" and not choice["texts"] and not choice["refusal"]:
        message["content"] = ""
    return message


def _whole(plan: Plan, choices: list, usage: dict) -> bytes:
    document = {
        "id": plan.response_id, "object": "chat.completion", "created": CREATED,
        "model": plan.model,
        "choices": [{"index": c["index"], "message": _message(c), "logprobs": None,
                     "finish_reason": c["finish"]} for c in choices],
        "usage": usage, "service_tier": plan.service_tier,
        "system_fingerprint": plan.system_fingerprint}
    return json.dumps(document, indent=2, ensure_ascii=False).encode()


def _stream(scenario, rng, plan: Plan, choices: list, usage: dict, options: dict):
    head = json.dumps({
        "id": plan.response_id, "object": "chat.completion.chunk", "created": CREATED,
        "model": plan.model, "service_tier": plan.service_tier,
        "system_fingerprint": plan.system_fingerprint}, separators=(",", ":"))[:-1]
    with_usage = bool(options.get("include_usage"))
    obfuscate = options.get("include_obfuscation") is not False

    def chunk(index, delta, finish=None, mark=""):
        text = (head + ',"choices":[' + json.dumps(
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish},
            separators=(",", ":"), ensure_ascii=False) + "]")
        if with_usage:
            text += ',"usage":null'
        if obfuscate and delta:
            text += ',"obfuscation":"' + "x7Kq2mZ9aB4c"[:rng.randrange(1, 12)] + '"'
        return Event(text + "}", mark=mark)

    for choice in choices:
        delta = {"role": "assistant", "refusal": None}
        delta["content"] = None if choice["tools"] else ""
        yield chunk(choice["index"], delta)
    for position in range(max(len(c["texts"]) for c in choices)):
        for choice in choices:
            if position < len(choice["texts"]):
                yield chunk(choice["index"], {"content": choice["texts"][position]}, mark="text")
    for choice in choices:
        for piece in choice["refusal"]:
            yield chunk(choice["index"], {"refusal": piece}, mark="text")
        yield from _tool_events(chunk, choice)
    for choice in choices:
        yield chunk(choice["index"], {}, finish=choice["finish"])
    if with_usage:
        yield Event(head + ',"choices":[],"usage":'
                    + json.dumps(usage, separators=(",", ":")) + "}")
    if scenario.terminal:
        yield Event("[DONE]", mark="terminal")


def _tool_events(chunk, choice):
    for number, tool in enumerate(choice["tools"]):
        first = {"index": number, "id": tool["id"], "type": "function",
                 "function": {"name": tool["function"]["name"], "arguments": ""}}
        yield chunk(choice["index"], {"tool_calls": [first]}, mark="output")
        arguments = tool["function"]["arguments"]
        for start in range(0, len(arguments), 5):
            part = {"index": number, "function": {"arguments": arguments[start:start + 5]}}
            yield chunk(choice["index"], {"tool_calls": [part]}, mark="output")


def error_table() -> dict:
    return errors.OPENAI


def error_body(error, request_id: str) -> bytes:
    return json.dumps({"error": {"message": error.message, "type": error.type, "param": None,
                                 "code": error.code}}, indent=4).encode()


def stream_error_event(error, request_id: str) -> Event:
    return Event(json.dumps({"error": {"message": error.message, "type": error.type,
                                       "param": None, "code": error.code}}))


def draw_limits(rng) -> dict:
    return {"requests_limit": 10000, "requests_remaining": rng.randrange(0, 10000),
            "tokens_limit": 2_000_000, "tokens_remaining": rng.randrange(0, 2_000_000)}


def headers(request_id: str, limits: dict) -> list:
    return [("openai-organization", "org-simulated"), ("openai-processing-ms", "12"),
            ("openai-project", "proj_simulated"), ("openai-version", "2020-10-01"),
            ("x-ratelimit-limit-requests", limits["requests_limit"]),
            ("x-ratelimit-limit-tokens", limits["tokens_limit"]),
            ("x-ratelimit-remaining-requests", limits["requests_remaining"]),
            ("x-ratelimit-remaining-tokens", limits["tokens_remaining"]),
            ("x-ratelimit-reset-requests", "6ms"), ("x-ratelimit-reset-tokens", "0s"),
            ("x-request-id", request_id)]


def new_request_id(rng) -> str:
    return "req_%032x" % rng.getrandbits(128)
