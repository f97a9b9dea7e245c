"""The workspace: where a program's runs, data, compute and models live."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NoReturn, Optional, Union

import duto
from duto import credentials, html
from duto.client.http import Client, segment
from duto.client.listing import LazyMapping, TakenMapping
from duto.client.tags import texts
from duto.exceptions import (
    ConflictException,
    ForbiddenException,
    NotFoundException,
    UserErrorException,
    WorkspaceException,
)
from duto.not_built import not_built, passed_over, refusing
from duto.workspace.config import find_config, read_config, scope_of

if TYPE_CHECKING:
    from duto.authentication import AbstractAuthentication

_PROVIDER = "Microsoft.MachineLearningServices"


@refusing(
    "add_private_endpoint delete_private_endpoint_connection list_connections get_connection set_connection "
    "delete_connection list_keys sync_keys diagnose_workspace update_dependencies setup",
    "A studio has no such services; see its page Settings.",
)
class Workspace:
    """A workspace of a studio: experiments, runs, data, compute, environments and models belong to it.

    Keys and search order of its `config.json` are those of Azure ML's SDK, plus `studio_url`.

    Attributes:
        DEFAULT_CPU_CLUSTER_NAME: name of the cluster that `get_default_compute_target("CPU")` looks for first.
        DEFAULT_GPU_CLUSTER_NAME: name of the cluster that `get_default_compute_target("GPU")` looks for.
    """

    DEFAULT_CPU_CLUSTER_NAME = "cpu-cluster"
    DEFAULT_GPU_CLUSTER_NAME = "gpu-cluster"

    def __init__(
        self,
        subscription_id: Optional[str],
        resource_group: Optional[str],
        workspace_name: str,
        auth: Optional[AbstractAuthentication] = None,
        _location: Any = None,
        _disable_service_check: bool = False,
        _workspace_id: Any = None,
        sku: str = "basic",
        tags: Optional[Mapping[str, str]] = None,
        _cloud: str = "AzureCloud",
        *,
        _credentials: Optional[credentials.Credentials] = None,
    ) -> None:
        """Find the workspace of this name in the studio that the credentials name.

        Args:
            subscription_id: what `subscription_id` gives; None for the one that the studio gives the workspace.
            resource_group: what `resource_group` gives; None for the one that the studio gives the workspace.
            workspace_name: name of the workspace in the studio; it alone decides which one is meant.
            auth: says which studio is asked where it has an attribute `studio_url`; the token always comes from the
                credentials, in the order that `duto.credentials.find` describes.
            sku: taken and not used; Azure ML's price tier.
            tags: tags that this object adds to those that the studio keeps; they are not sent.

        Raises:
            WorkspaceException: the studio has no workspace of this name, or these credentials do not reach it.
            AuthenticationException: there are no credentials for the studio.
        """
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
        path: Union[str, os.PathLike[str], None] = None,
        auth: Optional[AbstractAuthentication] = None,
        _logger: Any = None,
        _file_name: Optional[str] = None,
    ) -> Workspace:
        """The workspace that a `config.json` names.

        Looks for `.azureml/`, `aml_config/` and plain `config.json` or `project.json` in `path` and all folders
        above, in that order, as Azure ML's SDK does. A file without `studio_url` means the default studio of the
        credentials.

        Args:
            path: a file, which is read, or the folder where the search begins; None for the current folder.
            auth: handed to the workspace; the studio is the one that the file names.

        Returns:
            The workspace.

        Raises:
            UserErrorException: there is no such file, it cannot be read as JSON, or it lacks its keys.
            WorkspaceException: the studio has no such workspace for these credentials.
            AuthenticationException: there are no credentials for the studio that the file names.
        """
        found = find_config(Path(path) if path else Path(), _file_name)
        document = read_config(found)
        scope = scope_of(document, found)
        return Workspace(*scope, auth=auth, _credentials=credentials.find(document.get("studio_url")))

    @staticmethod
    def get(
        name: str,
        auth: Optional[AbstractAuthentication] = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        location: object = None,
        cloud: str = "AzureCloud",
        id: object = None,
    ) -> Workspace:
        """The workspace of this name. Azure ML needs the subscription to find it, a studio does not.

        Args:
            name: name of the workspace.
            auth: as in `Workspace(...)`.
            subscription_id: as in `Workspace(...)`.
            resource_group: as in `Workspace(...)`.
            location: taken and not used; a studio has no regions.
            cloud: taken and not used.
            id: taken and not used; the name is unique in a studio.

        Returns:
            The workspace.

        Raises:
            WorkspaceException: the studio has no workspace of this name for these credentials.
        """
        return Workspace(subscription_id, resource_group, name, auth=auth)

    @staticmethod
    def list(
        subscription_id: Optional[str] = None,
        auth: Optional[AbstractAuthentication] = None,
        resource_group: Optional[str] = None,
    ) -> Dict[str, List[Workspace]]:
        """The workspaces that the credentials reach.

        A token reaches the one that it belongs to, and those that were made with it.

        Args:
            subscription_id: taken and not used: all workspaces of the studio are listed, whatever subscription they
                tell.
            auth: as in `Workspace(...)`.
            resource_group: taken and not used, like `subscription_id`.

        Returns:
            Workspaces by name, each a list of one, since names are unique in a studio.
        """
        found = credentials.find(getattr(auth, "studio_url", None))
        made: Dict[str, List[Workspace]] = {}
        for item in found.client().pages("/api/v1/workspaces/"):
            each = Workspace(None, None, item["name"], auth, _disable_service_check=True, _credentials=found)
            each._details = dict(item)
            made[each.name] = [each]
        return made

    @staticmethod
    def _around() -> Workspace:
        """The workspace of the step around this process; outside of one what `config.json` names, else the one that the
        credentials are for. Raises `UserErrorException` where these are several."""
        if credentials.in_step():
            return workspace_of_step()
        try:
            file = find_config(Path())
        except UserErrorException:
            file = None
        if file is not None:
            return Workspace.from_config(file)
        found = credentials.find()
        names = [found.workspace] if found.workspace else [*Workspace.list()]
        if len(names) != 1:
            raise UserErrorException(
                f"Which workspace is this for: {', '.join(names) or 'none is there'}? Register it in one, or name one by a "
                "config.json (Workspace.write_config())."
            )
        return Workspace(None, None, names[0], _credentials=found)

    @staticmethod
    def create(
        name: str,
        auth: Optional[AbstractAuthentication] = None,
        subscription_id: Optional[str] = None,
        resource_group: Optional[str] = None,
        location: object = None,
        create_resource_group: bool = True,
        sku: str = "basic",
        tags: Optional[Mapping[str, str]] = None,
        friendly_name: object = None,
        storage_account: object = None,
        key_vault: object = None,
        app_insights: object = None,
        container_registry: object = None,
        adb_workspace: object = None,
        primary_user_assigned_identity: object = None,
        cmk_keyvault: object = None,
        resource_cmk_uri: object = None,
        hbi_workspace: bool = False,
        default_cpu_compute_target: object = None,
        default_gpu_compute_target: object = None,
        private_endpoint_config: object = None,
        private_endpoint_auto_approval: bool = True,
        exist_ok: bool = False,
        show_output: bool = True,
        user_assigned_identity_for_cmk_encryption: object = None,
        system_datastores_auth_mode: str = "accessKey",
        v1_legacy_mode: object = None,
    ) -> Workspace:
        """A new workspace, or with `exist_ok` the one of this name if these credentials reach it.

        A token makes one where it carries an owner's role, and reaches it from then on. The workspace is there when
        this returns. Arguments for Azure's resources are passed over with a warning that names them.

        Args:
            name: name of the workspace, unique in the studio.
            auth: as in `Workspace(...)`.
            subscription_id: as in `Workspace(...)`.
            resource_group: as in `Workspace(...)`.
            location: taken and not used; a studio has no regions.
            create_resource_group: taken and not used; a studio has no resource groups to make.
            sku: taken and not used; Azure ML's price tier.
            tags: tags of a new workspace. Of one that is there they change nothing, with a warning.
            friendly_name: passed over with a warning: the name is what people see.
            storage_account: passed over with a warning: the studio keeps the data.
            key_vault: passed over with a warning: a studio has none.
            app_insights: passed over with a warning: a studio has none.
            container_registry: passed over with a warning: hosts build and keep the images.
            adb_workspace: passed over with a warning: Databricks is not built.
            primary_user_assigned_identity: passed over with a warning: a studio knows users and tokens alone.
            cmk_keyvault: passed over with a warning: the disks of the studio's machine decide about encryption.
            resource_cmk_uri: passed over with a warning, like `cmk_keyvault`.
            hbi_workspace: passed over with a warning: nothing is sent to anybody in any case.
            default_cpu_compute_target: passed over with a warning: make the cluster by `ComputeTarget.create`.
            default_gpu_compute_target: passed over with a warning, like `default_cpu_compute_target`.
            private_endpoint_config: passed over with a warning: a studio is as reachable as its address.
            private_endpoint_auto_approval: taken and not used.
            exist_ok: give a workspace that is there already instead of raising.
            show_output: taken and not used: it is done at once.
            user_assigned_identity_for_cmk_encryption: passed over with a warning, like `cmk_keyvault`.
            system_datastores_auth_mode: taken and not used: datastores of a studio need no keys.
            v1_legacy_mode: taken and not used: there is one interface.

        Returns:
            The workspace.

        Raises:
            WorkspaceException: it exists already and `exist_ok` is False, or these credentials may not make one.
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

    def write_config(self, path: Union[str, os.PathLike[str], None] = None, file_name: Optional[str] = None) -> None:
        """Write `<path>/.azureml/config.json` for `from_config` (in `aml_config/` where that folder exists).

        It names the studio's address and holds no token. A file that is there is overwritten.

        Args:
            path: a folder that exists; None for the current one.
            file_name: another name for the file; None for `config.json`, or `project.json` where that is there.

        Raises:
            UserErrorException: `path` is no folder.
        """
        self._write_config(path, file_name)

    def _write_config(self, path: Union[str, os.PathLike[str], None] = None, file_name: Optional[str] = None) -> Path:
        """The same, and which file it was."""
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
        return folder / name

    def get_details(self) -> Dict[str, Any]:
        """What the studio knows of the workspace, under Azure's keys and its own.

        Returns:
            Among others `id` (the path of Azure's kind), `workspaceid` (the studio's id), `name`, `description`,
            `tags`, `location`, `creationTime` (ISO 8601, UTC), `role` (what these credentials may do),
            `default_datastore` and `default_compute`.

        Raises:
            WorkspaceException: the studio has the workspace no longer, or not for these credentials.
        """
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
        """The name, unique in the studio."""
        return self._name

    @property
    def subscription_id(self) -> str:
        """What was given, else an id that the studio made up for the workspace: programs print it and hand it on.

        Raises:
            WorkspaceException: it has to be asked for, and the studio has no such workspace.
        """
        return str(self._subscription_id or self._fact("subscription_id"))

    @property
    def resource_group(self) -> str:
        """What was given, else the name that the studio tells for the workspace.

        Raises:
            WorkspaceException: it has to be asked for, and the studio has no such workspace.
        """
        return str(self._resource_group or self._fact("resource_group"))

    @property
    def location(self) -> str:
        """Always `local`: a studio has no regions."""
        return "local"

    @property
    def sku(self) -> str:
        """Always `basic`: a studio has no price tiers."""
        return "basic"

    @property
    def tags(self) -> Dict[str, str]:
        """Tags by name: those that the studio keeps, and those of the constructor that it does not know.

        Raises:
            WorkspaceException: the studio has no such workspace.
        """
        return {**self._tags, **(self._load().get("tags") or {})}

    @property
    def studio_url(self) -> str:
        """The studio's address, such as `http://127.0.0.1:8000`, without a slash at the end. An addition of ours."""
        return self._client.url

    @property
    def service_context(self) -> Client:
        """The connection to the studio, which programs hand on unread. Its `patience` may be set."""
        return self._client

    @property
    def discovery_url(self) -> str:
        """The studio's address, as `studio_url`: it answers for all services."""
        return self.studio_url

    @property
    def datastores(self) -> Mapping[str, duto.AbstractDatastore]:
        """Datastores by name. The list is fetched on first use of the mapping; ask the workspace again for a newer
        one.
        """
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("datastores/")},
            lambda item: duto.Datastore._of(self, item),
        )

    @property
    def datasets(self) -> Mapping[str, Union[duto.FileDataset, duto.TabularDataset]]:
        """Registered datasets by name, each in its latest version.

        One that the script of a step takes by its name becomes an input of the run; those that it only goes through
        do not.
        """
        found = LazyMapping(
            lambda: {item["name"]: item for item in self._pages("datasets/")},
            lambda item: duto.Dataset._named(self, item["name"]),
        )
        return TakenMapping(found, duto.Dataset._noted)

    @property
    def compute_targets(self) -> Mapping[str, duto.AmlCompute]:
        """Compute targets by name, as they are when the mapping is first used."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("compute/")},
            lambda item: duto.AmlCompute._of(self, item),
        )

    @property
    def environments(self) -> Mapping[str, duto.Environment]:
        """Environments by name, each in its latest version, those of the studio itself (`AzureML-…`) among them."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("environments/")},
            lambda item: duto.Environment.get(self, item["name"]),
        )

    @property
    def experiments(self) -> Mapping[str, duto.Experiment]:
        """Experiments by name."""
        return LazyMapping(
            lambda: {item["name"]: item for item in self._pages("experiments/")},
            lambda item: duto.Experiment(self, item["name"]),
        )

    @property
    def models(self) -> Mapping[str, duto.Model]:
        """Registered models by name, each in its latest version."""
        return LazyMapping(
            lambda: {model.name: model for model in duto.Model.list(self, latest=True)}, lambda model: model
        )

    @property
    def webservices(self) -> Mapping[str, object]:
        """Empty: a studio serves no models."""
        return {}

    @property
    def images(self) -> Mapping[str, object]:
        """Empty: a studio keeps no images of models."""
        return {}

    @property
    def linked_services(self) -> Mapping[str, object]:
        """Empty: a studio links no services."""
        return {}

    @property
    def private_endpoints(self) -> Mapping[str, object]:
        """Empty: a studio has no private endpoints."""
        return {}

    def get_default_datastore(self) -> duto.AbstractDatastore:
        """The default datastore, where outputs go that name none.

        Returns:
            The datastore, `workspaceblobstore` unless it was changed.
        """
        found: duto.AbstractDatastore = duto.Datastore.get_default(self)
        return found

    def set_default_datastore(self, name: str) -> None:
        """Make the datastore of this name the default for new pipelines.

        Args:
            name: name of a datastore of the workspace.

        Raises:
            NotFoundException: there is no such datastore.
            ForbiddenException: these credentials may not change the workspace.
        """
        self._client.patch(self._path(f"datastores/{segment(name)}/"), {"is_default": True})
        self._details = None

    def get_default_compute_target(self, type: str) -> Optional[duto.AmlCompute]:
        """The cluster that Azure ML calls the default of its type; for CPU else the one that runs steps that name
        none.

        Args:
            type: `CPU` or `GPU`, in any case.

        Returns:
            The cluster, or None when there is none.

        Raises:
            UserErrorException: another type.
            WorkspaceException: the studio has no such workspace.
        """
        names = {"CPU": self.DEFAULT_CPU_CLUSTER_NAME, "GPU": self.DEFAULT_GPU_CLUSTER_NAME}
        if str(type).upper() not in names:
            raise UserErrorException(f"The type of a compute target is 'CPU' or 'GPU', not {type!r}.")
        known = self.compute_targets
        found = known.get(names[str(type).upper()])
        default = self._fact("default_compute") if str(type).upper() == "CPU" else ""
        return found if found is not None else known.get(default)

    def set_default_compute_target(self, name: Union[str, duto.ComputeTarget, None]) -> None:
        """Let this cluster run the steps that name none. An addition of ours.

        Args:
            name: the cluster or its name; empty or None: each step has to name one.

        Raises:
            NotFoundException: there is no cluster of this name.
            ForbiddenException: these credentials are no owner's.
        """
        wanted = str(getattr(name, "name", name) or "")
        self._details = dict(self._client.patch(self._path(""), {"default_compute": wanted}))

    def get_run(self, run_id: str) -> duto.Run:
        """The run of this id, in whatever experiment it is.

        Args:
            run_id: id of a run.

        Returns:
            A `PipelineRun`, a `StepRun` or a `Run`, as the run is.

        Raises:
            NotFoundException: the workspace has no such run.
        """
        found: duto.Run = duto.Run.get(self, run_id)
        return found

    def get_default_keyvault(self) -> duto.Keyvault:
        """The workspace's secrets.

        Returns:
            The key vault; there is one for each workspace.
        """
        return duto.Keyvault(self)

    def get_mlflow_tracking_uri(self, _with_auth: bool = False) -> NoReturn:
        """MLflow's protocol is not spoken.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("Workspace.get_mlflow_tracking_uri", "Log with `Run.log` instead.")

    def update(
        self,
        friendly_name: object = None,
        description: Optional[str] = None,
        tags: Optional[Mapping[str, object]] = None,
        image_build_compute: object = None,
        service_managed_resources_settings: object = None,
        primary_user_assigned_identity: object = None,
        allow_public_access_when_behind_vnet: object = None,
        v1_legacy_mode: object = None,
    ) -> Workspace:
        """Change description and tags. The other settings are those of Azure's services and are passed over with a
        warning.

        Args:
            friendly_name: passed over with a warning: the name is what people see.
            description: the new description; None leaves it.
            tags: all tags that the workspace then has, in place of those that it had, keys and values as text; None
                leaves them.
            image_build_compute: passed over with a warning: hosts build the images that they run.
            service_managed_resources_settings: passed over with a warning.
            primary_user_assigned_identity: passed over with a warning.
            allow_public_access_when_behind_vnet: passed over with a warning.
            v1_legacy_mode: passed over with a warning.

        Returns:
            This workspace.

        Raises:
            ForbiddenException: these credentials are no owner's.
        """
        passed_over(
            "Workspace.update", "a studio has no such setting.", friendly_name=friendly_name,
            image_build_compute=image_build_compute, v1_legacy_mode=v1_legacy_mode,
            service_managed_resources_settings=service_managed_resources_settings,
            primary_user_assigned_identity=primary_user_assigned_identity,
            allow_public_access_when_behind_vnet=allow_public_access_when_behind_vnet,
        )  # fmt: skip
        body: Dict[str, Any] = {} if description is None else {"description": str(description)}
        if tags is not None:
            body["tags"] = texts(tags)
        if body:
            self._details, self._tags = dict(self._client.patch(self._path(""), body)), {}
        return self

    def delete(self, delete_dependent_resources: bool = False, no_wait: bool = False) -> None:
        """Delete the workspace with all that it keeps, for everybody and at once.

        The studio removes its files meanwhile, so there is nothing to wait for. There is no way back; Azure ML would
        leave the data in their storage.

        Args:
            delete_dependent_resources: has to be True, since runs, models and data go, too.
            no_wait: taken and not used.

        Raises:
            UserErrorException: `delete_dependent_resources` is not True.
            ForbiddenException: these credentials are no owner's.
            ConflictException: it is the studio's first workspace, which stays.
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
        document = html.known(self._load) or {}
        rows = [
            ("Studio", self.studio_url),
            ("Your role", document.get("role")),
            ("Default datastore", document.get("default_datastore")),
            ("Subscription", document.get("subscription_id")),
            ("Resource group", document.get("resource_group")),
            ("Created", html.moment(document.get("created_at"))),
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


def workspace_of_debugging() -> Workspace:
    """The workspace of the step that `duto debug` has started, with the credentials of who started it."""
    found = credentials.find(os.environ.get("AZUREML_SERVICE_ENDPOINT"))
    name = os.environ.get("AZUREML_ARM_WORKSPACE_NAME", "")
    return Workspace(None, None, name, _disable_service_check=True, _credentials=found)
