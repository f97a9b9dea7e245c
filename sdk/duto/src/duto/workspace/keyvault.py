"""The secrets of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Union

from duto.client.http import segment
from duto.client.masking import hide
from duto.exceptions import UserErrorException

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace

_AT_ONCE = 100


class Keyvault:
    """The secrets of a workspace: texts that its programs need and nobody shall see, by names in which large and small
    letters are one.

    The studio keeps them encrypted, and writes into the audit who read which. A step that reads one has its value
    replaced by `***` in its log; values of less than four characters are not.
    """

    def __init__(self, workspace: Workspace) -> None:
        """The same as `workspace.get_default_keyvault()`.

        Args:
            workspace: the workspace.
        """
        self._workspace = workspace

    def set_secret(self, name: str, value: str, content_type: str = "") -> None:
        """Set a secret, new or in place of what it was.

        Args:
            name: 1 to 127 letters, digits and hyphens.
            value: a text of 1 to 25,600 bytes, without NUL; bytes are to be encoded, for example as base64.
            content_type: what kind of value that is, for `get_secret_content_type`.

        Raises:
            UserErrorException: the name or the value is none that the studio takes.
            ForbiddenException: these credentials are a reader's, or those of a step.
        """
        self._set({name: value}, {name: content_type} if content_type else {})

    def set_secrets(self, secrets_batch: Union[Mapping[str, str], Iterable[Mapping[str, str]]]) -> None:
        """Set secrets; all of them or none.

        Args:
            secrets_batch: values by their names, or a dictionary with `name`, `value` and perhaps `content_type` for
                each; at most 100.

        Raises:
            UserErrorException: a name or a value is none that the studio takes.
            ForbiddenException: these credentials are a reader's, or those of a step.
        """
        if isinstance(secrets_batch, Mapping):
            self._set(dict(secrets_batch), {})
            return
        rows = [dict(each) for each in secrets_batch]
        for row in rows:
            if not {"name", "value"} <= row.keys():
                raise UserErrorException("Each secret of a list has the keys 'name' and 'value'.")
        values = {row["name"]: row["value"] for row in rows}
        if len(values) != len(rows):
            raise UserErrorException("Two secrets of the list have the same name.")
        self._set(values, {row["name"]: row["content_type"] for row in rows if row.get("content_type")})

    def get_secret(self, name: str) -> Optional[str]:
        """The value of a secret.

        Args:
            name: its name.

        Returns:
            The value; None where there is no secret of this name, as with Azure ML.

        Raises:
            UserErrorException: the name is none that a secret can have.
            ForbiddenException: these credentials are a reader's.
            ConflictException: it was encrypted under another key of the studio.
        """
        return self.get_secrets([name])[name]

    def get_secrets(self, secrets: Iterable[str]) -> Dict[str, Optional[str]]:
        """The values of secrets.

        Args:
            secrets: names.

        Returns:
            By each name its value, None where there is no secret of this name.

        Raises:
            UserErrorException: a name is none that a secret can have.
            ForbiddenException: these credentials are a reader's.
            ConflictException: one was encrypted under another key of the studio.
        """
        names = _names(secrets)
        found: Dict[str, Optional[str]] = {}
        for start in range(0, len(names), _AT_ONCE):
            body = {"names": names[start : start + _AT_ONCE]}
            found.update(self._workspace._client.post(self._workspace._path("secrets/values/"), body)["secrets"])
        hide([value for value in found.values() if value is not None])
        return found

    def list_secrets(self) -> List[Dict[str, str]]:
        """The names of all secrets. No value is told here.

        Returns:
            For each a dictionary with `name` and `content_type`.
        """
        return [
            {"name": str(each["name"]), "content_type": str(each["content_type"])}
            for each in self._workspace._pages("secrets/")
        ]

    def get_secret_content_type(self, name: str) -> str:
        """What `set_secret` was told of the value.

        Args:
            name: its name.

        Returns:
            The text; empty where it was told nothing.

        Raises:
            UserErrorException: there is no secret of this name.
        """
        for each in self.list_secrets():
            if each["name"].lower() == str(name).lower():
                return each["content_type"]
        raise UserErrorException(f"There is no secret '{name}' in workspace '{self._workspace.name}'.")

    def delete_secret(self, name: str) -> None:
        """Delete a secret. There is no way back.

        Args:
            name: its name.

        Raises:
            NotFoundException: there is no secret of this name.
            ForbiddenException: these credentials are a reader's, or those of a step.
        """
        self._workspace._client.delete(self._workspace._path(f"secrets/{segment(str(name))}/"))

    def delete_secrets(self, secrets: Iterable[str]) -> None:
        """Delete secrets, one after the other. There is no way back.

        Args:
            secrets: names.

        Raises:
            NotFoundException: there is no secret of one of these names; those before it are deleted.
            UserErrorException: one name was given in place of several.
            ForbiddenException: these credentials are a reader's, or those of a step.
        """
        for name in _names(secrets):
            self.delete_secret(name)

    def _set(self, values: Dict[str, Any], content_types: Dict[str, Any]) -> None:
        for name, value in values.items():
            if not isinstance(value, str):
                raise UserErrorException(f"The value of the secret '{name}' is a text, not {type(value).__name__}.")
        if values:
            body = {"secrets": values, "content_types": content_types}
            self._workspace._client.post(self._workspace._path("secrets/"), body)

    def __repr__(self) -> str:
        return f"Keyvault(workspace='{self._workspace.name}')"


def _names(secrets: Iterable[str]) -> List[str]:
    """One name alone would be read as its letters."""
    if isinstance(secrets, str):
        raise UserErrorException(f"Several names are a list: ['{secrets}'].")
    return list(dict.fromkeys(map(str, secrets)))
