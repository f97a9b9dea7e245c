"""A studio with one workspace, its people, and REST as each of them calls it: what the tests of the assets start from."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from workspaces.access import WorkspaceContext
from workspaces.models import Member, Role, User, Workspace
from workspaces.services import tokens
from workspaces.services.workspaces import create_workspace

JSON = "application/json"
BYTES = "application/octet-stream"


class WorkspaceScenario:
    """People by role, and REST as each of them sees it."""

    def __init__(self) -> None:
        self.owner = User.objects.create_user("ana")
        self.context: WorkspaceContext = create_workspace(self.owner, "lab")
        self.workspace: Workspace = self.context.workspace
        self.api = RestClient(self.token(self.owner))

    def person(self, name: str, role: Role | None) -> User:
        """A new account; without a role a stranger to the workspace."""
        user = User.objects.create_user(name)
        if role is not None:
            Member.objects.create(workspace=self.workspace, user=user, role=role)
        return user

    def token(self, user: User, role: Role = Role.OWNER) -> str:
        return tokens.mint(user, self.workspace, role, "tests").text

    def client_for(self, role: Role) -> RestClient:
        return RestClient(self.token(self.person(f"a-{role.value}", role), role))

    def put(self, path: str, data: bytes | str, store: str = "workspaceblobstore") -> None:
        """A file on a datastore."""
        from datasets.services.datastores import put_file

        body = data.encode() if isinstance(data, str) else data
        put_file(self.context, store, path, io.BytesIO(body), overwrite=True)


class RestClient:
    """REST below the workspace, with one caller's token."""

    def __init__(self, token: str = "", workspace: str = "lab") -> None:
        self.base = f"/api/v1/workspaces/{workspace}/"
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = Client(headers=headers)

    def get(self, path: str = "", **headers: str) -> Any:
        return self.client.get(self._at(path), headers=headers)

    def post(self, path: str, body: Any = None) -> Any:
        return self.client.post(self._at(path), body if body is not None else {}, content_type=JSON)

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(self._at(path), body, content_type=JSON)

    def put(self, path: str, body: bytes) -> Any:
        return self.client.put(self._at(path), body, content_type=BYTES)

    def delete(self, path: str) -> Any:
        return self.client.delete(self._at(path))

    def queries(self, path: str) -> int:
        """How many statements a GET takes, once the caller's token is known to be in use."""
        self.get(path)
        with CaptureQueriesContext(connection) as seen:
            assert self.get(path).status_code == 200
        return len(seen)

    def _at(self, path: str) -> str:
        return path if path.startswith("/") else self.base + path


@pytest.fixture
def scenario(db: None) -> WorkspaceScenario:
    return WorkspaceScenario()


def code(answer: Any) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def content(answer: Any) -> bytes:
    """The bytes of an answer, streamed or not."""
    if not getattr(answer, "streaming", False):
        return bytes(answer.content)

    async def gather() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    return asyncio.run(gather()) if answer.is_async else b"".join(answer.streaming_content)


def stays_constant(rest: RestClient, path: str, add: Callable[[int], Any]) -> None:
    """A list asks the database as often with eight rows as with two."""
    for number in range(2):
        add(number)
    few = rest.queries(path)
    for number in range(2, 8):
        add(number)
    assert len(rest.get(path).json()["items"]) >= 8
    assert rest.queries(path) == few
