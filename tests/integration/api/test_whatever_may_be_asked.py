"""Schemathesis asks whatever the OpenAPI document allows, and what it does not: no 5xx, no answer that the document does not tell."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.nightly import examples

#: Examples of each operation; HYPOTHESIS_PROFILE=nightly asks more.
EXAMPLES = examples(9)
#: Headers with which nearly all requests would have the same answer: another organization, a position that is not there yet.
NOT_ANY = ("Entitlements-Organization", "Entitlements-Consistency")


def what_the_document_says_is_an_id_is_one(_: Any, response: Any, case: Any) -> None:
    """An id may be unknown; its form is told by the document."""
    if case.meta.generation.mode.is_positive and "problem" in response.headers.get("content-type", [""])[0]:
        assert response.json()["code"] != "invalid_id", response.text


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    what_the_document_says_is_an_id_is_one,
]


@pytest.fixture(scope="module")
def document(service: Any) -> Any:
    return httpx.get(f"{service.url}/openapi.json").json()


def operations_of(schema: Any) -> list[Any]:
    return [found.ok() for found in schema.get_all_operations()]


def test_no_answer_is_a_failure_of_ours_or_not_told_by_the_document(service: Any, account: Any, document: Any) -> None:
    schema = schemathesis.openapi.from_dict(document)
    headers = {"authorization": account.http.headers["authorization"]}
    asked: set[str] = set()
    failures: list[str] = []
    for operation in operations_of(schema):
        if operation.path == "/v1/changes":
            continue  # It does not end.

        @settings(
            max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @operation_strategy(operation)
        def ask(case: Any) -> None:
            for name in NOT_ANY:
                case.headers.pop(name, None)
            response = case.call(base_url=service.url, headers=headers, timeout=30)
            case.validate_response(response, checks=CHECKS)

        try:
            ask()
        except BaseExceptionGroup as group:
            failures += [f"{operation.label}: {error}" for error in group.exceptions]
        except Failure as error:
            failures.append(f"{operation.label}: {error}")
        asked.add(operation.label)
    assert len(asked) > 60
    assert failures == [], "\n\n".join(failures)


def operation_strategy(operation: Any) -> Any:
    from hypothesis import given

    return given(case=operation.as_strategy())


def test_the_document_is_openapi_3_1_with_examples(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["components"]["schemas"]["CheckBody"]["properties"]["customer_id"]["examples"]
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids))
