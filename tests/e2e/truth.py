"""Compares usage records with the simulator's books, field by field."""

import dataclasses

import prices

TOKEN_CLASSES = ("input_uncached", "cache_read", "cache_write_5m", "cache_write_1h",
                 "cache_write_other", "output", "reasoning", "web_search_requests")
INPUT_CLASSES = TOKEN_CLASSES[:5]
DIALECT = {"openai.chat": ("openai", "openai.chat"), "anthropic.messages": ("anthropic",
                                                                           "anthropic.messages")}


@dataclasses.dataclass
class Tolerance:
    """Times. Lower bounds are exact, because the simulator stamps before it sends and after it
    receives; upper bounds allow for scheduling between the two processes."""

    late_ms: float = 250      # an observed moment may lie so far behind the simulator's stamp
    clock_ms: float = 20      # between wall clock samples of the two


def match(records: list, entries: list) -> tuple:
    """Pairs [(record, entry)], lonely records, lonely entries. By request id, else by response id,
    else (replies without either) by status in the order of time."""
    pairs, records = [], list(records)
    by_id = {}
    for record in records:
        for key in ("request_id", "response_id"):
            if record.get(key):
                by_id.setdefault(record[key], []).append(record)
    left = []
    for entry in entries:
        found = None
        for key in ("request_id", "response_id"):
            candidates = [r for r in by_id.get(entry.get(key), []) if r in records]
            if candidates:
                found = candidates[0]
                break
        if found is None:
            left.append(entry)
        else:
            records.remove(found)
            pairs.append((found, entry))
    records.sort(key=lambda r: r["start_unix_ns"])
    left.sort(key=lambda e: e["times"]["head_received"])
    lonely_entries = []
    for entry in left:
        status = entry.get("http_status") if entry["times"].get("head_sent") else None
        found = next((r for r in records if r.get("http", {}).get("status") == status
                      and not r.get("request_id")
                      and r.get("request", {}).get("body_bytes") == entry["request_bytes"]), None)
        if found is None:
            lonely_entries.append(entry)
        else:
            records.remove(found)
            pairs.append((found, entry))
    return pairs, records, lonely_entries


class Comparison:
    """Collects every difference instead of stopping at the first."""

    def __init__(self, record: dict, entry: dict, book: prices.Book | None, offset_ns: int,
                 tolerance: Tolerance, retries: bool = True):
        self.record, self.entry, self.book = record, entry, book
        self.offset_ns, self.tolerance = offset_ns, tolerance
        self.differences = []
        self.whole = entry["outcome"] == "complete"
        self.retries = retries

    def run(self) -> list:
        self._identity()
        self._request()
        self._response()
        self._tokens()
        self._error()
        self._times()
        if self.book:
            self._cost()
        return [f"{self.entry.get('id') or self.entry['number']}: {d}" for d in self.differences]

    def expect(self, path: str, want) -> None:
        got = self.get(path)
        if got != want:
            self.differences.append(f"{path}: want {want!r}, got {got!r}")

    def get(self, path: str):
        value = self.record
        for part in path.split("."):
            if not isinstance(value, dict) or part not in value:
                return None
            value = value[part]
        return value

    def _identity(self) -> None:
        entry = self.entry
        self.expect("schema", "sonde.usage/1")
        provider, dialect = DIALECT[entry["api"]]
        self.expect("dialect", dialect)
        self.expect("operation", "chat")
        self.expect("provider", provider)
        self.expect("biller", provider)
        host, _, port = entry["host"].partition(":")
        self.expect("server.address", host)
        if port:
            self.expect("server.port", int(port))
        self.expect("http.method", entry["method"])
        self.expect("http.path", entry["path"])
        self.expect("http.user_agent", entry["user_agent"] or None)
        if entry["times"].get("head_sent"):
            self.expect("http.status", entry.get("http_status"))
            self.expect("request_id", entry.get("request_id"))
        self.expect("stream", bool(entry.get("stream") or entry["request_stream"]))
        if self.retries:
            self.expect("attempt", int(entry["sdk_retry"] or 0))
        for field in ("trace_id", "span_id"):
            if not self.get(field) or not int(self.get(field), 16):
                self.differences.append(f"{field} is {self.get(field)!r}")

    def _request(self) -> None:
        self.expect("request.model", self.entry["request_model"])
        self.expect("request.stream", self.entry["request_stream"])
        self.expect("request.body_bytes", self.entry["request_bytes"])
        self.expect("request.tool_result_ids", self.entry["tool_results"] or None)

    def _response(self) -> None:
        entry = self.entry
        if entry.get("response_id") is None or not self.whole or entry.get("error"):
            return
        self.expect("response_id", entry["response_id"])
        self.expect("response.model", entry["response_model"])
        self.expect("response.finish_reasons", entry["finish_reasons"])
        self.expect("response.tool_calls", entry["tool_calls"] or None)
        self.expect("response.service_tier", entry["service_tier"])
        self.expect("response.system_fingerprint", entry["system_fingerprint"])
        self.expect("response.body_bytes", entry["body_bytes"])
        self.expect("client_aborted", None)
        self.expect("incomplete", [])
        self.expect("flags", None)
        if entry["stream"]:
            self.expect("response.output_events", entry["output_events_sent"])
        for name, value in entry["rate_limits"].items():
            self.expect(f"rate_limits.{name}", value)

    def _tokens(self) -> None:
        entry = self.entry
        if not entry.get("tokens") or not self.whole or entry.get("error"):
            return
        if not entry["usage_sent"]:
            self.expect("tokens", None)
            if not self.get("tokens_estimated"):
                self.differences.append("no estimate although the wire carried no usage")
            return
        self.expect("tokens_estimated", None)
        for name in TOKEN_CLASSES:
            want = entry["tokens"].get(name)
            got = self.get(f"tokens.{name}")
            if (got or 0) != (want or 0) or (want is not None and want and got is None):
                self.differences.append(f"tokens.{name}: want {want!r}, got {got!r}")
        self.expect("tokens.input_total", sum(entry["tokens"].get(c, 0) for c in INPUT_CLASSES))
        self.expect("tokens.stated_total", entry["stated_total"])

    def _error(self) -> None:
        error = self.entry.get("error")
        if not error:
            if self.whole:
                self.expect("error", None)
            return
        self.expect("error.class", error["class"])
        if not error.get("html"):
            self.expect("error.provider_type", error["type"])
            self.expect("error.code", error["code"])
            self.expect("error.message", error["message"])
        self.expect("error.in_stream", True if error.get("in_stream") else None)
        self.expect("retry_after_ns", self.entry.get("retry_after_ns"))

    def _cost(self) -> None:
        entry = self.entry
        if entry.get("error") or not entry.get("tokens") or not self.whole:
            return
        if not entry["usage_sent"]:
            self.expect("cost.status", "estimated")
            return
        provider = DIALECT[entry["api"]][0]
        tier = {"default": "standard", None: "standard"}.get(entry["service_tier"],
                                                             entry["service_tier"])
        want = self.book.quote(provider, entry["response_model"], entry["tokens"],
                               self.record["start_unix_ns"], tier)
        if want is None:
            self.expect("cost.status", "unpriced")
            self.expect("cost.total", None)
            return
        self.expect("cost.status", "partial" if want["missing"] else "computed")
        self.expect("cost.total", want["total"])
        self.expect("cost.model", want["model"])
        self.expect("cost.provider", provider)
        self.expect("cost.currency", "USD")
        rows = self.get("cost.components") or []
        amounts = sum(prices.pico(row["amount"]) for row in rows if "amount" in row)
        if prices.usd(amounts) != want["total"]:
            self.differences.append(f"the components add up to {prices.usd(amounts)}")
        got = {row["name"]: row["quantity"] for row in rows if row["quantity"]}
        names = {"input_uncached": "input"}
        wanted = {names.get(k, k): q for k, (q, _) in want["rows"].items()}
        wanted |= {names.get(k, k): entry["tokens"][k] for k in want["missing"]
                   if k in entry["tokens"]}
        if got != wanted:
            self.differences.append(f"cost.components: want {wanted}, got {got}")

    def _between(self, name: str, value_ns, low_ns, high_ns) -> None:
        if value_ns is None:
            self.differences.append(f"{name} is absent")
        elif not low_ns <= value_ns <= high_ns:
            self.differences.append(
                f"{name}: {value_ns / 1e6:.3f} ms is not in "
                f"[{low_ns / 1e6:.3f}, {high_ns / 1e6:.3f}] ms")

    def _times(self) -> None:
        times, late = self.entry["times"], self.tolerance.late_ms * 1e6
        clock = self.tolerance.clock_ms * 1e6
        begin = times["head_received"]
        self._between("start", self.get("start_unix_ns") - self.offset_ns - begin, -late, clock)
        if not self.whole:
            return
        last = times.get("terminal_sent", times["last_sent"]) - begin
        self._between("duration", self.get("duration_ns"), last, last + 2 * late)
        if not self.entry.get("stream") or self.entry.get("error"):
            return
        for field, stamp in (("time_to_first_chunk_ns", "first_output_sent"),
                             ("time_to_first_text_ns", "first_text_sent")):
            if stamp in times:
                low = times[stamp] - begin
                self._between(field, self.get(field), low, low + 2 * late)
            else:
                self.expect(field, None)
        count = self.entry["output_events_sent"]
        if count >= 2:
            sent = (times["last_output_sent"] - times["first_output_sent"]) / (count - 1)
            self._between("time_per_output_chunk_ns", self.get("time_per_output_chunk_ns"),
                          sent - late / (count - 1), sent + late / (count - 1))
        self._output_rate()

    def _output_rate(self) -> None:
        """output tokens / (duration - time to first chunk), from the record's own fields."""
        output = self.get("tokens.output")
        first, duration = self.get("time_to_first_chunk_ns"), self.get("duration_ns")
        if None in (output, first, duration) or duration <= first:
            return
        want = output / ((duration - first) / 1e9)
        got = self.get("output_rate")
        if got is None or abs(got - want) > 1e-6 * want:
            self.differences.append(f"output_rate: want {want}, got {got}")


def compare_all(test, records: list, entries: list, book=None, offset_ns: int = 0,
                tolerance: Tolerance | None = None, retries: bool = True) -> list:
    """Every record against its entry; fails `test` with all differences. Returns the pairs."""
    entries = [e for e in entries if e["api"] != "other"]
    pairs, lonely_records, lonely_entries = match(records, entries)
    differences = []
    for record, entry in pairs:
        differences += Comparison(record, entry, book, offset_ns, tolerance or Tolerance(),
                                  retries).run()
    differences += [f"no record of {e.get('id') or e}" for e in lonely_entries]
    differences += [f"a record of nothing: {r}" for r in lonely_records]
    if differences:
        test.fail(f"{len(differences)} differences in {len(entries)} calls:\n  "
                  + "\n  ".join(differences[:60]))
    return pairs
