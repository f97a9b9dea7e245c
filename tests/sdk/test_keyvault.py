"""`Keyvault` and `Run.get_secret` against a real studio."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from duto import Keyvault, UserErrorException, Workspace
from duto.exceptions import ForbiddenException, NotFoundException
from tests.sdk.test_workspace import Programs, programs
from tests.workspace_scenario import WorkspaceScenario, scenario
from workspaces.models import AuditEntry, Role, Secret
from workspaces.services import tokens

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["programs", "scenario"]  # fixtures
VALUE = '-----BEGIN\n  ü %41 \\ "x"\n-----END\n'
SOURCES = [Path(__file__).resolve().parents[2] / folder for folder in ("sdk/duto/src", "sdk/azureml/src")]


def test_a_program_keeps_its_secrets_as_with_azure_ml(programs: Programs) -> None:
    vault = programs.workspace(Role.OWNER).get_default_keyvault()
    assert isinstance(vault, Keyvault) and vault.list_secrets() == []
    vault.set_secret("db-password", VALUE, content_type="text/plain")
    vault.set_secrets({"first": "1", "second": "2"})
    vault.set_secrets([{"name": "third", "value": "3", "content_type": "number"}])
    assert vault.get_secret(name="DB-password") == VALUE
    assert vault.get_secret("missing") is None
    assert vault.get_secrets(["first", "third", "missing"]) == {"first": "1", "third": "3", "missing": None}
    assert {each["name"] for each in vault.list_secrets()} == {"db-password", "first", "second", "third"}
    assert vault.get_secret_content_type("Third") == "number" and vault.get_secret_content_type("first") == ""
    vault.delete_secret("first")
    vault.delete_secrets(["second", "third"])
    assert [each["name"] for each in vault.list_secrets()] == ["db-password"]
    with pytest.raises(NotFoundException, match="no secret 'first'"):
        vault.delete_secret("first")
    with pytest.raises(UserErrorException, match="no secret 'first'"):
        vault.get_secret_content_type("first")


def test_more_names_than_one_request_takes_are_read_all_the_same(programs: Programs) -> None:
    vault = programs.workspace(Role.OWNER).get_default_keyvault()
    vault.set_secret("n150", "there")
    found = vault.get_secrets(f"n{number}" for number in range(201))
    assert len(found) == 201 and found["n150"] == "there" and sum(map(bool, found.values())) == 1


def test_what_is_no_secret_is_refused_and_its_value_not_repeated(programs: Programs) -> None:
    vault = programs.workspace(Role.OWNER).get_default_keyvault()
    for name, value in (("under_score", "hunter2"), ("a", "hunter2" * 5000), ("a", "")):
        with pytest.raises(UserErrorException) as refused:
            vault.set_secret(name, value)
        assert "hunter2" not in str(refused.value)
    with pytest.raises(UserErrorException, match="a text, not int"):
        vault.set_secret("a", 5)  # type: ignore[arg-type]
    with pytest.raises(UserErrorException, match=r"\['db'\]"):
        vault.get_secrets("db")
    with pytest.raises(UserErrorException, match="same name"):
        vault.set_secrets([{"name": "a", "value": "1"}, {"name": "a", "value": "2"}])
    with pytest.raises(UserErrorException, match="'name' and 'value'"):
        vault.set_secrets([{"name": "a"}])
    assert not Secret.objects.exists()


def test_a_reader_gets_names_alone(programs: Programs) -> None:
    programs.workspace(Role.OWNER).get_default_keyvault().set_secret("a", VALUE)
    vault = programs.workspace(Role.READER).get_default_keyvault()
    assert [each["name"] for each in vault.list_secrets()] == ["a"]
    with pytest.raises(ForbiddenException):
        vault.get_secret("a")
    with pytest.raises(ForbiddenException):
        vault.set_secret("a", "x")
    with pytest.raises(ForbiddenException):
        vault.delete_secret("a")


def test_a_script_asks_its_run(scenario: WorkspaceScenario, programs: Programs, tmp_path: Path) -> None:
    ws: Workspace = programs.workspace(Role.OWNER)
    ws.get_default_keyvault().set_secret("a", VALUE)
    run = str(uuid4())
    script = (
        "from azureml.core import Keyvault, Run\n"
        "run = Run.get_context(allow_offline=False)\n"
        "print(repr(run.get_secret('a')), run.get_secrets(['a', 'b']) == {'a': run.get_secret(name='a'), 'b': None})\n"
        "assert isinstance(run.experiment.workspace.get_default_keyvault(), Keyvault)\n"
    )
    variables = {
        "AZUREML_ARM_SUBSCRIPTION": "s", "AZUREML_ARM_RESOURCEGROUP": "duto", "AZUREML_ARM_WORKSPACE_NAME": "lab",
        "AZUREML_ARM_PROJECT_NAME": "e", "AZUREML_RUN_ID": run,
        "AZUREML_RUN_TOKEN": tokens.mint_run_token(scenario.workspace, uuid4(), uuid4(), user=scenario.owner),
        "AZUREML_SERVICE_ENDPOINT": ws.studio_url, "PYTHONPATH": ":".join(map(str, SOURCES)), "HOME": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True)
    assert done.stdout == f"{VALUE!r} True\n", done.stderr
    assert {entry.via for entry in AuditEntry.objects.filter(action="secret.read")} == {"run"}
