"""The comparison itself: a record equal to the books passes, any altered field fails."""

import copy
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import prices  # noqa: E402
import truth  # noqa: E402

BOOK = {"schema": "pricebook/1", "version": "t", "currency": "USD", "providers": [{
    "id": "openai", "models": [
        {"id": "gpt-5-mini", "names": ["gpt-5-mini-latest"], "date_suffix": True, "cards": [
            {"from": "2024-01-01", "to": "2025-01-01", "rates": [{"input": "9", "output": "9"}]},
            {"from": "2025-01-01", "rates": [
                {"above_input": 0, "input": "0.25", "cache_read": "0.025", "output": "2"},
                {"above_input": 272000, "input": "0.5", "cache_read": "0.05", "output": "3"}],
             "per_call": {"web_search": {"usd": "10", "per": 1000}}},
            {"from": "2025-01-01", "tier": "priority", "rates": [{"input": "1", "output": "4"}]}]}]}]}
NOW = 1_800_000_000_000_000_000
ENTRY = {
    "number": 1, "id": "call", "api": "openai.chat", "method": "POST",
    "path": "/v1/chat/completions", "host": "localhost:4443", "user_agent": "curl/8",
    "request_bytes": 100, "sdk_retry": "0", "request_model": "gpt-5-mini", "request_stream": True,
    "tool_results": ["call_0"], "response_id": "chatcmpl-1",
    "response_model": "gpt-5-mini-2025-08-07", "finish_reasons": ["stop"],
    "tool_calls": [{"id": "call_1", "name": "f"}],
    "tokens": {"input_uncached": 180, "cache_read": 1024, "output": 318, "reasoning": 192},
    "service_tier": "default", "system_fingerprint": "fp", "stated_total": 1522,
    "usage_sent": True, "http_status": 200, "request_id": "req_1", "stream": True,
    "rate_limits": {"requests_limit": 5}, "body_bytes": 4000, "events_sent": 8,
    "output_events_sent": 5, "outcome": "complete",
    "times": {"head_received": 1000, "body_complete": 1100, "head_sent": 2000,
              "first_output_sent": 400_000_000, "first_text_sent": 500_000_000,
              "last_output_sent": 800_000_000, "terminal_sent": 900_000_000,
              "last_sent": 900_000_100}}
RECORD = {
    "schema": "sonde.usage/1", "trace_id": "01", "span_id": "02", "start_unix_ns": NOW,
    "duration_ns": 910_000_000, "time_to_first_chunk_ns": 401_000_000,
    "time_to_first_text_ns": 501_000_000, "time_per_output_chunk_ns": 100_000_000,
    "output_rate": 318 / 0.509, "provider": "openai", "biller": "openai",
    "dialect": "openai.chat", "operation": "chat", "stream": True,
    "server": {"address": "localhost", "port": 4443},
    "http": {"method": "POST", "path": "/v1/chat/completions", "status": 200,
             "user_agent": "curl/8"},
    "request_id": "req_1", "response_id": "chatcmpl-1",
    "request": {"model": "gpt-5-mini", "stream": True, "body_bytes": 100,
                "tool_result_ids": ["call_0"]},
    "response": {"model": "gpt-5-mini-2025-08-07", "finish_reasons": ["stop"],
                 "tool_calls": [{"id": "call_1", "name": "f"}], "service_tier": "default",
                 "system_fingerprint": "fp", "body_bytes": 4000, "output_events": 5},
    "tokens": {"input_uncached": 180, "cache_read": 1024, "output": 318, "reasoning": 192,
               "input_total": 1204, "stated_total": 1522},
    "attempt": 0, "incomplete": [], "rate_limits": {"requests_limit": 5},
    "cost": {"status": "computed", "provider": "openai", "model": "gpt-5-mini",
             "currency": "USD", "total": "0.0007066", "components": [
                 {"name": "input", "quantity": 180, "amount": "0.000045"},
                 {"name": "cache_read", "quantity": 1024, "amount": "0.0000256"},
                 {"name": "output", "quantity": 318, "amount": "0.000636"}]}}


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, path + (key,))
    elif isinstance(value, list) and value:
        for index, part in enumerate(value):
            yield from leaves(part, path + (index,))
    else:
        yield path


def altered(path):
    """RECORD with the leaf at `path` changed beyond any tolerance."""
    record = copy.deepcopy(RECORD)
    holder = record
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    if path[-1] in ("total", "amount"):
        new = prices.usd(prices.pico(old) + 1)
    elif isinstance(old, bool):
        new = not old
    elif isinstance(old, str):
        new = "00" if path[-1] in ("trace_id", "span_id") else old + "x"
    elif isinstance(old, list):
        new = ["truncated"]
    else:
        new = old + (5_000_000_000 if path[-1].endswith("_ns") else 1)
    holder[path[-1]] = new
    return record


class ComparisonTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(BOOK, file)
            file.flush()
            cls.book = prices.Book(file.name)

    def differences(self, record, entry=ENTRY):
        return truth.Comparison(record, entry, self.book, NOW - 1000, truth.Tolerance()).run()

    def test_an_equal_record_passes(self):
        self.assertEqual(self.differences(RECORD), [])

    def test_every_altered_field_is_found(self):
        for path in leaves(RECORD):
            with self.subTest(path=path):
                self.assertNotEqual(self.differences(altered(path)), [])

    def test_every_missing_field_is_found(self):
        for path in leaves(RECORD):
            if path == ("start_unix_ns",) or isinstance(path[-1], int):
                continue
            record = copy.deepcopy(RECORD)
            holder = record
            for key in path[:-1]:
                holder = holder[key]
            del holder[path[-1]]
            if path in (("cost", "components", 0, "amount"), ("cost", "components", 1, "amount"),
                        ("cost", "components", 2, "amount")):
                self.assertNotEqual(self.differences(record), [])
            elif path[-1] not in ("name", "quantity"):
                with self.subTest(path=path):
                    self.assertNotEqual(self.differences(record), [])

    def test_unexpected_flags_and_errors_are_found(self):
        for extra in ({"flags": {"partial": True}}, {"client_aborted": True},
                      {"error": {"class": "server"}}, {"tokens_estimated": {"output": 1}}):
            self.assertNotEqual(self.differences(RECORD | extra), [])

    def test_lonely_records_and_entries_fail(self):
        truth.compare_all(self, [RECORD], [ENTRY], self.book, NOW - 1000)
        for records, entries in (([], [ENTRY]), ([RECORD], []), ([RECORD, RECORD], [ENTRY])):
            with self.assertRaises(AssertionError):
                truth.compare_all(self, records, entries, self.book, NOW - 1000)


class PricesTest(unittest.TestCase):
    setUpClass = classmethod(ComparisonTest.setUpClass.__func__)

    def total(self, tokens, model="gpt-5-mini", day=NOW, tier="standard"):
        quote = self.book.quote("openai", model, tokens, day, tier)
        return quote and quote["total"]

    def test_models_are_found_by_name_alias_and_date(self):
        for name, how in (("gpt-5-mini", "exact"), ("GPT-5-mini-latest", "alias"),
                          ("gpt-5-mini-2025-08-07", "date_suffix"), ("gpt-5-mini-x", "none")):
            self.assertEqual(self.book.find("openai", name)[1], how)

    def test_long_input_takes_the_dearer_rate_for_all_of_it(self):
        self.assertEqual(self.total({"input_uncached": 272000}), "0.068")
        self.assertEqual(self.total({"input_uncached": 272001}), "0.1360005")
        self.assertEqual(self.total({"input_uncached": 1, "cache_read": 272000}), "0.0136005")

    def test_card_by_day_and_tier(self):
        self.assertEqual(self.total({"output": 1}, day=1_720_000_000_000_000_000), "0.000009")
        self.assertEqual(self.total({"output": 1}, tier="priority"), "0.000004")
        self.assertIsNone(self.total({"output": 1}, tier="turbo"))

    def test_half_a_pico_dollar_goes_to_the_even_one(self):
        self.assertEqual(prices.usd(round(prices.fractions.Fraction(5, 2))), "0.000000000002")
        self.assertEqual(prices.usd(round(prices.fractions.Fraction(7, 2))), "0.000000000004")


if __name__ == "__main__":
    unittest.main()
