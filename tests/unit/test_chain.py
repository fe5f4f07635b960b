"""Which frames count (docs/architecture.md 3.4): the rules of the one chain reader, on frames written by honest, rival and broken writers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.errors import LedgerHasAGap, LedgerIsCorrupt
from entitlements.ledger.chain import NO_HASH, TIPS_MAX, ChainPosition, ChainReader, Verdict
from entitlements.ledger.frames import FrameHead, read_head, write_frame
from entitlements.ledger.records import name_of_command, shape_of
from entitlements_schemas import Wire


def frame(head: FrameHead, engine: str = "a") -> bytes:
    return write_frame(head, decided_at_ms=0, engine=engine, events=[], refusals=[])


def digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()


@dataclass
class Log:
    """A partition of the ledger, its reader, and what the reader said of each record."""

    reader: ChainReader = field(default_factory=lambda: ChainReader(0, ChainPosition()))
    records: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def append(self, value: bytes | None, stated_hash: bytes | None) -> Verdict:
        self.records.append((value, stated_hash))
        verdict = self.reader.read(len(self.records) - 1, value, stated_hash)
        self.verdicts.append(verdict)
        return verdict

    def write(self, value: bytes) -> Verdict:
        return self.append(value, digest(value))

    @property
    def at(self) -> ChainPosition:
        return self.reader.position

    def next_frame(self, commands: int = 1, engine: str = "a") -> bytes:
        """What an honest engine writes now."""
        at = self.at
        return frame(FrameHead(0, at.last_command + 1, at.last_command + commands, at.offset, at.hash), engine)


def a_log(frames: int = 3) -> Log:
    log = Log()
    for _ in range(frames):
        log.write(log.next_frame(10))
    return log


def resumed(log: Log) -> ChainReader:
    """A reader that goes on from the log's stored position, and reads what is there already."""
    reader = ChainReader(0, ChainPosition.from_json(log.at.to_json()))
    for offset in range(reader.starts_at, len(log.records)):
        expected = Verdict.KNOWN if offset == log.at.offset else log.verdicts[offset]
        assert reader.read(offset, *log.records[offset]) is expected
    return reader


# --- Frames that count ---------------------------------------------------------------------------------------------------


def test_each_frame_that_continues_the_last_is_valid_and_moves_the_position() -> None:
    log = a_log(3)
    assert log.verdicts == [Verdict.VALID] * 3
    assert (log.at.offset, log.at.last_command) == (2, 29)
    assert log.at.hash == digest(log.records[2][0] or b"")


def test_the_first_frame_may_start_at_any_command() -> None:
    log = Log()
    assert log.write(frame(FrameHead(0, 7_000, 7_010, -1, NO_HASH))) is Verdict.VALID
    assert log.at.last_command == 7_010


def test_the_head_is_read_without_the_body() -> None:
    head = FrameHead(3, 5, 9, 2, digest(b"before"))
    assert read_head(frame(head)) == head
    assert read_head(frame(head)[:60]) == head
    assert read_head(b"\0\0") is None
    assert read_head(b"nothing of ours") is None


def test_a_reader_starts_where_a_position_says() -> None:
    log = a_log(3)
    later = resumed(log)
    value = log.next_frame()
    assert later.read(3, value, digest(value)) is Verdict.VALID


def test_a_reader_is_shown_first_the_frame_it_stands_at() -> None:
    log = a_log(3)
    reader = ChainReader(0, log.at)
    assert reader.starts_at == 2
    assert reader.read(2, *log.records[2]) is Verdict.KNOWN
    assert reader.position == log.at


@pytest.mark.parametrize(
    "elsewhere",
    [
        ChainPosition(2, 29, digest(b"other")),
        ChainPosition(2, 28, digest(b"other")),
        ChainPosition(1, 29, digest(b"other")),
    ],
)
def test_a_position_that_does_not_come_from_this_ledger_is_a_gap(elsewhere: ChainPosition) -> None:
    log = a_log(3)
    reader = ChainReader(0, elsewhere)
    with pytest.raises(LedgerHasAGap, match=rf"Frame {elsewhere.offset} of partition 0"):
        reader.read(reader.starts_at, *log.records[reader.starts_at])


def test_a_ledger_that_begins_after_a_position_is_a_gap() -> None:
    log = a_log(3)
    reader = ChainReader(0, ChainPosition(1, 19, digest(log.records[1][0] or b"")))
    with pytest.raises(LedgerHasAGap, match=r"Frame 1 of partition 0 is missing"):
        reader.read(2, *log.records[2])


# --- Rivals --------------------------------------------------------------------------------------------------------------


def test_of_two_frames_that_compete_the_first_in_the_log_wins() -> None:
    log = a_log(1)
    mine, theirs = log.next_frame(5, "a"), log.next_frame(9, "b")
    assert log.write(theirs) is Verdict.VALID
    assert log.write(mine) is Verdict.RIVAL
    assert log.at.last_command == 9 + 9


def test_whatever_hangs_on_a_rivals_branch_is_dropped_with_it() -> None:
    log = a_log(1)
    rival = Log(ChainReader(0, log.at), list(log.records))
    branch = [rival.next_frame(5, "b")]
    log.write(log.next_frame(5, "a"))
    for _ in range(3):  # The rival goes on from frame to frame, as if it had been right.
        assert log.write(branch[-1]) is Verdict.RIVAL
        head = read_head(branch[-1])
        assert head is not None
        link = FrameHead(0, head.last_command + 1, head.last_command + 5, len(log.records) - 1, digest(branch[-1]))
        branch.append(frame(link, "b"))
    assert log.write(log.next_frame(1, "a")) is Verdict.VALID
    assert log.write(branch[-1]) is Verdict.RIVAL


def test_the_same_frame_written_twice_counts_once() -> None:
    log = Log()
    first = log.next_frame()
    log.write(first)
    second = log.next_frame()
    assert [log.write(value) for value in (first, second, second, first)] == [
        Verdict.RIVAL, Verdict.VALID, Verdict.RIVAL, Verdict.RIVAL,
    ]  # fmt: skip
    assert log.at.last_command == 1


def test_a_rival_that_was_ahead_is_dropped_as_well() -> None:
    log = a_log(2)
    ahead = log.next_frame(1_000, "b")
    log.write(log.next_frame(1, "a"))
    assert log.write(ahead) is Verdict.RIVAL


def test_rivals_are_remembered_in_bounded_memory() -> None:
    log = a_log(1)
    rivals = [log.next_frame(1, f"rival-{at}") for at in range(TIPS_MAX * 2)]
    log.write(log.next_frame(1))
    for rival in rivals:
        assert log.write(rival) is Verdict.RIVAL
    newest = frame(FrameHead(0, 99, 99, len(log.records) - 1, digest(rivals[-1])))
    assert log.write(log.next_frame(1)) is Verdict.VALID
    assert len(log.at.tips) == TIPS_MAX
    assert log.write(newest) is Verdict.RIVAL


# --- What stops every reader ---------------------------------------------------------------------------------------------


def test_a_flipped_bit_anywhere_in_a_frame_is_corruption_that_names_the_frame() -> None:
    value = a_log(2).next_frame()
    for at in range(0, len(value) * 8, 7):
        broken = bytearray(value)
        broken[at // 8] ^= 1 << at % 8
        log = a_log(2)
        with pytest.raises(LedgerIsCorrupt, match=r"Frame 2 of partition 0"):
            log.append(bytes(broken), digest(value))
        assert log.at == a_log(2).at


def test_a_wrong_a_short_and_a_lost_hash_are_corruption() -> None:
    for stated in (digest(b"other"), b"", digest(a_log(2).next_frame())[:31], None):
        log = a_log(2)
        with pytest.raises(LedgerIsCorrupt, match=r"Frame 2 of partition 0"):
            log.append(log.next_frame(), stated)


def test_a_frame_without_bytes_is_corruption() -> None:
    for value in (None, b""):
        with pytest.raises(LedgerIsCorrupt, match=r"Frame 2 of partition 0"):
            a_log(2).append(value, digest(b"") if value == b"" else digest(b"x"))


def test_a_hash_over_something_that_is_no_frame_is_corruption() -> None:
    for value in (b"hello", b"\0\0\0\0\0", Wire().encode_plain(*a_command_record())):
        with pytest.raises(LedgerIsCorrupt, match=r"has a hash but is not a frame"):
            a_log(2).append(value, digest(value))


@pytest.mark.parametrize(
    "head",
    [
        FrameHead(0, 20, 20, 1, digest(b"never seen")),
        FrameHead(0, 20, 20, 7, digest(b"never seen")),
        FrameHead(0, 20, 20, 0, digest(b"never seen")),  # Would be a rival, but for commands nobody decided yet.
        FrameHead(0, 500, 510, -1, NO_HASH),
    ],
)
def test_a_frame_that_hangs_on_nothing_seen_is_a_gap(head: FrameHead) -> None:
    with pytest.raises(LedgerHasAGap, match=r"Frame 2 of partition 0 follows"):
        a_log(2).write(frame(head))


def test_a_missing_frame_is_a_gap() -> None:
    log, shorter = a_log(4), a_log(2)
    value, stated = log.records[3]
    with pytest.raises(LedgerHasAGap, match=r"Frame 3 of partition 0"):
        shorter.reader.read(3, value, stated)


@pytest.mark.parametrize("first_command", [19, 21])
def test_a_frame_that_hangs_on_the_last_but_leaves_out_or_repeats_commands_is_a_gap(first_command: int) -> None:
    log = a_log(2)
    head = FrameHead(0, first_command, 25, log.at.offset, log.at.hash)
    with pytest.raises(LedgerHasAGap, match=rf"starts at command {first_command}, not at 20"):
        log.write(frame(head))


def test_a_frame_of_another_partition_is_a_gap() -> None:
    log = a_log(2)
    with pytest.raises(LedgerHasAGap, match=r"Frame 2 of partition 0"):
        log.write(frame(FrameHead(1, 20, 20, log.at.offset, log.at.hash)))


# --- What is not ours ----------------------------------------------------------------------------------------------------


def a_command_record() -> tuple[str, dict[str, object]]:
    from entitlements.examples import open_pool

    command = open_pool()
    return name_of_command(command), shape_of(type(command)).to_record(command)


def test_records_that_are_no_frames_are_foreign_and_change_nothing() -> None:
    log = a_log(2)
    before = log.at
    for value in (None, b"", b"hello", b"\0\0\0\0\1", Wire().encode_plain(*a_command_record())):
        assert log.append(value, None) is Verdict.FOREIGN
    assert log.at == before
    assert log.write(log.next_frame()) is Verdict.VALID


# --- The position --------------------------------------------------------------------------------------------------------

POSITIONS = st.builds(
    ChainPosition,
    st.integers(-1, 2**62),
    st.integers(-1, 2**62),
    st.binary(min_size=32, max_size=32),
    st.lists(st.tuples(st.integers(0, 2**62), st.binary(min_size=32, max_size=32)), max_size=4).map(tuple),
)


@given(position=POSITIONS)
def test_a_position_survives_its_text(position: ChainPosition) -> None:
    assert ChainPosition.from_json(position.to_json()) == position


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "5", "null", "{}", "[]", "[1,2]", '[1,2,"zz",[]]', "[1,2,3,4]", '[1,2,"",[5]]', '[[],2,"",[]]'],
)
def test_a_text_that_is_no_position_is_told_apart(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ChainPosition.from_json(text)


def test_a_position_is_short() -> None:
    assert len(a_log(3).at.to_json()) < 100
    assert json.loads(ChainPosition().to_json())[0] == -1


# --- Any interleaving ----------------------------------------------------------------------------------------------------


@dataclass
class Writer:
    """An engine that believes what it last read, writes on that, and does not always look."""

    name: str
    believes: ChainPosition = field(default_factory=ChainPosition)

    def write(self, commands: int, offset: int) -> bytes:
        at = self.believes
        value = frame(FrameHead(0, at.last_command + 1, at.last_command + commands, at.offset, at.hash), self.name)
        # It goes on as if its frame were valid, until it looks again.
        self.believes = ChainPosition(offset, at.last_command + commands, digest(value))
        return value


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["write", "write", "look", "foreign"]), st.integers(1, 3)),
    max_size=40,
)


def interleaved(steps: list[tuple[str, str, int]]) -> Log:
    log, writers = Log(), {name: Writer(name) for name in "abc"}
    for name, action, commands in steps:
        writer = writers[name]
        if action == "look":
            writer.believes = log.at
        elif action == "foreign":
            log.append(name.encode(), None)
        else:
            log.write(writer.write(commands, len(log.records)))
    return log


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_however_engines_interleave_every_command_is_decided_once_in_order_by_the_first_that_wrote(
    steps: list[tuple[str, str, int]],
) -> None:
    log = interleaved(steps)
    heads = [read_head(value or b"") for value, _ in log.records]
    following, last_hash, last_offset = 0, NO_HASH, -1
    for offset, ((value, _), head, verdict) in enumerate(zip(log.records, heads, log.verdicts, strict=True)):
        if head is None:
            assert verdict is Verdict.FOREIGN
            continue
        is_first_that_continues = (head.previous_offset, head.previous_hash) == (last_offset, last_hash)
        assert verdict is (Verdict.VALID if is_first_that_continues else Verdict.RIVAL)
        if is_first_that_continues:
            assert head.first_command == following
            following, last_hash, last_offset = head.last_command + 1, digest(value or b""), offset
    assert log.at.last_command == following - 1


def test_a_long_branch_of_a_rival_is_recognised_again_after_a_stop() -> None:
    steps = [
        ("a", "write", 1),
        ("b", "look", 1),
        ("a", "write", 1),
        ("b", "write", 3),
        ("a", "look", 1),
        ("a", "write", 1),
    ]
    log = interleaved([*steps, ("b", "write", 3), ("b", "write", 3)])
    assert [verdict is Verdict.VALID for verdict in log.verdicts] == [True, True, False, True, False, False]
    assert resumed(log).position == log.at


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, data=st.data())
def test_a_reader_that_resumes_from_any_stored_position_says_the_same(
    steps: list[tuple[str, str, int]], data: st.DataObject
) -> None:
    so_far, log = Log(), interleaved(steps)
    for offset, (value, stated) in enumerate(log.records):
        if data.draw(st.booleans(), label=f"stop and resume before {offset}"):
            so_far.reader = resumed(so_far)
        assert so_far.append(value, stated) is log.verdicts[offset]
    assert so_far.at == log.at
