"""Where the values of the Redis protocol (RESP2 and RESP3) end in a stream of bytes."""

from collections.abc import Iterator


def value_end(data: bytes | bytearray, start: int = 0) -> int:
    """Return where the RESP value at `start` ends; -1: not all of it is here."""
    line = data.find(b"\r\n", start)
    if line < 0:
        return -1
    kind, end = data[start : start + 1], line + 2
    if kind not in (b"$", b"=", b"!", b"*", b"~", b">", b"%", b"|"):
        return end  # a simple value, or a command typed as a line
    number = int(data[start + 1 : line])
    if kind in (b"$", b"=", b"!"):
        end += max(number + 2, 0) if number >= 0 else 0
        return end if end <= len(data) else -1
    # A map's size counts pairs; the value that an attribute describes follows it.
    values = {b"%": 2 * number, b"|": 2 * number + 1}.get(bytes(kind), number)
    for _ in range(values):
        end = value_end(data, end)
        if end < 0:
            return -1
    return end


def take_values(buffer: bytearray) -> Iterator[bytes]:
    """Take the complete RESP values off the front of a buffer."""
    while (end := value_end(buffer)) > 0:
        value = bytes(buffer[:end])
        del buffer[:end]
        yield value
