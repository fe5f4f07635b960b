"""A provider for OpenFeature: flags are resource keys, the targeting key is the customer.

boolean   whether the customer may use the key (attribute `quantity`: so much of it)
integer   what is left of it; without end: 2^53
float     the same number
object    the whole decision, as POST /v1/check answers it

Attributes of the evaluation context: subject_id, action, quantity, request_id, ip_address, user_agent, location; all others are
`metadata` for policies. Reasons are CACHED, STALE and TARGETING_MATCH; DEFAULT where FailOpen or FailClosed says so.

FLAG_NOT_FOUND       the key is not defined, and the customer has nothing of it
TYPE_MISMATCH        a feature has no number, and no key is a text
INVALID_CONTEXT      the targeting key or an attribute is of another type than it must be, or too large, or the service refuses it
TARGETING_KEY_MISSING
PROVIDER_NOT_READY   the client was closed
GENERAL              the service is away, and nothing is known that may be relied on
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

try:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.event import ProviderEventDetails
    from openfeature.exception import ErrorCode
    from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
    from openfeature.immutable_dict.mapping_proxy_type import MappingProxyType
    from openfeature.provider import AbstractProvider, Metadata
except ModuleNotFoundError as error:
    needed = "The provider needs the extra `openfeature`: pip install 'entitlements-client[openfeature]'."
    raise ModuleNotFoundError(needed, name=error.name) from error

from entitlements_client.asking.changes import Change
from entitlements_client.asking.facades import Entitlements
from entitlements_client.deciding import Context, Decision, Request
from entitlements_client.deciding.context import DEPTH_MAX, VALUES_MAX
from entitlements_client.deciding.instants import plain
from entitlements_client.deciding.refusals import shown
from entitlements_client.errors import EntitlementsError, RequestError

WITHOUT_END: Final = 2**53
_CLIENT: Final = ("ip_address", "user_agent", "location")
_TEXTS: Final = ("subject_id", "action", "request_id", *_CLIENT)
_OWN: Final = {"quantity", *_TEXTS}
#: Answers of a failure mode that somebody chose for the key; a grace that is over answers nothing.
_CHOSEN: Final = {"failed_open", "failed_closed"}
_REASONS: Final = {"CACHED": Reason.CACHED, "STALE": Reason.STALE, "FALLBACK": Reason.DEFAULT}


class _Convert(Protocol):
    def __call__(self, decision: Decision) -> Any: ...


class EntitlementsProvider(AbstractProvider):
    """OpenFeature provider backed by an Entitlements client, which the application closes."""

    def __init__(self, entitlements: Entitlements, connect_within: float = 5.0) -> None:
        """connect_within: seconds that initialize waits for the stream of changes, where it is followed."""
        super().__init__()
        self._entitlements, self._connect_within = entitlements, connect_within
        entitlements.on_change(self._changed)
        entitlements.on_standing(self._standing)

    def get_metadata(self) -> Metadata:
        return Metadata(name="entitlements")

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Wait for the stream of changes. The provider is then READY. Raises TimeoutError, and the provider is in ERROR."""
        del evaluation_context
        if not self._entitlements.wait_until_connected(self._connect_within):
            raise TimeoutError("the stream of changes is not connected")

    def _changed(self, change: Change) -> None:
        details = ProviderEventDetails(
            flags_changed=[change.resource_key], message=change.type, metadata={"customer_id": change.customer_id}
        )
        self.emit_provider_configuration_changed(details)

    def _standing(self, is_heard: bool) -> None:  # noqa: FBT001 - a listener.
        if is_heard:
            self.emit_provider_ready(ProviderEventDetails(message="changes are heard"))
        else:
            self.emit_provider_stale(ProviderEventDetails(message="changes are not heard of any more"))

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,  # noqa: FBT001 - OpenFeature's.
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context, lambda decision: decision.allowed)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context, _remaining)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return self._resolve(flag_key, default_value, evaluation_context, lambda decision: decision.to_document())

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context, lambda _: None)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        def number(decision: Decision) -> float | None:
            found = _remaining(decision)
            return None if found is None else float(found)

        return self._resolve(flag_key, default_value, evaluation_context, number)

    # The SDK's own ones would block the event loop while the service is asked.

    async def resolve_boolean_details_async(
        self,
        flag_key: str,
        default_value: bool,  # noqa: FBT001 - OpenFeature's.
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return await asyncio.to_thread(self.resolve_boolean_details, flag_key, default_value, evaluation_context)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return await asyncio.to_thread(self.resolve_integer_details, flag_key, default_value, evaluation_context)

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return await asyncio.to_thread(self.resolve_object_details, flag_key, default_value, evaluation_context)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return await asyncio.to_thread(self.resolve_string_details, flag_key, default_value, evaluation_context)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return await asyncio.to_thread(self.resolve_float_details, flag_key, default_value, evaluation_context)

    def _resolve(
        self, flag_key: str, default: Any, context: EvaluationContext | None, convert: _Convert
    ) -> FlagResolutionDetails[Any]:
        if self._entitlements.is_closed:
            return _error(default, ErrorCode.PROVIDER_NOT_READY, "The Entitlements client is closed.")
        if context is None or context.targeting_key is None or context.targeting_key == "":
            said = "The targeting key is the customer."
            return _error(default, ErrorCode.TARGETING_KEY_MISSING, said)
        try:
            decision = self._entitlements.decide(_request(flag_key, context.targeting_key, context.attributes))
        except RequestError as error:
            return _error(default, ErrorCode.INVALID_CONTEXT, str(error))
        except EntitlementsError as error:
            return _error(default, ErrorCode.GENERAL, str(error))
        value = convert(decision)
        problem = _problem(decision, value, is_text=isinstance(default, str))
        if problem is not None:
            return _error(default, *problem)
        return FlagResolutionDetails(
            value=value,
            reason=_REASONS.get(decision.source, Reason.TARGETING_MATCH),
            variant=decision.reason_code,
            flag_metadata=_metadata(decision),
        )


def _problem(decision: Decision, value: Any, *, is_text: bool) -> tuple[ErrorCode, str] | None:
    """Why a decision is no answer to a flag of this type; None: it is one."""
    if decision.reason_code in {"invalid_quantity", "context_too_large"}:
        return ErrorCode.INVALID_CONTEXT, decision.sentence
    if decision.source == "FALLBACK":
        is_answer = decision.reason_code in _CHOSEN and type(value) is bool
        return None if is_answer else (ErrorCode.GENERAL, decision.sentence)
    if decision.data_type is None and not decision.matched_policies:
        return ErrorCode.FLAG_NOT_FOUND, f"{decision.resource_key} is no key that is defined."
    if value is None:
        return ErrorCode.TYPE_MISMATCH, f"{decision.resource_key} is no {'text' if is_text else 'number'}."
    return None


def _request(flag_key: str, customer_id: str, attributes: Mapping[str, Any]) -> Request:
    """The question. Raises RequestError for an attribute of another type: what is dropped would be answered as if it was not asked."""
    if not isinstance(customer_id, str):
        raise RequestError(f"(the targeting key must be a string, not {shown(customer_id)})")
    quantity = attributes.get("quantity")
    if quantity is not None and type(quantity) is not int:
        raise RequestError(f"(quantity must be an integer, not {shown(quantity)})")
    for name in _TEXTS:
        if not isinstance(attributes.get(name, ""), str | None):
            raise RequestError(f"({name} must be a string, not {shown(attributes[name])})")
    context = Context(
        request_id=attributes.get("request_id"),
        client={name: attributes[name] for name in _CLIENT if name in attributes},
        metadata=_Json().of({name: value for name, value in attributes.items() if name not in _OWN}),
    )
    subject_id, action = attributes.get("subject_id") or "", attributes.get("action") or ""
    return Request(customer_id, flag_key, quantity, subject_id, action, context)


class _Json:
    """Attributes as JSON has them, wherever they are in: dates are texts, other mappings and sequences are objects and lists.

    Bounded as what policies may ask for: attributes may hold each other, again and again.
    """

    def __init__(self) -> None:
        self._values = 0

    def of(self, value: Any, depth: int = 0) -> Any:
        """Raises RequestError: too many values, too deep, or nothing that JSON has."""
        self._values += 1
        if depth > DEPTH_MAX or self._values > VALUES_MAX:
            raise RequestError(f"(attributes may hold {VALUES_MAX:,} values, nested {DEPTH_MAX} deep)")
        if isinstance(value, Mapping):
            return {str(name): self.of(each, depth + 1) for name, each in value.items()}
        if isinstance(value, Sequence) and not isinstance(value, str | bytes):
            return [self.of(each, depth + 1) for each in value]
        found = plain(value)
        if not isinstance(found, str | int | float | None):
            raise RequestError(f"(attributes are JSON or dates, not {type(value).__name__})")
        return found


def _remaining(decision: Decision) -> int | None:
    """What is left; None: there is nothing to be counted. Of a number that the customer has not nothing is left."""
    if decision.data_type != "integer":
        return None
    if decision.entitlement_type is None:
        return 0
    return WITHOUT_END if decision.remaining is None else decision.remaining


def _metadata(decision: Decision) -> Mapping[str, bool | int | float | str]:
    """What is told beside the value. Nobody changes it afterwards (OpenFeature 1.4.15.1)."""
    return MappingProxyType(
        {
            "decision_id": decision.decision_id,
            "source": decision.source,
            "policy_version": decision.policy_version,
            "as_of": decision.as_of.position,
        }
    )


def _error(default: Any, code: ErrorCode, said: str) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(value=default, error_code=code, error_message=said, reason=Reason.ERROR)
