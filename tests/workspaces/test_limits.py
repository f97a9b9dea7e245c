"""Bodies that are too large are refused at the door, whatever they are for."""

from __future__ import annotations

import httpx
import pytest
from django.conf import settings

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_body_that_is_too_large_is_refused_with_the_limit() -> None:
    from studio.asgi import application

    transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        body = b" " * (settings.DUTO.request_max_bytes + 1)
        answer = await client.post("/api/v1/me/", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
