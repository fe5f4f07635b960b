"""The lines of the stream of changes, and positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from entitlements_client.asking.changes import Change, EventLines, ServerEvent
from entitlements_client.asking.memory import includes, positions

NAMES = st.sampled_from(["change", "policies", "reset"])
DATA = st.text(
    st.characters(exclude_characters="\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", exclude_categories=["Cs"]),
    max_size=30,
)
PLACES = st.text("0123456789:,ce", max_size=12)


def written(event: tuple[str, str, str], *, heartbeat: bool) -> list[str]:
    place, name, data = event
    return [*([": alive", ""] if heartbeat else []), f"id: {place}", f"event: {name}", f"data: {data}", ""]


@given(st.lists(st.tuples(st.tuples(PLACES, NAMES, DATA), st.booleans())), st.integers(min_value=0))
def test_a_stream_that_is_cut_anywhere_gives_whole_events_and_the_place_after_the_last(
    events: list[tuple[tuple[str, str, str], bool]], cut: int
) -> None:
    lines = [line for event, heartbeat in events for line in written(event, heartbeat=heartbeat)]
    reading = EventLines()
    fed = [reading.feed(line) for line in lines[: cut % (len(lines) + 1)]]
    found = [event for event in fed if event is not None]
    assert found == [ServerEvent(name, data) for (_, name, data), _ in events[: len(found)]]
    assert reading.last_event_id == (events[len(found) - 1][0][0] if found else "")
    reading.connected()
    assert reading.feed("event: reset") is None
    assert reading.feed("") == ServerEvent("reset", "")


def test_data_of_several_lines_is_joined_and_comments_are_signs_of_life() -> None:
    reading = EventLines()
    assert [reading.feed(line) for line in (": alive", "", "data: {", "data: }", "")][-1] == ServerEvent("", "{\n}")
    assert ServerEvent("change", "no json").document() == {}


def test_a_change_names_the_organization_of_its_customer() -> None:
    change = Change.from_document({"type": "entitlement.revoked", "organization_id": "acme", "customer_id": "ws-1"})
    assert (change.organization_id, change.customer_id, change.revokes) == ("acme", "ws-1", True)


def test_positions_are_compared_partition_by_partition() -> None:
    assert positions("0:17,1:4") == {0: 17, 1: 4}
    assert positions("") == positions("nonsense") == {}
    assert includes({0: 17, 1: 4}, {0: 17})
    assert not includes({0: 17}, {1: 0})
