#!/usr/bin/env python3
"""Makes quotes.json: requests and their exact price, by Python's decimal from the book's own text.

Shares no code with the agent. The model's id, the card and the row are found here in the plainest
way: the model with that id, the card whose day, tier and window hold, the last row that is passed.
"""

import datetime
import decimal
import json
import pathlib

decimal.getcontext().prec = 60
HERE = pathlib.Path(__file__).parent
BOOK = json.loads((HERE.parent / "data/pricebook.json").read_text())
TOKENS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write", "output")
PICO = decimal.Decimal(10) ** 12

CASES = [
    # provider, model id, moment, tier, quantities
    ("openai", "gpt-4o", "2026-09-23T12:00", "standard", {"input": 1204, "output": 318}),
    ("openai", "gpt-4o", "2026-09-23T12:00", "standard",
     {"input": 180, "cache_read": 1024, "output": 318}),
    ("openai", "gpt-4o", "2026-09-23T12:00", "batch", {"input": 333, "output": 77}),
    ("openai", "gpt-4o-mini", "2026-09-23T12:00", "standard",
     {"input": 7, "cache_read": 128, "output": 1}),
    ("openai", "gpt-5", "2026-09-23T12:00", "standard",
     {"input": 99999, "cache_read": 12800, "output": 4097}),
    ("openai", "gpt-5", "2026-09-23T12:00", "flex",
     {"input": 99999, "cache_read": 12800, "output": 4097}),
    ("openai", "gpt-5-mini", "2026-09-23T12:00", "standard",
     {"input": 180, "cache_read": 1024, "output": 318}),
    ("openai", "gpt-5-nano", "2026-09-23T12:00", "standard", {"input": 3, "output": 1}),
    ("openai", "o3", "2025-06-09T23:59", "standard", {"input": 1000, "output": 1000}),
    ("openai", "o3", "2025-06-10T00:00", "standard", {"input": 1000, "output": 1000}),
    ("openai", "o1-pro", "2026-09-23T12:00", "standard", {"input": 12345, "output": 100000000}),
    ("openai", "o4-mini", "2026-09-23T12:00", "flex",
     {"input": 1, "cache_read": 1, "output": 1}),
    ("openai", "gpt-5.5", "2026-09-23T12:00", "standard", {"input": 271999, "output": 10}),
    ("openai", "gpt-5.5", "2026-09-23T12:00", "standard", {"input": 272000, "output": 10}),
    ("openai", "gpt-5.5", "2026-09-23T12:00", "standard", {"input": 272001, "output": 10}),
    ("openai", "gpt-5.6-sol", "2026-08-20T23:59", "standard",
     {"input": 5000, "cache_read": 100, "cache_write": 900, "output": 50}),
    ("openai", "gpt-5.6-sol", "2026-08-21T00:00", "standard",
     {"input": 5000, "cache_read": 100, "cache_write": 900, "output": 50}),
    ("openai", "text-embedding-3-small", "2026-09-23T12:00", "standard", {"input": 8191}),
    ("anthropic", "claude-haiku-4-5", "2026-09-23T12:00", "standard",
     {"input": 10, "cache_read": 2000, "cache_write_5m": 300, "cache_write_1h": 100,
      "output": 50}),
    ("anthropic", "claude-sonnet-4-5", "2026-09-23T12:00", "standard",
     {"input": 10, "cache_read": 2000, "cache_write_5m": 300, "cache_write_1h": 100,
      "output": 50}),
    ("anthropic", "claude-sonnet-4-5", "2026-01-23T12:00", "standard",
     {"input": 1, "cache_read": 199999, "output": 50}),
    ("anthropic", "claude-sonnet-4-5", "2026-01-23T12:00", "standard",
     {"input": 2, "cache_read": 199999, "output": 50}),
    ("anthropic", "claude-opus-4-6", "2026-03-12T23:59", "standard",
     {"input": 200001, "output": 7}),
    ("anthropic", "claude-opus-4-6", "2026-03-13T00:00", "standard",
     {"input": 200001, "output": 7}),
    ("anthropic", "claude-haiku-4-5", "2026-09-23T12:00", "batch",
     {"input": 11, "cache_read": 2001, "cache_write_5m": 301, "cache_write_1h": 101,
      "output": 51}),
    ("anthropic", "claude-fable-5-1", "2026-09-23T12:00", "standard",
     {"input": 1, "cache_read": 33333, "output": 9}),
    ("deepseek", "deepseek-chat", "2025-08-20T00:29", "standard",
     {"input": 1001, "cache_read": 77, "output": 33}),
    ("deepseek", "deepseek-chat", "2025-08-20T00:30", "standard",
     {"input": 1001, "cache_read": 77, "output": 33}),
    ("deepseek", "deepseek-chat", "2025-08-20T16:30", "standard",
     {"input": 1001, "cache_read": 77, "output": 33}),
    ("deepseek", "deepseek-v4-pro", "2026-09-23T03:59", "standard",
     {"input": 1001, "cache_read": 77, "output": 33}),
    ("deepseek", "deepseek-v4-pro", "2026-09-23T04:00", "standard",
     {"input": 1001, "cache_read": 77, "output": 33}),
    ("deepseek", "deepseek-v4-pro", "2026-08-16T02:00", "standard",
     {"input": 1001, "cache_read": 77, "output": 33}),
    ("x-ai", "grok-4.3", "2026-09-23T12:00", "standard", {"input": 199999, "output": 5}),
    ("x-ai", "grok-4.3", "2026-09-23T12:00", "standard", {"input": 200000, "output": 5}),
    ("google", "gemini-2.5-pro", "2026-09-23T12:00", "standard",
     {"input": 100000, "cache_read": 100000, "output": 1}),
    ("google", "gemini-2.5-pro", "2026-09-23T12:00", "standard",
     {"input": 100001, "cache_read": 100000, "output": 1}),
    ("google", "gemini-3.6-flash", "2026-12-31T23:59", "standard", {"input": 5, "output": 5}),
    ("google", "gemini-3.6-flash", "2027-01-01T00:00", "standard", {"input": 5, "output": 5}),
    ("mistral", "mistral-large-2512", "2026-09-23T12:00", "standard",
     {"input": 17, "cache_read": 3, "output": 9}),
    ("groq", "openai/gpt-oss-safeguard-20b", "2026-09-23T12:00", "standard",
     {"input": 17, "output": 9}),
]


def holds(card, moment, tier):
    day, clock = moment.split("T")
    if card["tier"] != tier or "region_class" in card:
        return False
    if day < card.get("from", "") or ("to" in card and day >= card["to"]):
        return False
    window = card.get("utc_window")
    return window is None or window[0] <= clock < window[1]  # No shipped window spans midnight.


def amounts(provider, model, moment, tier, quantities):
    models = next(p for p in BOOK["providers"] if p["id"] == provider)["models"]
    cards = next(m for m in models if m["id"] == model)["cards"]
    fitting = [c for c in cards if holds(c, moment, tier)]
    card = max(fitting, key=lambda c: "utc_window" in c)
    row = [r for r in card["rates"]
           if r["above_input"] == 0
           or sum(v for k, v in quantities.items() if k != "output") > r["above_input"]][-1]
    return {unit: int((decimal.Decimal(row[unit]) * PICO * count / 1_000_000)
                      .to_integral_value(decimal.ROUND_HALF_EVEN))
            for unit, count in quantities.items()}


def main():
    lines = []
    for provider, model, moment, tier, quantities in CASES:
        when = datetime.datetime.fromisoformat(moment).replace(tzinfo=datetime.timezone.utc)
        parts = amounts(provider, model, moment, tier, quantities)
        assert set(quantities) <= set(TOKENS)
        lines.append(json.dumps({
            "provider": provider, "model": model, "at": moment, "unix": int(when.timestamp()),
            "tier": tier, "quantities": quantities, "amounts": parts,
            "total": sum(parts.values())}))
    (HERE / "quotes.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
