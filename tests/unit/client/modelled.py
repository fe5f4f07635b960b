"""One quota and its reservations, as the service promises to keep them; and the same behind HTTP."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from scripted import Asked, Reply


@dataclass
class Held:
    quantity: int
    expires_at: float


@dataclass
class ModelService:
    """One quota. Repeats of a request have one effect and the original answer, as the service promises."""

    limit: int
    now: float = 0.0
    consumed: int = 0
    held: dict[str, Held] = field(default_factory=dict)
    answers: dict[str, object] = field(default_factory=dict)

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.held = {name: held for name, held in self.held.items() if held.expires_at > self.now}

    @property
    def free(self) -> int:
        return max(0, self.limit - self.consumed - sum(held.quantity for held in self.held.values()))

    def reserve(self, name: str, quantity: int, term: float) -> bool:
        if name not in self.answers:
            if quantity > self.free:
                return False  # A refusal frees the key.
            self.held[name] = Held(quantity, self.now + term)
            self.answers[name] = True
        return True

    def commit(self, name: str, key: str, quantity: int, *, final: bool) -> bool:
        if key not in self.answers:
            held = self.held.get(name)
            if held is None:
                return False
            assert quantity <= held.quantity, "a lease commits no more than it holds"
            self.consumed += quantity
            held.quantity -= quantity
            if final or not held.quantity:
                del self.held[name]
            self.answers[key] = True
        return True

    def report(self, key: str, quantity: int) -> None:
        if key not in self.answers:
            self.consumed += quantity
            self.answers[key] = True

    def extend(self, name: str, term: float) -> bool:
        if name in self.held:
            self.held[name].expires_at = self.now + term
        return name in self.held

    def release(self, name: str) -> None:
        self.held.pop(name, None)


@dataclass
class ModelBehindHttp:
    """The model on the wall clock, as a script. away: every connection is cut."""

    model: ModelService
    away: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    began_at: float = field(default_factory=time.monotonic)
    usage_seen: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, asked: Asked) -> Reply | None:
        if self.away:
            return None
        with self.lock:
            self.model.tick(time.monotonic() - self.began_at - self.model.now)
            return self._answer(asked)

    def _answer(self, asked: Asked) -> Reply:  # noqa: PLR0911 - one for each route.
        key, body = asked.headers.get("idempotency-key", ""), asked.body or {}
        parts = asked.path.strip("/").split("/")
        match parts[1:]:
            case ["reservations"]:
                if not self.model.reserve(body["reservation_id"], body["quantity"], body["expires_in"]):
                    return 409, {
                        "code": "quota_exceeded",
                        "status": 409,
                        "detail": "The quantity exceeds the remaining amount.",
                    }
                return 200, body | {"pool_id": "pool"}
            case ["reservations", name, "commit"]:
                if not self.model.commit(name, key, body["quantity"], final=body["final"]):
                    return 404, {"code": "unknown_reservation", "status": 404}
                return 200, {"status": "committed"}
            case ["reservations", name, "extend"]:
                is_held = self.model.extend(name, body["expires_in"])
                return (
                    (200, {"status": "extended"}) if is_held else (404, {"code": "unknown_reservation", "status": 404})
                )
            case ["reservations", name, "release"]:
                self.model.release(name)
                return 200, {"status": "released"}
            case ["usage"]:
                self.model.report(body["usage_id"], body["quantity"])
                self.usage_seen.append(body)
                return 200, {"usage_id": body["usage_id"], "pool_id": "pool"}
        return 404, {"code": "not_found", "status": 404}
