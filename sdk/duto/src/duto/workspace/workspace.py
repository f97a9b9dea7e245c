"""The workspace: where a program's runs, data, compute and models live."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

import duto
from duto import credentials, html
from duto.client.http import Client, segment
from duto.client.listing import LazyMapping, TakenMapping
from duto.exceptions import (
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UserErrorException,
    WorkspaceException,
)
from duto.not_built import passed_over, refusing
from duto.workspace.config import find_config, read_config, scope_of

_PROVIDER = "Microsoft.MachineLearningServices"


@refusing(
    "add_private_endpoint delete_private_endpoint_connection list_connections get_connection set_connection "
    "delete_connection list_keys sync_keys diagnose_workspace update_dependencies setup",
    "A studio has no such services; see its page Settings.",
)
class Workspace:
    """A workspace of a studio. Keys and search order of its `config.json` are Azure ML's, plus
    `studio_url`."""

    DEFAULT_CPU_CLUSTER_NAME = "cpu-cluster"
    DEFAULT_GPU_CLUSTER_NAME = "gpu-cluster"

    def __init__(
        self,
        subscription_id: Optional[str],
        resource_group: Optional[str],
        workspace_name: str,
        auth: Any = None,
        _location: Any = None,
        _disable_service_check: bool = False,
        _workspace_id: Any = None,
        sku: str = "basic",
        tags: Optional[Mapping[str, str]] = None,
        _cloud: str = "AzureCloud",
        *,
        _credentials: Optional[credentials.Credentials] = None,
    ) -> None:
        """Raises `WorkspaceException` when the studio has no workspace of this name for this user."""
        self._name = workspace_name
        self._auth = auth
        self._credentials = _credentials or credentials.find(getattr(auth, "studio_url", None))
        self._client: Client = self._credentials.client()
        self._subscription_id = subscription_id
        self._resource_group = resource_group
        self._tags = dict(tags or {})
        self._details: Optional[Dict[str, Any]] = None
        if not _disable_service_check:
            self._load()

    @staticmethod
    def from_config(
        path: Any = None, auth: Any = None, _logger: Any = None, _file_name: Optional[str] = None
    ) -> Workspace:
        """The workspace that a `config.json` names.

        Looks at `path` itself if it is a file, else for `.azureml/`, `aml_config/` and plain `config.json` or
        `project.json` in `path` (by default the current folder) and all folders above, in that order, as
        Azure ML's SDK does. Raises `UserErrorException` when there is none or when it lacks its keys.
        """
        found = find_config(Path(path) if path else Path(), _file_name)
        document = read_config(found)
        scope = scope_of(document, found)
        return Workspace(*scope, auth=auth, _credentials=credentials.find(document.get("studio_url")))

    @staticmethod
    def get(
        name: str,
        auth: Any = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        location: Any = None,
        cloud: str = "AzureCloud",
        id: Any = None,
    ) -> Workspace:
        """The workspace of this name. Raises `WorkspaceException`."""
        return Workspace(subscription_id, resource_group, name, auth=auth)

    @staticmethod
    def list(
        subscription_id: Optional[str] = None, auth: Any = None, resource_group: Optional[str] = None
    ) -> Dict[str, List[Workspace]]:
        """The workspaces that the credentials reach, each name with a list of one; a token reaches the one that it
        belongs to, and those that were made with it."""
        found = credentials.find(getattr(auth, "studio_url", None))
        made: Dict[str, List[Workspace]] = {}
        for item in found.client().pages("/api/v1/workspaces/"):
            each = Workspace(None, None, item["name"], auth, _disable_service_check=True, _credentials=found)
            each._details = dict(item)
            made[each.name] = [each]
        return made

    @staticmethod
    def create(
        name: str,
        auth: Any = None,
        subscription_id: Any = None,
        resource_group: Any = None,
        location: Any = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: Any = None,
        friendly_name: Any = None,
        storage_account: Any = None,
        key_vault: Any = None,
        app_insights: Any = None,
        container_registry: Any = None,
        adb_workspace: Any = None,
        primary_user_assigned_identity: Any = None,
        cmk_keyvault: Any = None,
        resource_cmk_uri: Any = None,
        hbi_workspace: bool = False,
        default_cpu_compute_target: Any = None,
        default_gpu_compute_target: Any = None,
        private_endpoint_config: Any = None,
        private_endpoint_auto_approval: bool = True,
        exist_ok: bool = False,
        show_output: bool = True,
        user_assigned_identity_for_cmk_encryption: Any = None,
        system_datastores_auth_mode: str = "accessKey",
        v1_legacy_mode: Any = None,
    ) -> Workspace:
        """A new workspace, or with `exist_ok` the one of this name if these credentials reach it.

        A token makes one where it carries an owner's role, and reaches it from then on. Raises `WorkspaceException` when
        there is one already, or when these credentials may not make one.
        """
        passed_over(
            "Workspace.create", "the workspace is as the studio has it.", friendly_name=friendly_name,
            storage_account=storage_account, key_vault=key_vault, app_insights=app_insights,
            container_registry=container_registry, adb_workspace=adb_workspace,
            primary_user_assigned_identity=primary_user_assigned_identity, cmk_keyvault=cmk_keyvault,
            resource_cmk_uri=resource_cmk_uri, hbi_workspace=hbi_workspace,
            default_cpu_compute_target=default_cpu_compute_target,
            default_gpu_compute_target=default_gpu_compute_target, private_endpoint_config=private_endpoint_config,
            user_assigned_identity_for_cmk_encryption=user_assigned_identity_for_cmk_encryption,
        )  # fmt: skip
        made = Workspace(subscription_id, resource_group, name, auth, _disable_service_check=True)
        try:
            made._load()
        except WorkspaceException:
            made._make(tags)
            return made
        if not exist_ok:
            raise WorkspaceException(f"The workspace '{name}' exists already. Say exist_ok=True to use it.")
        passed_over("Workspace.create", "the workspace is there already; change it by update().", tags=tags or None)
        return made

    def _make(self, tags: Optional[Mapping[str, str]]) -> None:
        try:
            self._details = dict(self._client.post("/api/v1/workspaces/", {"name": self.name}))
        except ForbiddenException as error:
            raise WorkspaceException(
                f"There is no workspace '{self.name}' for these credentials, and they may not make one: {error} A token "
                f"makes one where it has the role 'owner'; signed in, an owner makes one at {self.studio_url}."
            ) from error
        except ConflictException as error:
            raise WorkspaceException(
                f"The workspace '{self.name}' cannot be made: {error} If it is there, these credentials do not reach it: "
                "its owner lets you in, and a token of its page Settings opens it."
            ) from error
        if tags:
            self.update(tags=tags)

    def write_config(self, path: Any = None, file_name: Optional[str] = None) -> None:
        """Write `<path>/.azureml/config.json` for `from_config` (in `aml_config/` where that folder exists).

        Raises `UserErrorException` when `path` does not exist.
        """
        root = Path(path or ".")
        if not root.is_dir():
            raise UserErrorException(f"The folder '{root}' does not exist.")
        folder = root / "aml_config" if (root / "aml_config").is_dir() else root / ".azureml"
        folder.mkdir(exist_ok=True)
        name = file_name or ("project.json" if (folder / "project.json").is_file() else "config.json")
        document = {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.name,
            "studio_url": self.studio_url,
            "Scope": self._scope,
        }
        (folder / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    def get_details(self) -> Dict[str, Any]:
        """What the studio knows of the workspace, under Azure's keys and its own."""
        details = self._load()
        return {
            **details,
            "id": self._scope,
            "name": self.name,
            "workspaceid": details.get("id"),
            "location": self.location,
            "friendlyName": self.name,
            "description": details.get("description") or "",
            "tags": self.tags,
            "creationTime": details.get("created_at"),
        }

    @property
    def name(self) -> str:
        return self._name

    @property
    def subscription_id(self) -> str:
        return str(self._subscription_id or self._fact("subscription_id"))

    @property
    def resource_group(self) -> str:
        return str(self._resource_group or self._fact("resource_group"))

    @property
    def location(self) -> str:
        """Where the workspace is; a studio of one's own is always here."""
        return "local"

    @property
    def sku(self) -> str:
        return "basic"

    @property
    def tags(self) -> Dict[str, str]:
        return {**self._tags, **(self._load().get("tags") or {})}

    @property
    def studio_url(self) -> str:
        """The studio's address."""
        return self._client.url

    @property
    def service_context(self) -> Client:
        """The connection to the studio, which programs hand on unread."""
        return self._client

    @property
    def discovery_url(self) -> str:
        return self.studio_url

    @property
    def datastores(self) -> Mapping[str, Any]:
        """Datastores by name."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("datastores/")},
            lambda item: duto.Datastore._of(self, item),
        )

    @property
    def datasets(self) -> Mapping[str, Any]:
        """Registered datasets by name, each in its latest version.

        One that the script of a step takes by its name becomes an input of the run; those that it only goes through do
        not.
        """
        found = LazyMapping(
            lambda: {item["name"]: item for item in self._pages("datasets/")},
            lambda item: duto.Dataset._named(self, item["name"]),
        )
        return TakenMapping(found, duto.Dataset._noted)

    @property
    def compute_targets(self) -> Mapping[str, Any]:
        """Compute targets by name."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("compute/")},
            lambda item: duto.AmlCompute._of(self, item),
        )

    @property
    def environments(self) -> Mapping[str, Any]:
        """Environments by name, each in its latest version."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("environments/")},
            lambda item: duto.Environment.get(self, item["name"]),
        )

    @property
    def experiments(self) -> Mapping[str, Any]:
        """Experiments by name."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("experiments/")},
            lambda item: duto.Experiment(self, item["name"]),
        )

    @property
    def models(self) -> Mapping[str, Any]:
        """Registered models by name, each in its latest version."""
        return LazyMapping(
            lambda: {model.name: model for model in duto.Model.list(self, latest=True)}, lambda model: model
        )

    @property
    def webservices(self) -> Mapping[str, Any]:
        """Empty: a studio serves no models."""
        return {}

    @property
    def images(self) -> Mapping[str, Any]:
        """Empty: a studio keeps no images."""
        return {}

    @property
    def linked_services(self) -> Mapping[str, Any]:
        return {}

    @property
    def private_endpoints(self) -> Mapping[str, Any]:
        return {}

    def get_default_datastore(self) -> Any:
        """The default datastore, `workspaceblobstore` unless it was changed."""
        return duto.Datastore(self)

    def set_default_datastore(self, name: str) -> None:
        """Make the datastore of this name the default for new pipelines."""
        self._client.patch(self._path(f"datastores/{segment(name)}/"), {"is_default": True})
        self._details = None

    def get_default_compute_target(self, type: str) -> Any:
        """The cluster that Azure ML calls the default of its type, CPU or GPU; for CPU else the one that runs steps that
        name none. None when there is none, `UserErrorException` for another type."""
        names = {"CPU": self.DEFAULT_CPU_CLUSTER_NAME, "GPU": self.DEFAULT_GPU_CLUSTER_NAME}
        if str(type).upper() not in names:
            raise UserErrorException(f"The type of a compute target is 'CPU' or 'GPU', not {type!r}.")
        known = self.compute_targets
        found = known.get(names[str(type).upper()])
        default = self._fact("default_compute") if str(type).upper() == "CPU" else ""
        return found if found is not None else known.get(default)

    def set_default_compute_target(self, name: Any) -> None:
        """Let this cluster run the steps that name none; an empty name: each step has to name one. An addition of ours.

        Raises `NotFoundException` for a name that is none, `ForbiddenException` for who is no owner.
        """
        wanted = str(getattr(name, "name", name) or "")
        self._details = dict(self._client.patch(self._path(""), {"default_compute": wanted}))

    def get_run(self, run_id: str) -> Any:
        """The run of this id, of its own class. Raises `NotFoundException`."""
        return duto.Run.get(self, run_id)

    def get_default_keyvault(self) -> Any:
        """The workspace's secrets; they are not built yet, and say so when used."""
        from duto.not_built import Keyvault

        return Keyvault(self)

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> str:
        """MLflow's protocol is not spoken yet. Raises `NotBuiltException`."""
        from duto.not_built import not_built

        raise not_built("Workspace.get_mlflow_tracking_uri", "Log with `Run.log` instead.")

    def update(
        self,
        friendly_name: Any = None,
        description: Any = None,
        tags: Any = None,
        image_build_compute: Any = None,
        service_managed_resources_settings: Any = None,
        primary_user_assigned_identity: Any = None,
        allow_public_access_when_behind_vnet: Any = None,
        v1_legacy_mode: Any = None,
    ) -> Workspace:
        """Change description and tags; `tags` are all that the workspace then has. The other settings are those of Azure's
        services. Raises `ForbiddenException` for who is no owner."""
        passed_over(
            "Workspace.update", "a studio has no such setting.", friendly_name=friendly_name,
            image_build_compute=image_build_compute, v1_legacy_mode=v1_legacy_mode,
            service_managed_resources_settings=service_managed_resources_settings,
            primary_user_assigned_identity=primary_user_assigned_identity,
            allow_public_access_when_behind_vnet=allow_public_access_when_behind_vnet,
        )  # fmt: skip
        body: Dict[str, Any] = {} if description is None else {"description": str(description)}
        if tags is not None:
            body["tags"] = {str(key): str(value) for key, value in tags.items()}
        if body:
            self._details, self._tags = dict(self._client.patch(self._path(""), body)), {}
        return self

    def delete(self, delete_dependent_resources: bool = False, no_wait: bool = False) -> None:
        """Delete the workspace with all that it keeps, for everybody and at once; the studio removes its files
        meanwhile, so there is nothing to wait for.

        Raises `UserErrorException` without `delete_dependent_resources`: in Azure ML the data would stay, and here they
        do not. Raises `ForbiddenException` for who is no owner, `ConflictException` for the studio's first workspace.
        """
        if not delete_dependent_resources:
            raise UserErrorException(
                f"The workspace '{self.name}' would be deleted with its runs, models and data, which Azure ML would leave "
                "in their storage. Say delete_dependent_resources=True if that is meant; else archive it on its page."
            )
        self._client.delete(self._path(""), confirm=self.name)
        self._details = None

    def _load(self) -> Dict[str, Any]:
        if self._details is None:
            try:
                self._details = dict(self._client.get(self._path("")))
            except NotFoundException as error:
                raise WorkspaceException(
                    f"The studio at {self.studio_url} has no workspace '{self.name}' for you."
                ) from error
        return self._details

    def _fact(self, key: str) -> Any:
        return self._load().get(key) or ""

    def _path(self, rest: str) -> str:
        return f"/api/v1/workspaces/{segment(self._name)}/{rest}"

    def _pages(self, rest: str, **query: Any) -> Iterator[Dict[str, Any]]:
        return self._client.pages(self._path(rest), **query)

    @property
    def _scope(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/{_PROVIDER}/workspaces/{self.name}"
        )

    def _repr_html_(self) -> str:
        """How a notebook shows the workspace."""
        told = html.known(self._load) or {}
        rows = [
            ("Studio", self.studio_url),
            ("Your role", told.get("role")),
            ("Default datastore", told.get("default_datastore")),
            ("Subscription", told.get("subscription_id")),
            ("Resource group", told.get("resource_group")),
            ("Created", html.moment(told.get("created_at"))),
        ]
        return html.facts("Workspace", self.name, f"{self.studio_url}/w/{segment(self.name)}/", rows)

    def __repr__(self) -> str:
        return (
            f"Workspace.create(name='{self.name}', subscription_id='{self.subscription_id}', "
            f"resource_group='{self.resource_group}')"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Workspace) and (self.name, self._client.url) == (other.name, other._client.url)

    def __hash__(self) -> int:
        return hash(self.name)


def workspace_of_step() -> Workspace:
    """The workspace of the run around this process, without a request."""
    found = credentials.find()
    return Workspace(
        os.environ.get("AZUREML_ARM_SUBSCRIPTION"),
        os.environ.get("AZUREML_ARM_RESOURCEGROUP"),
        os.environ.get("AZUREML_ARM_WORKSPACE_NAME", ""),
        _disable_service_check=True,
        _credentials=found,
    )
