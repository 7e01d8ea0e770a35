"""An OTLP/HTTP receiver for the tests, and what a span must say given its usage record."""

import base64
import contextlib
import gzip
import http.server
import json
import socket
import ssl
import threading

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2


class Receiver:
    """Takes POST /v1/traces. `answers` are the statuses of the first requests; then 200."""

    def __init__(self, answers=(), certificate=None, key=None):
        self.requests = []    # (headers, ExportTraceServiceRequest or None when refused)
        self._answers = list(answers)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver._take(self)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def _take(self, handler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        if handler.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        status = self._answers.pop(0) if self._answers else 200
        message = None
        if status == 200:
            message = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        headers = {k.lower(): v for k, v in handler.headers.items()}
        self.requests.append((headers, handler.path, message, status))
        handler.send_response(status)
        handler.send_header("content-length", "0")
        handler.send_header("content-type", "application/x-protobuf")
        if status in (429, 503):
            handler.send_header("retry-after", "0")
        handler.end_headers()

    def spans(self) -> list:
        spans = []
        for _, _, message, _ in self.requests:
            for resource in message.resource_spans if message else ():
                for scope in resource.scope_spans:
                    spans += [_plain(span, resource, scope) for span in scope.spans]
        return spans

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def silent_listener():
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def _value(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [_value(v) for v in any_value.array_value.values]
    return getattr(any_value, kind)


def _plain(span, resource, scope) -> dict:
    return {"trace_id": span.trace_id.hex(), "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex(), "name": span.name, "kind": span.kind,
            "start": span.start_time_unix_nano, "end": span.end_time_unix_nano,
            "status": span.status.code, "flags": span.flags,
            "attributes": {a.key: _value(a.value) for a in span.attributes},
            "resource": {a.key: _value(a.value) for a in resource.resource.attributes},
            "scope": scope.scope.name, "schema_url": scope.schema_url}


def _json_value(value: dict):
    (kind, content), = value.items()
    if kind == "arrayValue":
        return [_json_value(v) for v in content.get("values", [])]
    if kind == "intValue":
        return int(content)
    return base64.b64decode(content) if kind == "bytesValue" else content


def spans_of_json_lines(text: str) -> list:
    """The spans in what the collector's file exporter wrote."""
    spans = []
    for line in text.splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            attributes = resource["resource"].get("attributes", [])
            for scope in resource["scopeSpans"]:
                for span in scope["spans"]:
                    spans.append({
                        "trace_id": span["traceId"], "span_id": span["spanId"],
                        "parent_span_id": span.get("parentSpanId", ""), "name": span["name"],
                        "kind": span["kind"], "start": int(span["startTimeUnixNano"]),
                        "end": int(span["endTimeUnixNano"]),
                        "status": span.get("status", {}).get("code", 0),
                        "flags": span.get("flags", 0),
                        "attributes": {a["key"]: _json_value(a["value"])
                                       for a in span["attributes"]},
                        "resource": {a["key"]: _json_value(a["value"]) for a in attributes},
                        "scope": scope["scope"]["name"],
                        "schema_url": scope.get("schemaUrl", resource.get("schemaUrl", ""))})
    return spans


# usage record path -> attribute of profile 1.41; values as they are
SAME = {
    "operation": "gen_ai.operation.name", "provider": "gen_ai.provider.name",
    "request.model": "gen_ai.request.model", "server.address": "server.address",
    "server.port": "server.port", "request.max_tokens": "gen_ai.request.max_tokens",
    "request.temperature": "gen_ai.request.temperature", "request.top_p": "gen_ai.request.top_p",
    "request.seed": "gen_ai.request.seed", "request.output_type": "gen_ai.output.type",
    "request.stop_sequences": "gen_ai.request.stop_sequences",
    "request.reasoning_level": "sonde.request.reasoning_level",
    "response_id": "gen_ai.response.id", "response.model": "gen_ai.response.model",
    "response.finish_reasons": "gen_ai.response.finish_reasons",
    "output_rate": "sonde.response.output_rate", "http.status": "http.response.status_code",
    "request_id": "sonde.response.request_id", "tokens.input_total": "gen_ai.usage.input_tokens",
    "tokens.output": "gen_ai.usage.output_tokens",
    "tokens.cache_read": "gen_ai.usage.cache_read.input_tokens",
    "tokens.input_audio": "sonde.usage.audio.input_tokens",
    "tokens.cache_read_audio": "sonde.usage.audio.cache_read.input_tokens",
    "tokens.output_audio": "sonde.usage.audio.output_tokens",
    "tokens.reasoning": "gen_ai.usage.reasoning.output_tokens",
    "tokens_estimated.input_total": "sonde.estimated.input_tokens",
    "tokens_estimated.output": "sonde.estimated.output_tokens",
    "error.class": "sonde.error.class", "error.type": "error.type",
    "cost.status": "sonde.cost.status", "cost.reason": "sonde.cost.reason",
    "cost.match": "sonde.cost.match", "cost.provider": "sonde.cost.provider",
    "cost.model": "sonde.cost.model", "cost.tier": "sonde.cost.tier",
    "cost.book_version": "sonde.cost.book_version", "billing_mode": "sonde.billing.mode",
    "billing_scope": "sonde.billing.scope", "number": "sonde.call.number",
    "dialect": "sonde.dialect", "attempt": "sonde.attempt", "retry_of": "sonde.retry_of",
    "client_aborted": "sonde.client_aborted", "request.user_hash": "sonde.user.hash",
}
SECONDS = {"time_to_first_chunk_ns": "gen_ai.response.time_to_first_chunk",
           "time_to_first_text_ns": "sonde.response.time_to_first_text",
           "time_per_output_chunk_ns": "sonde.response.time_per_output_chunk",
           "retry_after_ns": "sonde.retry_after"}
COST = {"computed": ("gen_ai.usage.cost.amount", "gen_ai.usage.cost"),
        "partial": ("sonde.cost.lower_bound",), "estimated": ("sonde.estimated.cost",)}


def _at(record: dict, path: str):
    for part in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(part)
    return record


def attributes_of(record: dict) -> dict:
    """All attributes, no more and no fewer, of the span of a call with this usage record."""
    want = {name: _at(record, path) for path, name in SAME.items()}
    want |= {name: record[path] / 1e9 for path, name in SECONDS.items() if path in record}
    if record["request"]["stream"]:
        want["gen_ai.request.stream"] = True
    if record["request"].get("choice_count", 1) != 1:
        want["gen_ai.request.choice.count"] = record["request"]["choice_count"]
    tokens = record.get("tokens", {})
    writes = [tokens[k] for k in tokens if k.startswith("cache_write_")]
    if writes:
        want["gen_ai.usage.cache_creation.input_tokens"] = sum(writes)
    if record.get("response", {}).get("tool_calls"):
        want["sonde.response.tool_calls"] = len(record["response"]["tool_calls"])
    tier = _at(record, "response.service_tier")
    if record["provider"] == "openai":
        want |= {"openai.api.type": record["api_type"], "openai.response.service_tier": tier,
                 "openai.response.system_fingerprint": _at(record, "response.system_fingerprint")}
    else:
        want["sonde.response.service_tier"] = tier
    want |= _cost_of(record)
    if "tokens_estimated" in record:
        want["sonde.estimated"] = True
    if record["incomplete"]:
        want["sonde.incomplete"] = record["incomplete"]
    return {k: v for k, v in want.items() if v is not None}


def _cost_of(record: dict) -> dict:
    cost = record["cost"]
    want = {}
    if "total" in cost:
        want = {name: float(cost["total"]) for name in COST[cost["status"]]}
    if cost["status"] == "computed":
        want |= {"gen_ai.usage.cost.currency": "USD", "gen_ai.usage.cost.source": "local"}
    missing = [row["name"] for row in cost.get("components", []) if "amount" not in row]
    return want | ({"sonde.cost.missing": missing} if missing else {})


def differences(span: dict, record: dict) -> list:
    """Every difference between a span of profile 1.41 and its usage record."""
    want = {"name": f"{record['operation']} {record['request']['model']}", "kind": 3,
            "trace_id": record["trace_id"], "span_id": record["span_id"],
            "parent_span_id": record.get("parent_span_id", ""), "start": record["start_unix_ns"],
            "end": record["start_unix_ns"] + record["duration_ns"],
            "status": 2 if record.get("error") else 0, "scope": "sonde",
            "schema_url": "https://opentelemetry.io/schemas/1.41.1"}
    found = [f"{k}: want {v!r}, got {span[k]!r}" for k, v in want.items() if span[k] != v]
    attributes, got = attributes_of(record), dict(span["attributes"])
    for key in sorted(set(attributes) | set(got)):
        a, b = attributes.get(key), got.get(key)
        both_numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b))
        if a != b and not (both_numbers and abs(a - b) <= 1e-12 * abs(a)):
            found.append(f"{key}: want {a!r}, got {b!r}")
    if span["resource"].get("process.pid") != record["process"]["pid"]:
        found.append(f"process.pid: {span['resource']}")
    if not span["resource"].get("service.name"):
        found.append("no service.name")
    return found


def compare_spans(test, spans: list, records: list) -> None:
    by_id = {span["span_id"]: span for span in spans}
    test.assertEqual(len(by_id), len(spans), "a span came twice")
    found = []
    for record in records:
        span = by_id.pop(record["span_id"], None)
        found += ([f"no span of {record['number']}"] if span is None else
                  [f"{record['number']}: {d}" for d in differences(span, record)])
    found += [f"a span of nothing: {span}" for span in by_id.values()]
    if found:
        test.fail(f"{len(found)} differences:\n  " + "\n  ".join(found[:60]))
