"""A workspace's `config.json`: where it is looked for, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

from duto.exceptions import UserErrorException

_FOLDERS = (".azureml", "aml_config", "")
_FILES = ("config.json", "project.json")


def find_config(start: Path, file_name: Optional[str] = None) -> Path:
    """The config file that `Workspace.from_config` reads. Raises `UserErrorException` when there is none."""
    if start.is_file():
        return start
    here = start.resolve()
    names = (file_name,) if file_name else _FILES
    for folder in _FOLDERS:
        for name in names:
            for parent in (here, *here.parents):
                candidate = parent / folder / name
                if candidate.is_file():
                    return candidate
    raise UserErrorException(
        f"No config.json was found in '{here}', its folders .azureml and aml_config, or any folder above. "
        "Download it from the workspace's page, or write it with `duto config` or `Workspace.write_config()`."
    )


def read_config(path: Path) -> Dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UserErrorException(f"The workspace configuration {path} cannot be read: {error}") from error
    if not isinstance(document, dict):
        raise UserErrorException(f"The workspace configuration {path} is no JSON object.")
    return document


def scope_of(document: Mapping[str, Any], path: Path) -> Tuple[str, str, str]:
    """Subscription, resource group and name: from `Scope` where it stands, else from three keys."""
    scope = document.get("Scope")
    if scope:
        parts = [part for part in str(scope).split("/") if part]
        named = dict(zip((part.lower() for part in parts[::2]), parts[1::2]))
        keys = ("subscriptions", "resourcegroups", "workspaces")
    else:
        named, keys = dict(document), ("subscription_id", "resource_group", "workspace_name")
    missing = [key for key in keys if not named.get(key)]
    if missing:
        raise UserErrorException(f"The workspace configuration {path} lacks {', '.join(missing)}.")
    return str(named[keys[0]]), str(named[keys[1]]), str(named[keys[2]])
