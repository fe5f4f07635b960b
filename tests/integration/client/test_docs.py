"""Every snippet of the client's pages is run against the whole service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.serving import OPERATOR

from entitlements_client.asking.facades import Shared

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "clients/python/README.md", ROOT / "docs/client.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_does_what_it_says(
    page: Path, account: Any, installation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTITLEMENTS_URL", account.address.url)
    monkeypatch.setenv("ENTITLEMENTS_API_KEY", account.address.api_key)
    monkeypatch.setenv("ENTITLEMENTS_OPERATOR_KEY", installation.key(OPERATOR, act_for="all"))
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(page.read_text())
    assert len(blocks) >= 3
    names: dict[str, Any] = {}
    made: list[Any] = []
    for block in blocks:
        code = block.replace("ws-1", account.customer_id).replace("/var/lib/my-app", str(tmp_path))
        code = code.replace("acme-inc", account.organization_id)
        exec(compile(code, str(page), "exec"), names)
        made += [each for each in names.values() if isinstance(each, Shared) and each not in made]
        if "app" in names:
            made.append(answers(names.pop("app"), account.customer_id))
    assert "ENTITLEMENTS" in names or page.name == "README.md"
    made.append(names.get("ENTITLEMENTS", names["entitlements"]))
    for each in made:
        found = getattr(each, "entitlements", each)
        if not found._stopping.is_set():
            found._stop()


def answers(app: Any, customer_id: str) -> Any:
    """Ask an application of the page for its reports; gives what it asks by."""
    headers = {"x-customer": customer_id}
    if hasattr(app, "test_client"):
        assert app.test_client().get("/reports", headers=headers).status_code == 200
        return app.extensions["entitlements"].entitlements
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient

    with TestClient(app) as client:
        assert client.get("/reports", headers=headers).json() == {"hello": "world"}
        assert client.get("/reports", headers={"x-customer": "nobody"}).status_code == 403
    return app.user_middleware[0].kwargs["asked"].entitlements
