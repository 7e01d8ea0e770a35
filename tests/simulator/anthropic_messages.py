"""Anthropic messages: replies, streams, errors and headers."""

import json

import errors
from plan import Event, Plan, made_up_id, served_model
from scenario import draw_arguments, draw_texts

PATH = "/v1/messages"
API = "anthropic.messages"
STOP = {"text": "end_turn", "tools": "tool_use", "reasoning": "end_turn", "refusal": "refusal",
        "length": "max_tokens", "stop_sequence": "stop_sequence", "empty": "end_turn",
        "search": "end_turn"}


def draw_tokens(scenario, rng, raw_length: int) -> dict:
    """Disjoint classes; Anthropic's input_tokens exclude reads from and writes to the cache."""
    if scenario.usage is not None:
        return dict(scenario.usage)
    output = rng.randrange(1, 3000)
    tokens = {"input_uncached": max(3, raw_length // 4 + rng.randrange(1, 3000)),
              "cache_read": rng.choice([0, 0, rng.randrange(1024, 60000)]),
              "cache_write_5m": rng.choice([0, 0, rng.randrange(1024, 30000)]),
              "cache_write_1h": rng.choice([0, 0, 0, rng.randrange(1024, 30000)]),
              "output": output}
    if scenario.kind == "reasoning":
        tokens["reasoning"] = rng.randrange(0, output)
    if scenario.kind == "search":
        tokens["web_search_requests"] = rng.randrange(1, 4)
    return tokens


def usage_object(scenario, tokens: dict, tier: str, output: int) -> dict:
    short, long = tokens.get("cache_write_5m", 0), tokens.get("cache_write_1h", 0)
    usage = {"input_tokens": tokens["input_uncached"],
             "cache_creation_input_tokens": short + long,
             "cache_read_input_tokens": tokens.get("cache_read", 0),
             "cache_creation": None if scenario.null_split else
             {"ephemeral_5m_input_tokens": short - scenario.unsplit, "ephemeral_1h_input_tokens": long},
             "output_tokens": output, "service_tier": tier}
    if "reasoning" in tokens:
        usage["output_tokens_details"] = {"thinking_tokens": min(tokens["reasoning"], output)}
    if "web_search_requests" in tokens:
        usage["server_tool_use"] = {"web_search_requests": tokens["web_search_requests"],
                                    "web_fetch_requests": 0}
    return usage


def make_plan(scenario, request_body: dict, raw_length: int) -> Plan:
    rng = scenario.randomness()
    tokens = draw_tokens(scenario, rng, raw_length)
    tier = scenario.service_tier or "standard"
    blocks = _draw_blocks(scenario, rng)
    plan = Plan(response_id=made_up_id(rng, "msg_01", 22),
                model=served_model(scenario, request_body), finish_reasons=[STOP[scenario.kind]],
                tokens=tokens, body=b"", events=[], service_tier=tier)
    plan.tool_calls = [{"id": b["id"], "name": b["name"]} | (
        {"server_side": True} if b["type"] == "server_tool_use" else {})
        for b in blocks if b["type"] in ("tool_use", "server_tool_use")]
    message = {"id": plan.response_id, "type": "message", "role": "assistant",
               "model": plan.model, "content": [], "stop_reason": None, "stop_sequence": None}
    ending = {"stop_reason": plan.finish_reasons[0],
              "stop_sequence": "STOP" if scenario.kind == "stop_sequence" else None}
    if scenario.kind == "refusal":
        ending["stop_details"] = {"type": "refusal", "category": "cyber", "explanation": "no"}
    if request_body.get("stream"):
        first_output = min(tokens["output"], rng.randrange(1, 9))
        plan.start_tokens = {**tokens, "output": first_output}
        plan.start_tokens.pop("reasoning", None)
        message["usage"] = usage_object(scenario, tokens, tier, first_output)
        plan.events = list(_stream(scenario, rng, message, blocks, ending, tokens))
    else:
        message |= ending
        message["content"] = [{k: v for k, v in b.items() if k != "pieces"} for b in blocks]
        message["usage"] = usage_object(scenario, tokens, tier, tokens["output"])
        plan.body = json.dumps(message, ensure_ascii=False).encode()
    return plan


def _draw_blocks(scenario, rng) -> list:
    blocks = []
    if scenario.kind == "reasoning":
        pieces = draw_texts(scenario, rng)
        blocks.append({"type": "thinking", "thinking": "".join(pieces), "signature": "c2lnbmVk",
                       "pieces": pieces})
    if scenario.kind == "search":
        identity = made_up_id(rng, "srvtoolu_01", 22)
        blocks.append({"type": "server_tool_use", "id": identity, "name": "web_search",
                       "input": {"query": "tides"}, "pieces": ['{"query":', ' "tides"}']})
        blocks.append({"type": "web_search_tool_result", "tool_use_id": identity, "content": [
            {"type": "web_search_result", "url": "https://example.com/", "title": "Tides",
             "encrypted_content": "QUJD", "page_age": None}], "pieces": []})
    if scenario.kind == "tools":
        for _ in range(rng.randrange(1, 4)):
            text = draw_arguments(rng)
            blocks.append({"type": "tool_use", "id": made_up_id(rng, "toolu_01", 22),
                           "name": rng.choice(["get_weather", "search_docs", "lookup"]),
                           "input": json.loads(text),
                           "pieces": [""] + [text[i:i + 5] for i in range(0, len(text), 5)]})
    elif scenario.kind != "empty":
        pieces = draw_texts(scenario, rng)
        blocks.append({"type": "text", "text": "".join(pieces), "pieces": pieces})
    return blocks


_EMPTY = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""},
          "tool_use": {"input": {}}, "server_tool_use": {"input": {}}}
_DELTA = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking"),
          "tool_use": ("input_json_delta", "partial_json"),
          "server_tool_use": ("input_json_delta", "partial_json")}


def _event(kind: str, mark: str = "", **fields) -> Event:
    return Event(json.dumps({"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False),
                 name=kind, mark=mark)


def _stream(scenario, rng, message: dict, blocks: list, ending: dict, tokens: dict):
    yield _event("message_start", message=message)
    yield _event("ping")
    for index, block in enumerate(blocks):
        start = {k: v for k, v in block.items() if k != "pieces"} | _EMPTY.get(block["type"], {})
        # A tool's name is output, as it is in OpenAI's first delta of a tool call; an empty text or
        # thinking block is not.
        yield _event("content_block_start", "output" if "name" in block else "", index=index,
                     content_block=start)
        for piece in block["pieces"]:
            kind, field = _DELTA[block["type"]]
            mark = "" if not piece else "text" if block["type"] == "text" else "output"
            yield _event("content_block_delta", mark, index=index,
                         delta={"type": kind, field: piece})
        if block["type"] == "thinking":
            yield _event("content_block_delta", index=index,
                         delta={"type": "signature_delta", "signature": block["signature"]})
        yield _event("content_block_stop", index=index)
    usage = {"input_tokens": tokens["input_uncached"],
             "cache_creation_input_tokens":
                 tokens.get("cache_write_5m", 0) + tokens.get("cache_write_1h", 0),
             "cache_read_input_tokens": tokens.get("cache_read", 0),
             "output_tokens": tokens["output"]}
    if "reasoning" in tokens:
        usage["output_tokens_details"] = {"thinking_tokens": tokens["reasoning"]}
    if "web_search_requests" in tokens:
        usage["server_tool_use"] = {"web_search_requests": tokens["web_search_requests"],
                                    "web_fetch_requests": 0}
    if rng.random() < 0.5:   # older and newer servers: only the output, or everything
        usage = {k: v for k, v in usage.items() if k.startswith("output") or k == "server_tool_use"}
    yield _event("message_delta", delta=ending, usage=usage)
    if scenario.terminal:
        yield _event("message_stop", "terminal")


def error_table() -> dict:
    return errors.ANTHROPIC


def error_body(error, request_id: str) -> bytes:
    return json.dumps({"type": "error", "error": {"type": error.type, "message": error.message},
                       "request_id": request_id}).encode()


def stream_error_event(error, request_id: str) -> Event:
    return _event("error", error={"type": error.type, "message": error.message},
                  request_id=request_id)


def draw_limits(rng) -> dict:
    return {"requests_limit": 4000, "requests_remaining": rng.randrange(0, 4000),
            "tokens_limit": 480000, "tokens_remaining": rng.randrange(0, 480000),
            "input_tokens_limit": 400000, "input_tokens_remaining": rng.randrange(0, 400000),
            "output_tokens_limit": 80000, "output_tokens_remaining": rng.randrange(0, 80000)}


def headers(request_id: str, limits: dict) -> list:
    rows = []
    for name in ("requests", "tokens", "input_tokens", "output_tokens"):
        spelled = "anthropic-ratelimit-" + name.replace("_", "-")
        rows += [(spelled + "-limit", limits[name + "_limit"]),
                 (spelled + "-remaining", limits[name + "_remaining"]),
                 (spelled + "-reset", "2026-11-21T12:00:00Z")]
    return rows + [("request-id", request_id),
                   ("anthropic-organization-id", "00000000-aaaa-4bbb-8ccc-000000000001"),
                   ("via", "1.1 google")]


def new_request_id(rng) -> str:
    return made_up_id(rng, "req_011C", 20)
