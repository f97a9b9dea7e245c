"""`Workspace` against a real studio: who makes, finds, changes and deletes one, and what of Azure's does not go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from compute.models import ComputeTarget
from core.clock import now
from duto import AmlCompute, Dataset, Experiment, Run, UserErrorException, Workspace, WorkspaceException, credentials
from duto.exceptions import ConflictException, ForbiddenException, NotFoundException
from tests.workspace_scenario import WorkspaceScenario, scenario
from workspaces import access, queries
from workspaces.models import ApiToken, AuditEntry, Role
from workspaces.models import Workspace as Row
from workspaces.services import tokens
from workspaces.services.workspaces import create_workspace

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["scenario"]  # a fixture


class Programs:
    """Programs of people with these roles, each with credentials of its own."""

    def __init__(self, scenario: WorkspaceScenario, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._scenario, self._url, self._monkeypatch = scenario, url, monkeypatch

    def act_as(self, token: str) -> None:
        self._monkeypatch.setenv("DUTO_URL", self._url)
        self._monkeypatch.setenv("DUTO_TOKEN", token)

    def workspace(self, role: Role) -> Workspace:
        user = self._scenario.owner if role == Role.OWNER else self._scenario.person(f"a-{role.value}", role)
        self.act_as(self._scenario.token(user, role))
        return Workspace(None, None, "lab")


@pytest.fixture
def programs(
    scenario: WorkspaceScenario, live_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Programs]:
    for name in ("AZUREML_RUN_ID", "AZUREML_RUN_TOKEN", "DUTO_STUDIO_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("DUTO_PATIENCE", "5")
    yield Programs(scenario, live_server.url, monkeypatch)
    assert credentials.find().url == live_server.url


def test_an_owners_program_changes_what_a_workspace_says(scenario: WorkspaceScenario, programs: Programs) -> None:
    ws = programs.workspace(Role.OWNER)
    assert ws.update(description="Soil", tags={"team": "north", "year": 2026}) is ws
    assert ws.tags == {"team": "north", "year": "2026"}
    details = ws.get_details()
    assert (details["description"], details["tags"], details["friendlyName"]) == ("Soil", ws.tags, "lab")
    assert details["id"].endswith("/workspaces/lab") and details["workspaceid"] == str(scenario.workspace.pk)
    ws.update(tags={})
    assert Workspace(None, None, "lab").tags == {}
    with pytest.warns(UserWarning, match="passes over friendly_name, image_build_compute"):
        ws.update(friendly_name="Soil", image_build_compute="cpu")
    assert Row.objects.get(name="lab").description == "Soil"


def test_the_defaults_are_those_of_the_studio(scenario: WorkspaceScenario, programs: Programs) -> None:
    ws = programs.workspace(Role.OWNER)
    assert ws.get_default_datastore().name == "workspaceblobstore"
    ws.set_default_datastore("workspacefilestore")
    assert ws.get_default_datastore().name == "workspacefilestore"
    assert ws.get_default_compute_target("CPU") is None and ws.get_default_compute_target("GPU") is None
    for name in ("small", "gpu-cluster"):
        ComputeTarget.objects.create(
            workspace=scenario.workspace, name=name, vm_size="STANDARD_D2_V2", cores=1, memory=1
        )
    ws.set_default_compute_target(AmlCompute(ws, "small"))
    assert ws.get_default_compute_target("CPU").name == "small"
    assert ws.get_default_compute_target("gpu").name == "gpu-cluster"
    ComputeTarget.objects.create(
        workspace=scenario.workspace, name="cpu-cluster", vm_size="STANDARD_D2_V2", cores=1, memory=1
    )
    assert ws.get_default_compute_target("CPU").name == "cpu-cluster"
    with pytest.raises(UserErrorException, match="'CPU' or 'GPU'"):
        ws.get_default_compute_target("TPU")
    for action in (lambda: ws.set_default_compute_target("none"), lambda: ws.set_default_datastore("none")):
        with pytest.raises(NotFoundException):
            action()
    ws.set_default_compute_target("")
    assert Row.objects.get(name="lab").default_compute == ""


def test_a_program_finds_the_workspace_of_its_token(scenario: WorkspaceScenario, programs: Programs) -> None:
    create_workspace(scenario.owner, "other")
    ws = programs.workspace(Role.CONTRIBUTOR)
    (found,) = Workspace.list("any subscription")["lab"]
    assert found == ws and found.get_details()["role"] == "contributor"
    assert Workspace.create("lab", exist_ok=True) == ws == Workspace.get("lab")
    with pytest.raises(WorkspaceException, match="exists already"):
        Workspace.create("lab")
    for exist_ok in (True, False):
        with pytest.raises(
            WorkspaceException, match="needs the role owner, and yours in workspace 'lab' is contributor"
        ):
            Workspace.create("fresh", exist_ok=exist_ok)
    with pytest.raises(WorkspaceException, match="these credentials do not reach it"):
        programs.act_as(scenario.token(scenario.owner, Role.OWNER))
        Workspace.create("other", exist_ok=True)
    assert not Row.objects.filter(name="fresh").exists()
    with pytest.warns(UserWarning, match="passes over hbi_workspace"):
        Workspace.create("lab", location="westeurope", sku="basic", hbi_workspace=True, exist_ok=True)


def test_an_owners_program_makes_workspaces_and_works_in_them(scenario: WorkspaceScenario, programs: Programs) -> None:
    found = programs.workspace(Role.OWNER)
    made = Workspace.create("fresh", subscription_id="any", resource_group="all", tags={"team": "a"})
    assert (made.tags, made.get_details()["role"], made.resource_group) == ({"team": "a"}, "owner", "all")
    with pytest.raises(WorkspaceException, match="exists already"):
        Workspace.create("fresh")
    assert Workspace.create("fresh", exist_ok=True) == made == Workspace.get("fresh")
    with pytest.warns(UserWarning, match="passes over tags"):
        Workspace.create("fresh", exist_ok=True, tags={"team": "b"})
    assert set(Workspace.list()) == {"lab", "fresh"} and found.get_details()["role"] == "owner"
    made.set_default_datastore("workspacefilestore")
    (entry,) = AuditEntry.objects.filter(action="workspace.created", target="fresh")
    assert (entry.via, entry.person) == ("token", scenario.owner.username)
    with pytest.raises(UserErrorException, match="cannot name a workspace"):
        Workspace.create("two words")
    with pytest.raises(UserErrorException, match="studio's own"):
        Workspace.create("new")
    made.delete(delete_dependent_resources=True)
    assert set(Workspace.list()) == {"lab"}


def test_an_experiment_that_comes_back_under_another_name_goes_by_it(programs: Programs) -> None:
    ws = programs.workspace(Role.OWNER)
    experiment, other = Experiment(ws, "before"), Experiment(ws, "taken")
    assert other.id != experiment.id
    experiment.archive()
    with pytest.raises(ConflictException):
        experiment.reactivate("taken")
    assert experiment.name == "before"
    known = experiment.id
    experiment.reactivate("after")
    experiment.refresh()
    assert (experiment.name, experiment.id, experiment.archived_time) == ("after", known, None)
    assert set(ws.experiments) == {"after", "taken"} and list(Run.list(experiment)) == []


def test_runs_are_listed_of_an_experiment(programs: Programs) -> None:
    ws = programs.workspace(Role.READER)
    for given in (ws, "before", None):
        with pytest.raises(UserErrorException, match=r"takes an experiment, such as Experiment\(workspace, 'name'\)"):
            Run.list(given)  # type: ignore[arg-type]


def test_a_folder_of_the_studios_own_is_not_unregistered(programs: Programs) -> None:
    store = programs.workspace(Role.OWNER).get_default_datastore()
    with pytest.raises(UserErrorException, match="'workspaceblobstore' is a folder of the studio's own"):
        store.unregister()


def test_what_is_not_there_is_named(programs: Programs) -> None:
    ws = programs.workspace(Role.READER)
    for key in ("no id", str(uuid4())):
        for look in (ws.get_run, lambda key: Run(Experiment(ws, "e", True), key).get_status()):
            with pytest.raises(NotFoundException, match=f"no run '{key}' in workspace 'lab'"):
                look(key)
        with pytest.raises(NotFoundException, match=f"no dataset with the id '{key}'"):
            Dataset.get_by_id(ws, key)


def test_what_a_token_made_ends_with_it_or_alone(scenario: WorkspaceScenario, programs: Programs) -> None:
    programs.workspace(Role.OWNER)
    rows = [Row.objects.get(name=Workspace.create(name).name) for name in ("one", "two")]
    context = access.authorize(scenario.owner, "two")
    (there,) = queries.tokens_of(context)
    tokens.revoke(context, there.pk)
    assert set(Workspace.list()) == {"lab", "one"}
    with pytest.raises(WorkspaceException, match="no workspace 'two'"):
        Workspace.get("two")
    (first,) = ApiToken.objects.filter(workspace__name="lab", user=scenario.owner, children__isnull=False).distinct()
    tokens.revoke(access.authorize(scenario.owner, "lab"), first.pk)
    assert not any(each.is_good(now()) for each in ApiToken.objects.filter(workspace__in=rows))


def test_a_step_makes_no_workspace(scenario: WorkspaceScenario, programs: Programs) -> None:
    run = uuid4()
    programs.act_as(tokens.mint_run_token(scenario.workspace, run, run, user=scenario.owner, role=Role.OWNER))
    with pytest.raises(WorkspaceException, match="A step may not do this"):
        Workspace.create("fresh")


def test_who_is_no_owner_changes_nothing(programs: Programs) -> None:
    ws = programs.workspace(Role.CONTRIBUTOR)
    actions = (
        lambda: ws.update(description="x"),
        lambda: ws.set_default_compute_target("small"),
        lambda: ws.delete(delete_dependent_resources=True),
    )
    for action in actions:
        with pytest.raises(ForbiddenException):
            action()
    assert Row.objects.get(name="lab").description == ""


def test_a_workspace_is_deleted_with_its_data_and_only_when_that_is_said(
    scenario: WorkspaceScenario, programs: Programs
) -> None:
    ws = programs.workspace(Role.OWNER)
    with pytest.raises(UserErrorException, match="delete_dependent_resources=True"):
        ws.delete()
    ws.delete(delete_dependent_resources=True, no_wait=True)
    assert not Row.objects.filter(name="lab").exists()
    first = create_workspace(scenario.owner, "main")
    programs.act_as(tokens_of(first))
    with pytest.raises(ConflictException, match="begins with"):
        Workspace(None, None, "main").delete(delete_dependent_resources=True)


def tokens_of(context: Any) -> str:
    return tokens.create(context, "tests", Role.OWNER).text
