"""What a call must cost: a second, independent reader of the price book's JSON, in fractions.

It shares nothing with agent/pricing but the file. It knows the rules a reader of the document would
know: find the model, find the card, find the rate by total input, round each row half to even at
1e-12 USD, add.
"""

import datetime
import decimal
import fractions
import json
import re

PICO = 10 ** 12
# Rate names of the book by token class, first that the card has. None: the class is unpriced.
RATE_NAMES = {
    "input_uncached": ["input"],
    "cache_read": ["cache_read"],
    "cache_write_5m": ["cache_write_5m"],
    "cache_write_1h": ["cache_write_1h"],
    "cache_write_other": ["cache_write_other", "cache_write"],
    "output": ["output"],
}
DATE_SUFFIX = re.compile(r"(-\d{4}-\d{2}-\d{2}|-\d{8}|-\d{4}|@\d{8})$")


class Book:
    def __init__(self, *paths):
        self.providers = {}
        self.version = None
        for path in paths:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
            self.version = self.version or document["version"]
            for provider in document["providers"]:
                models = self.providers.setdefault(provider["id"], {})
                for model in provider.get("models", []):
                    models[model["id"].lower()] = model

    def find(self, provider: str, name: str):
        """(model, how) or (None, "none")."""
        models = self.providers.get(provider, {})
        name = name.lower().strip()
        if name in models:
            return models[name], "exact"
        for model in models.values():
            if name in (n.lower() for n in model.get("names", [])):
                return model, "alias"
        stem = DATE_SUFFIX.sub("", name)
        if stem != name:
            for model in models.values():
                if not model.get("date_suffix", True):
                    continue
                if stem == model["id"].lower() or stem in (n.lower() for n in model.get("names", [])):
                    return model, "date_suffix"
        return None, "none"

    def quote(self, provider: str, model_name: str, tokens: dict, start_unix_ns: int,
              tier: str = "standard") -> dict | None:
        """{"total": Decimal text, "components": {class: (quantity, amount pico)}}; None: no price."""
        model, how = self.find(provider, model_name)
        if model is None:
            return None
        card = self._card(model, tier, start_unix_ns)
        if card is None:
            return None
        total_input = sum(tokens.get(k, 0) for k in RATE_NAMES if k != "output")
        rates = max((r for r in card["rates"]
                     if r.get("above_input", 0) == 0 or total_input > r["above_input"]),
                    key=lambda r: r.get("above_input", 0))
        rows, missing = {}, []
        for token_class, names in RATE_NAMES.items():
            quantity = tokens.get(token_class, 0)
            if not quantity:
                continue
            rate = next((rates[n] for n in names if n in rates), None)
            if rate is None:
                missing.append(token_class)
                continue
            exact = fractions.Fraction(decimal.Decimal(rate)) * PICO * quantity / 1_000_000
            rows[token_class] = (quantity, round(exact))   # Fraction rounds half to even
        searches = tokens.get("web_search_requests", 0)
        if searches:
            price = card.get("per_call", {}).get("web_search")
            if price is None:
                missing.append("web_search")
            else:
                exact = fractions.Fraction(decimal.Decimal(price["usd"])) * PICO * searches
                rows["web_search"] = (searches, round(exact / price.get("per", 1)))
        return {"model": model["id"], "match": how, "rows": rows, "missing": missing,
                "total": usd(sum(amount for _, amount in rows.values()))}

    @staticmethod
    def _card(model: dict, tier: str, start_unix_ns: int):
        day = datetime.datetime.fromtimestamp(start_unix_ns / 1e9, datetime.timezone.utc).date()
        best = None
        for card in model["cards"]:
            if card.get("tier", "standard") != tier or card.get("region_class"):
                continue
            begin = datetime.date.fromisoformat(card.get("from") or "0001-01-01")
            end = datetime.date.fromisoformat(card.get("to") or "9999-12-31")
            if begin <= day < end and (best is None or begin >= best[0]):
                best = (begin, card)
        return best[1] if best else None


def usd(pico: int) -> str:
    """Exact decimal text without trailing zeros: 706600000 -> "0.0007066"."""
    whole, rest = divmod(pico, PICO)
    digits = f"{rest:012d}".rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)


def pico(text: str) -> int:
    amount = decimal.Decimal(text) * PICO
    assert amount == int(amount), text
    return int(amount)
