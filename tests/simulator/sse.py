"""Server-sent events in every framing that the specification allows and servers use."""


def _fields(event, style: str, number: int) -> list[str]:
    lines = []
    if style == "comments":
        lines += [": keep-alive", "unknown: field"]
    if style == "ids":
        lines += [f"id: {number}", "retry: 1500"]
    if event.name:
        lines.append(f"event: {event.name}")
    data = event.data
    if style == "multiline" and data.startswith("{"):
        # A line break between tokens is white space in JSON, so the join stays valid.
        lines += ["data: {", "data:" + data[1:]]
    else:
        lines.append("data: " + data)
    return lines


def render(event, style: str, number: int, last: bool) -> bytes:
    """The bytes of one event."""
    end = {"crlf": "\r\n", "cr": "\r"}.get(style, "\n")
    text = "".join(line + end for line in _fields(event, style, number))
    if style == "comments":   # not in "ids": after an id, SDKs take a lone comment for an event
        text = ": a comment alone" + end + end + text
    if not (last and style == "noblank"):
        text += end
    data = text.encode()
    return b"\xef\xbb\xbf" + data if style == "bom" and number == 0 else data


def cut_into_writes(rendered: list, style: str) -> list:
    """Groups (bytes, event or None) into writes: a list of (bytes, [events completed by it])."""
    writes = []
    if style == "split":
        for data, event in rendered:
            third = max(1, len(data) // 3)
            writes += [(data[:third], []), (data[third:2 * third], []),
                       (data[2 * third:], [event])]
    elif style == "joined":
        for start in range(0, len(rendered), 4):
            group = rendered[start:start + 4]
            writes.append((b"".join(d for d, _ in group), [e for _, e in group]))
    else:
        writes = [(data, [event]) for data, event in rendered]
    return writes
