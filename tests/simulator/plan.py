"""What a provider decided to answer: the same object feeds the wire and the books."""

import dataclasses


@dataclasses.dataclass
class Event:
    """One server-sent event. `mark` says what it carries: "" nothing for a user, "output" output
    that is not visible text, "text" visible text, "terminal" the end."""

    data: str
    name: str = ""
    mark: str = ""


@dataclasses.dataclass
class Plan:
    response_id: str
    model: str
    finish_reasons: list
    tokens: dict                 # disjoint classes, as billed
    body: bytes                  # when not streamed
    events: list                 # when streamed
    tool_calls: list = dataclasses.field(default_factory=list)
    service_tier: str | None = None
    system_fingerprint: str | None = None
    stated_total: int | None = None
    usage_sent: bool = True      # the wire carries the final usage
    start_tokens: dict | None = None   # what a stream states before its end (Anthropic)

    @property
    def truth(self) -> dict:
        return {"response_id": self.response_id, "response_model": self.model,
                "finish_reasons": self.finish_reasons, "tool_calls": self.tool_calls,
                "tokens": self.tokens, "service_tier": self.service_tier,
                "system_fingerprint": self.system_fingerprint, "stated_total": self.stated_total,
                "usage_sent": self.usage_sent, "start_tokens": self.start_tokens}


# Dated forms, as replies name the model that served.
DATED = {
    "gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14", "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14", "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07", "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "o3": "o3-2025-04-16", "o4-mini": "o4-mini-2025-04-16",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-1": "claude-opus-4-1-20250805", "claude-opus-4-5": "claude-opus-4-5-20251101",
}


def served_model(scenario, body: dict) -> str:
    asked = str(body.get("model") or "")
    return scenario.model or DATED.get(asked, asked)


def made_up_id(rng, prefix: str, length: int = 24) -> str:
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789"
    return prefix + "".join(rng.choices(alphabet, k=length))
