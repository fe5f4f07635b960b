"""Whole numbers, texts and bytes, both ways. What comes again and again is converted once and looked up afterwards."""

from __future__ import annotations

from typing import Final, TypeVar

K = TypeVar("K")
V = TypeVar("V")

#: Texts of so many bytes at most are looked up, and so many of each kind are remembered; then all are forgotten.
SHORT_BYTES_MAX: Final = 24
_REMEMBERED_MAX: Final = 50_000
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1
#: Bytes of a whole number: seven bits each.
_LONG_BYTES_MAX: Final = 10


class Unusual(Exception):
    """Not what is known here: fastavro decides."""


class WrittenLongs(dict[int, bytes]):
    """Whole numbers as Avro writes them: zigzag, seven bits a byte, the lowest first."""

    def __missing__(self, number: int) -> bytes:
        if type(number) is not int or not _LONG_MIN <= number <= _LONG_MAX:
            raise Unusual
        left, written = (number << 1) ^ (number >> 63), bytearray()
        while left > 0x7F:
            written.append(left & 0x7F | 0x80)
            left >>= 7
        written.append(left)
        return _remember(self, number, bytes(written))


class WrittenTexts(dict[str, bytes]):
    """Texts as Avro writes them: their length in bytes, then UTF-8."""

    def __missing__(self, text: str) -> bytes:
        if type(text) is not str:
            raise Unusual
        encoded = text.encode()
        written = LONGS_OUT[len(encoded)] + encoded
        return written if len(encoded) > SHORT_BYTES_MAX else _remember(self, text, written)


class ReadTexts(dict[bytes, str]):
    """Short texts from their UTF-8."""

    def __missing__(self, encoded: bytes) -> str:
        return _remember(self, encoded, encoded.decode())


class ReadWrittenTexts(dict[bytes, str]):
    """Short texts from all of their bytes, with the one that is their length."""

    def __missing__(self, written: bytes) -> str:
        text = written[1:].decode()
        return text if len(written) > SHORT_BYTES_MAX + 1 else _remember(self, written, text)


class ReadLongs(dict[bytes, int]):
    """Whole numbers from their bytes, each of them whole."""

    def __missing__(self, written: bytes) -> int:
        number, end = (
            long_in(written, 1, written[0]) if written[0] > 0x7F else ((written[0] >> 1) ^ -(written[0] & 1), 1)
        )
        assert end == len(written), "one number"
        return _remember(self, written, number)


def _remember(known: dict[K, V], key: K, value: V) -> V:
    if len(known) >= _REMEMBERED_MAX:
        known.clear()
    known[key] = value
    return value


LONGS_OUT: Final = WrittenLongs()
TEXTS_OUT: Final = WrittenTexts()
TEXTS_IN: Final = ReadTexts()
#: Of what a pattern matched.
WRITTEN_TEXTS_IN: Final = ReadWrittenTexts()
WRITTEN_LONGS_IN: Final = ReadLongs()
#: Instants of our time have six bytes; there are few different ones in a frame.
_SIX_BYTES_IN: Final[dict[bytes, int]] = {}


def long_out(number: int) -> bytes:
    """As LONGS_OUT, but no truth and no float that equals a whole number: fastavro does not take them in a union."""
    if type(number) is not int:
        raise Unusual
    return LONGS_OUT[number]


def bool_out(truth: bool) -> bytes:  # noqa: FBT001 - the value itself.
    """A truth, and nothing that equals one."""
    if type(truth) is not bool:
        raise Unusual
    return b"\x01" if truth else b"\x00"


def int_out(number: int) -> bytes:
    """A whole number of 32 bits."""
    if type(number) is not int or not -(2**31) <= number < 2**31:
        raise Unusual
    return LONGS_OUT[number]


def bytes_out(blob: bytes) -> bytes:
    """Bytes, after their length."""
    if type(blob) is not bytes:
        raise Unusual
    return LONGS_OUT[len(blob)] + blob


def long_in(value: bytes, at: int, first: int) -> tuple[int, int]:
    """A whole number of more than one byte, the first of which was read; and the position after it."""
    second = value[at]
    if second < 0x80:
        raw = first & 0x7F | second << 7
        return (raw >> 1) ^ -(raw & 1), at + 1
    known = _SIX_BYTES_IN.get(value[at - 1 : at + 5])
    if known is not None:
        return known, at + 5
    raw, shift = first & 0x7F, 7
    for end in range(at, at + _LONG_BYTES_MAX - 1):
        byte = value[end]
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    else:
        raise Unusual
    if raw >> 64:
        raise Unusual
    number = (raw >> 1) ^ -(raw & 1)
    if end - at == 4:
        _remember(_SIX_BYTES_IN, value[at - 1 : at + 5], number)
    return number, end + 1


def text_in(value: bytes, at: int, first: int) -> tuple[str, int]:
    """A text, the first byte of whose length was read; and the position after it."""
    blob, at = bytes_in(value, at, first)
    return blob.decode(), at


def bytes_in(value: bytes, at: int, first: int) -> tuple[bytes, int]:
    """As text_in, for bytes."""
    length, at = ((first >> 1) ^ -(first & 1), at) if first < 0x80 else long_in(value, at, first)
    if length < 0:
        raise Unusual
    return value[at : at + length], at + length
