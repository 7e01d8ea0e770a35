"""What one simulated call shall do, and the random facts drawn for it.

A scenario is a JSON object. The simulator takes it from, first hit wins:
  1. the header `x-sim-scenario`;
  2. a string in the body that is such an object: `user`, `metadata.sim` (OpenAI) or
     `metadata.user_id` (Anthropic).
Without one, a call is a plain text reply whose facts are drawn from the request's own bytes, so
that the same request always gets the same reply.
"""

import dataclasses
import json
import random
import zlib

WORDS = (
    "alpha river stone quiet lantern orbit meadow copper signal harbour violet thread winter "
    "anchor basil cloud drift ember falcon glass hollow island juniper kernel ladder marble "
    "naïve façade 東京 λόγος résumé 🙂 zebra"
).split()

# Text that looks like the metadata of a reply. A decoder must not be taken in by it.
IMITATIONS = (
    '{"usage":{"prompt_tokens":999999,"completion_tokens":888888,"total_tokens":1888887}}',
    '"usage":{"input_tokens":777777,"output_tokens":666666}',
    'data: {"id":"chatcmpl-fake","model":"fake-model","choices":[{"finish_reason":"length"}]}\n\n',
    'data: [DONE]\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    '\\"usage\\":{\\"output_tokens\\":555555} "stop_reason":"refusal" }}]}',
)


@dataclasses.dataclass
class Scenario:
    """Every knob; the defaults are a plain, quick, successful text reply."""

    id: str = ""                 # the harness's own name for the call; lands in the books
    seed: int | None = None      # of the drawn facts
    kind: str = "text"           # text tools reasoning refusal length stop_sequence empty search
    model: str = ""              # model served; default: the dated form of the model asked for
    usage: dict | None = None    # token classes, instead of drawn ones
    chunks: int = 8              # output events of a stream
    text_bytes: int = 0          # at least so much text in the reply, spread over the chunks
    imitate: bool = False        # the text imitates usage, events and the end of the stream
    service_tier: str | None = None

    head_ms: float = 0           # wait before the status line
    first_ms: float = 0          # wait between head (and non-output events) and first output
    delay_ms: float = 0          # wait between output events

    framing: str = ""            # length chunked close; default: streams chunked, bodies length
    coding: str = ""             # gzip deflate br zstd compress, if the request accepts it
    pieces: int = 1              # a body that is no stream goes out in so many writes
    sse: str = "lf"              # lf crlf cr multiline comments ids split joined bom noblank
    informational: list = dataclasses.field(default_factory=list)  # e.g. [100, 103]
    close: bool = False          # close the connection after the reply
    leading_blank: bool = False  # blank lines before a JSON body, blanks after it

    error: str = ""              # see errors.py; the reply is an error
    fail_times: int = 0          # with error: only the first N attempts fail
    retry_after: float | None = None   # seconds, for the retry headers of errors
    stream_error: str = ""       # an error event after `cut_after` output events
    cut_after: int | None = None  # after so many output events: error event or disconnect
    cut: str = ""                # abort (TCP reset) or fin (orderly, body unfinished)
    cut_before_reply: bool = False
    terminal: bool = True        # False: a stream without [DONE]
    null_split: bool = False     # Anthropic: cache_creation is null
    unsplit: int = 0             # Anthropic: of the 5 min writes, so many are in no part of the split

    def randomness(self) -> random.Random:
        return random.Random(self.seed)


_FIELDS = {f.name: f for f in dataclasses.fields(Scenario)}


class BadScenario(ValueError):
    """The harness asked for something that does not exist; answered with HTTP 599."""


def _parse(text: str) -> Scenario:
    try:
        knobs = json.loads(text)
    except ValueError as error:
        raise BadScenario(f"not JSON: {error}") from error
    unknown = set(knobs) - set(_FIELDS)
    if unknown:
        raise BadScenario(f"unknown knobs: {sorted(unknown)}")
    return Scenario(**knobs)


def _in_body(body: dict) -> str | None:
    metadata = body.get("metadata")
    candidates = [body.get("user")]
    if isinstance(metadata, dict):
        candidates += [metadata.get("sim"), metadata.get("user_id")]
    for text in candidates:
        if isinstance(text, str) and text.startswith("{"):
            return text
    return None


def of_request(headers: dict, body: dict, raw: bytes) -> Scenario:
    """The scenario of a request; BadScenario when it is asked for but broken."""
    text = headers.get("x-sim-scenario") or _in_body(body)
    scenario = _parse(text) if text else Scenario()
    if scenario.seed is None:
        scenario.seed = zlib.crc32(raw)
    return scenario


def draw_texts(scenario: Scenario, rng: random.Random) -> list[str]:
    """The reply's text as the pieces of a stream: at least one character each."""
    count = max(1, scenario.chunks)
    pieces = [rng.choice(WORDS) + " " for _ in range(count)]
    if scenario.imitate:
        for index, imitation in enumerate(IMITATIONS):
            pieces[(index * 7) % count] += imitation
    if scenario.text_bytes:
        each = scenario.text_bytes // count + 1
        for index in range(count):
            filler = "".join(rng.choices("abcdefghij klmnopqrstuvwxyz0123456789", k=256))
            pieces[index] += (filler * (each // 256 + 1))[:each]
    return pieces


def draw_arguments(rng: random.Random) -> str:
    """Arguments of a tool call, as the JSON text a model would write."""
    return json.dumps({"city": rng.choice(WORDS), "days": rng.randrange(1, 9)},
                      ensure_ascii=rng.random() < 0.5)
