"""Usage sent by the CloudEvents SDK of Python, as of 1.x and of 2.x: whatever it makes of an event counts as that event, once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion
from cloudevents.v1.http import CloudEvent as CloudEventOf1

BATCH = "application/cloudevents-batch+json"


def attributes(account: Any, **more: str) -> dict[str, Any]:
    said = {"id": "e 100%", "source": f"/gw/{account.pool_id}", "type": "com.example.call"}
    return said | {"subject": account.customer_id} | more


def forms(said: dict[str, Any], data: dict[str, Any]) -> dict[str, tuple[dict[str, str], bytes]]:
    """(headers, body) of every form in which the SDK sends an event. Without a time it would stamp each with another."""
    coded, at = json.dumps(data).encode(), datetime.now(UTC)
    said, of_1 = said | {"time": at}, said | {"time": at.isoformat()}
    found = {
        "binary": to_binary_event(CloudEvent(dict(said), data)),
        "structured": to_structured_event(CloudEvent(dict(said), data)),
        "structured, data_base64": to_structured_event(CloudEvent(dict(said), coded)),
        "binary of 1.x": conversion.to_binary(CloudEventOf1(dict(of_1), data), None),
        "structured of 1.x": conversion.to_structured(CloudEventOf1(dict(of_1), data), None),
        "structured of 1.x, data_base64": conversion.to_structured(CloudEventOf1(dict(of_1), coded), None),
    }
    return {
        form: (dict(made.headers), made.body) if hasattr(made, "headers") else (dict(made[0]), made[1])
        for form, made in found.items()
    }


def post(account: Any, headers: dict[str, str], body: bytes) -> httpx.Response:
    answer: httpx.Response = account.http.post("/v1/events", content=body, headers=headers)
    return answer


def test_an_event_counts_once_in_whatever_form_the_sdk_sends_it(account: Any) -> None:
    sent = forms(attributes(account), {"resource_key": "api_calls", "quantity": 2})
    assert all("content-type" not in sent[form][0] for form in ("binary", "binary of 1.x"))
    assert all(b"data_base64" in body for form, (_, body) in sent.items() if form.endswith("data_base64"))
    answers = {form: post(account, *parts) for form, parts in sent.items()}
    assert {form: (answer.status_code, answer.json()) for form, answer in answers.items()} == dict.fromkeys(
        sent, (200, {"accepted": 1, "refused": []})
    )
    replays = [answer.headers.get("idempotent-replay") for answer in answers.values()]
    assert replays == [None] + ["true"] * (len(sent) - 1)
    token = list(answers.values())[-1].headers["entitlements-consistency"]
    assert account.check("api_calls", token)["consumed"] == 2


def test_a_customer_whose_id_is_not_ascii_is_found_by_a_binary_event(account: Any) -> None:
    account.command("AssignWorkspace", workspace_id=f"Kunde Ä {account.customer_id}", role="secondary")
    said = attributes(account, subject=f"Kunde Ä {account.customer_id}", id="Kaufabschluß €")
    sent = forms(said, {"resource_key": "api_calls", "quantity": 3})
    assert sent["binary"][0]["ce-subject"].isascii()
    answers = [post(account, *sent[form]) for form in ("binary", "structured")]
    assert [answer.json() for answer in answers] == [{"accepted": 1, "refused": []}] * 2
    assert account.check("api_calls", answers[-1].headers["entitlements-consistency"])["consumed"] == 3


@pytest.mark.parametrize("form", ["binary", "structured", "binary of 1.x", "structured of 1.x, data_base64"])
def test_an_emitter_that_looks_at_the_status_alone_learns_of_a_refusal(account: Any, form: str) -> None:
    data = {"resource_key": "api_calls", "quantity": 101, "mode": "strict"}
    answer = post(account, *forms(attributes(account), data)[form])
    with pytest.raises(httpx.HTTPStatusError, match="409"):
        answer.raise_for_status()
    assert answer.json()["code"] == "quota_exceeded"


def test_one_malformed_event_of_a_batch_is_refused_alone(account: Any) -> None:
    data = {"resource_key": "api_calls", "quantity": 1}
    events = [json.loads(forms(attributes(account, id=f"e-{n}"), data)["structured"][1]) for n in range(3)]
    events[1]["data"] = {"quantity": "much"}
    answer = post(account, {"content-type": BATCH}, json.dumps(events).encode())
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 2
    assert [(each["index"], each["id"], each["code"]) for each in answer.json()["refused"]] == [
        (1, "e-1", "invalid_request")
    ]
    assert account.check("api_calls", answer.headers["entitlements-consistency"])["consumed"] == 2
