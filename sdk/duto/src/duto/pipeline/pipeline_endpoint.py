"""Pipeline endpoints: one address over the published pipelines that follow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Union

from duto.client.http import segment
from duto.client.tags import texts
from duto.exceptions import NotFoundException, UserErrorException, error_response_exception
from duto.not_built import passed_over
from duto.pipeline.endpoint_form import EndpointForm
from duto.pipeline.endpoint_token import EndpointToken
from duto.pipeline.plan import RunPlan
from duto.pipeline.published import NO_PARENT, PublishedPipeline, plan_body, published_of

if TYPE_CHECKING:
    from duto.pipeline.pipeline import Pipeline
    from duto.pipeline.pipeline_run import PipelineRun
    from duto.workspace.workspace import Workspace


class PipelineIdInfo:
    """A version of an endpoint: its number and the id of its published pipeline. Follows Azure ML's `PipelineIdInfo`.

    Attributes:
        version: its number as text.
        pipeline_id: id of the published pipeline.
    """

    def __init__(self, pipeline_id: str, version: str) -> None:
        """Programs get one by `PipelineEndpoint.pipeline_version_list`.

        Args:
            pipeline_id: id of the published pipeline.
            version: its number as text.
        """
        self.pipeline_id = pipeline_id
        self.version = version

    def __repr__(self) -> str:
        return f"PipelineIdInfo(version={self.version}, pipeline_id={self.pipeline_id})"


class PipelineVersion:
    """A version of an endpoint with its published pipeline. Follows Azure ML's `PipelineVersion`.

    Attributes:
        version: its number as text, counted from "0".
        pipeline: the published pipeline.
    """

    def __init__(self, version: str, pipeline: PublishedPipeline) -> None:
        """Programs get one by `PipelineEndpoint.list_versions`.

        Args:
            version: its number as text.
            pipeline: the published pipeline.
        """
        self.version = version
        self.pipeline = pipeline

    def __repr__(self) -> str:
        return f"PipelineVersion(version={self.version}, pipeline={self.pipeline.name})"


class PipelineEndpoint:
    """One address for published pipelines: a call runs the default one, or the version that it names.

    Programs get one by `PipelineEndpoint.publish` or `PipelineEndpoint.get`.
    """

    def __init__(
        self,
        workspace: Workspace,
        id: str,
        name: str,
        description: str,
        status: str,
        default_version: str,
        endpoint: str,
        pipeline_version_list: Optional[List[PipelineIdInfo]],
        _pipeline_endpoint_provider: Any = None,
        _published_pipeline_provider: Any = None,
        _swaggerurl: Optional[str] = None,
    ) -> None:
        """
        Args:
            workspace: the workspace.
            id: its id.
            name: its name.
            description: its description.
            status: `Active`, `Disabled` or `Archived`.
            default_version: the version that runs where none is named.
            endpoint: its address, which takes POST.
            pipeline_version_list: its versions; None to ask for them when they are needed.
        """
        self._workspace = workspace
        self._versions = pipeline_version_list
        self._document: Dict[str, Any] = {
            "id": id,
            "name": name,
            "description": description,
            "status": status,
            "default_version": default_version,
            "endpoint": endpoint,
        }

    @property
    def id(self) -> str:
        """Its id."""
        return str(self._document["id"])

    @property
    def name(self) -> str:
        """Its name, unique among the endpoints of the workspace that are not archived."""
        return str(self._document["name"])

    @property
    def description(self) -> str:
        """Its description."""
        return str(self._document["description"])

    @property
    def status(self) -> str:
        """`Active`, `Disabled` or `Archived`."""
        return str(self._document["status"])

    @property
    def default_version(self) -> str:
        """The version that runs where none is named, a number as text."""
        return str(self._document["default_version"])

    @property
    def endpoint(self) -> str:
        """Its address, which takes POST: `/<version>` behind it names a version. Cut at `Id`, with `Name?name=<name>` or
        `Name?name=<name>&pipelineVersion=<version>` behind, it is asked for by name."""
        return str(self._document["endpoint"])

    @property
    def swaggerurl(self) -> str:
        """Address of the OpenAPI document of its address, with the parameters of the default version."""
        return f"{self._workspace.studio_url}{self._workspace._path(f'endpoints/{self.id}/openapi/')}"

    @property
    def pipeline_version_list(self) -> List[PipelineIdInfo]:
        """Its versions with the ids of their pipelines, oldest first."""
        if self._versions is None:
            self._versions = [PipelineIdInfo(each.pipeline.id, each.version) for each in self.list_versions()]
        return self._versions

    @staticmethod
    def publish(
        workspace: Workspace,
        name: str,
        description: str,
        pipeline: Union[Pipeline, PublishedPipeline],
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> PipelineEndpoint:
        """Make an endpoint whose version "0", the default, is this pipeline.

        Args:
            workspace: the workspace.
            name: its name.
            description: its description.
            pipeline: a published pipeline, or a `Pipeline`, which is published under the endpoint's name first.

        Returns:
            The endpoint.

        Raises:
            ConflictException: there is one of this name.
            UserErrorException: the name or the pipeline is none.
        """
        body = {"name": name, "description": description or "", "pipeline": _published(pipeline, name, description).id}
        return _endpoint_of(workspace, workspace._client.post(workspace._path("endpoints/"), body))

    @staticmethod
    def get(
        workspace: Workspace,
        id: Optional[str] = None,
        name: Optional[str] = None,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> PipelineEndpoint:
        """The endpoint of this id or this name.

        Args:
            workspace: the workspace.
            id: its id.
            name: its name, where no id is given.

        Returns:
            The endpoint.

        Raises:
            NotFoundException: there is none. It is an `ErrorResponseException` as well, as which programs catch it.
            UserErrorException: neither id nor name is given.
        """
        if id is None and name is None:
            raise UserErrorException("PipelineEndpoint.get needs the id or the name of the endpoint.")
        if id is not None:
            try:
                return _endpoint_of(workspace, workspace._client.get(workspace._path(f"endpoints/{segment(str(id))}/")))
            except NotFoundException as error:
                raise _missing(workspace, id) from error
        found = next(iter(workspace._pages("endpoints/", name=name)), None)
        if found is None:
            raise _missing(workspace, name)
        return _endpoint_of(workspace, found)

    @staticmethod
    def list(
        workspace: Workspace,
        active_only: bool = True,
        max_results: int = 100,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> List[PipelineEndpoint]:
        """The endpoints of the workspace. Azure ML ends with the first 100 in any case; here `max_results` is what is said.

        Args:
            workspace: the workspace.
            active_only: leave out those that are disabled; archived ones are left out in any case.
            max_results: at most so many; 0 or None for all.

        Returns:
            The endpoints, newest first.
        """
        found: List[PipelineEndpoint] = []
        for item in workspace._pages("endpoints/", **({"status": "Active"} if active_only else {})):
            found.append(_endpoint_of(workspace, item))
            if len(found) == max_results:
                break
        return found

    @staticmethod
    def get_all(
        workspace: Workspace,
        active_only: bool = True,
        _workflow_provider: Any = None,
        _service_endpoint: Any = None,
    ) -> List[PipelineEndpoint]:
        """All endpoints of the workspace.

        Args:
            workspace: the workspace.
            active_only: as in `list`.

        Returns:
            The endpoints, newest first.
        """
        return PipelineEndpoint.list(workspace, active_only, max_results=0)

    def submit(
        self,
        experiment_name: str,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        parent_run_id: Optional[str] = None,
        pipeline_version: Optional[str] = None,
    ) -> PipelineRun:
        """Start a version as a run of the experiment.

        Args:
            experiment_name: name of the experiment, which is made if need be.
            pipeline_parameters: values of parameters by name; others have their defaults.
            parent_run_id: passed over with a warning: a pipeline run stands for itself.
            pipeline_version: the version; None for the default.

        Returns:
            The run, which goes on when this returns.

        Raises:
            NotFoundException: there is no such version.
            UserErrorException: a parameter is not declared or has a value of another type.
            ConflictException: the endpoint or the pipeline is disabled.
        """
        passed_over("PipelineEndpoint.submit", NO_PARENT, parent_run_id=parent_run_id)
        run: PipelineRun = self._start(experiment_name, pipeline_parameters, pipeline_version)
        return run

    def plan(
        self,
        experiment_name: Optional[str] = None,
        pipeline_parameters: Optional[Mapping[str, object]] = None,
        pipeline_version: Optional[str] = None,
        regenerate_outputs: bool = False,
    ) -> RunPlan:
        """What `submit` with the same arguments would do. Nothing is started. An addition of ours.

        Args:
            experiment_name: name of the experiment; None for any.
            pipeline_parameters: values of parameters by name; others have their defaults.
            pipeline_version: the version; None for the default.
            regenerate_outputs: run every step, whatever could be reused.

        Returns:
            The plan; printed, it is a table.

        Raises:
            NotFoundException: there is no such version.
            UserErrorException: a parameter is not declared or has a value of another type.
            ConflictException: the endpoint or the pipeline is disabled.
        """
        version = self.get_default_version() if pipeline_version is None else str(pipeline_version)
        pipeline = self.get_pipeline(version)
        body = plan_body(pipeline, experiment_name, pipeline_parameters, None, regenerate_outputs)
        place = f"{self._place}plan/?pipelineVersion={segment(version)}"
        return RunPlan(self._workspace._client.post(place, body))

    def _start(
        self,
        experiment_name: str,
        parameters: Optional[Mapping[str, Any]],
        version: Optional[str],
        going_on: Optional[bool] = None,
        tags: Optional[Mapping[str, Any]] = None,
    ) -> Any:
        from urllib.parse import urlsplit

        from duto.pipeline.submission import bound
        from duto.run.run import Run

        workspace = self._workspace
        # The address takes undeclared parameters and leaves them aside; a program is told.
        values = bound(self.get_pipeline(version).get_graph(), parameters, workspace) if parameters else {}
        body: Dict[str, Any] = {
            "ExperimentName": experiment_name,
            "ParameterAssignments": values,
            "RunSource": "SDK",
            "Tags": texts(tags),
        }
        if going_on is not None:
            body["ContinueRunOnStepFailure"] = bool(going_on)
        path = urlsplit(self.endpoint).path
        answer = workspace._client.post(path if version is None else f"{path}/{segment(str(version))}", body)
        run = Run.get(workspace, str(answer["Id"]))
        print(f"Submitted PipelineRun {run.id}\nLink to the studio: {run.get_portal_url()}", flush=True)
        return run

    def add(self, pipeline: Union[Pipeline, PublishedPipeline]) -> None:
        """Add a pipeline as the next version; the default stays. One that the endpoint has keeps its version.

        Args:
            pipeline: a published pipeline, or a `Pipeline`, which is published under the endpoint's name first.

        Raises:
            ConflictException: the endpoint is archived.
            UserErrorException: the pipeline is none.
        """
        self._add(pipeline, False)

    def add_default(self, pipeline: Union[Pipeline, PublishedPipeline]) -> None:
        """Add a pipeline as the next version and make it the default.

        Args:
            pipeline: as in `add`.

        Raises:
            ConflictException: the endpoint is archived.
            UserErrorException: the pipeline is none.
        """
        self._add(pipeline, True)

    def set_default(self, pipeline: Union[Pipeline, PublishedPipeline]) -> None:
        """Make the version of this pipeline the default.

        Args:
            pipeline: a published pipeline that the endpoint has.

        Raises:
            NotFoundException: the endpoint has it not: `add_default` adds it.
        """
        wanted = str(getattr(pipeline, "id", pipeline))
        for each in self.list_versions():
            if each.pipeline.id == wanted:
                return self.set_default_version(each.version)
        raise NotFoundException(f"The endpoint '{self.name}' has no version of pipeline {wanted}; add_default adds it.")

    def set_default_version(self, version: str) -> None:
        """Make a version the default.

        Args:
            version: its number.

        Raises:
            NotFoundException: there is no such version.
            UserErrorException: it is no number.
        """
        text = str(version).strip()
        if not text.isdigit():
            raise UserErrorException(f"The version of an endpoint is a number, such as '0', not {version!r}.")
        self._change({"default_version": int(text)})

    def get_default_version(self) -> str:
        """The version that runs where none is named, as it is now.

        Returns:
            Its number as text.
        """
        self._document = dict(self._workspace._client.get(self._place))
        return self.default_version

    def get_pipeline(self, version: Optional[str] = None) -> PublishedPipeline:
        """The published pipeline of a version.

        Args:
            version: its number; None for the default.

        Returns:
            The published pipeline.

        Raises:
            NotFoundException: there is no such version.
        """
        wanted = self.get_default_version() if version is None else str(version)
        found = self._workspace._client.get(f"{self._place}versions/{segment(wanted)}/")
        return published_of(self._workspace, found["pipeline"])

    def list_versions(self, _workflow_provider: Any = None, _service_endpoint: Any = None) -> List[PipelineVersion]:
        """Its versions.

        Returns:
            The versions with their pipelines, oldest first.
        """
        items = self._workspace._client.pages(f"{self._place}versions/")
        found = [
            PipelineVersion(str(each["version"]), published_of(self._workspace, each["pipeline"])) for each in items
        ]
        return found[::-1]

    def get_all_versions(self, _workflow_provider: Any = None, _service_endpoint: Any = None) -> List[PipelineVersion]:
        """The old spelling of `list_versions`.

        Returns:
            The versions with their pipelines.
        """
        return self.list_versions()

    def list_pipelines(
        self, active_only: bool = True, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> List[PublishedPipeline]:
        """The published pipelines of its versions.

        Args:
            active_only: leave those out that are disabled.

        Returns:
            The published pipelines, oldest version first.
        """
        found = [each.pipeline for each in self.list_versions()]
        return [each for each in found if each.status == "Active" or not active_only]

    def get_all_pipelines(
        self, active_only: bool = True, _workflow_provider: Any = None, _service_endpoint: Any = None
    ) -> List[PublishedPipeline]:
        """The old spelling of `list_pipelines`.

        Args:
            active_only: as there.

        Returns:
            The published pipelines.
        """
        return self.list_pipelines(active_only)

    def set_name(self, name: str) -> None:
        """Give it another name. Its address stays.

        Args:
            name: the name.

        Raises:
            ConflictException: another endpoint has it.
        """
        self._change({"name": name})

    def set_description(self, description: str) -> None:
        """Give it another description.

        Args:
            description: the text.
        """
        self._change({"description": description})

    def enable(self) -> None:
        """Be started again."""
        self._change({"status": "Active"})

    def disable(self) -> None:
        """Refuse to be started, and leave the list of active ones."""
        self._change({"status": "Disabled"})

    def archive(self) -> None:
        """Leave all lists, refuse to be started, and give the name away."""
        self._change({"status": "Archived"})

    def reactivate(self, name: str) -> None:
        """Bring an archived one back.

        Args:
            name: the name that it has from then on.

        Raises:
            ConflictException: another endpoint has this name.
        """
        self._change({"status": "Active", "name": name})

    def create_token(
        self,
        name: str,
        expires_in_days: Optional[int] = None,
        runs_per_hour: int = 60,
        any_version: bool = False,
    ) -> EndpointToken:
        """Make a token that starts this endpoint and sees the runs that it started, nothing else. An addition of ours.

        Runs are started for whoever made it, and it ends when they may not submit runs any more.

        Args:
            name: whom it is for.
            expires_in_days: after how many days it ends; None for never.
            runs_per_hour: how many runs it starts within any hour, from 1 to 10,000.
            any_version: whether it may name a version; else it starts the default one.

        Returns:
            The token; its `token` is the text, which is told this once.

        Raises:
            UserErrorException: the name or a number is none that a token has.
            ForbiddenException: the caller may not submit runs, or is a token that ends before.
        """
        body = {
            "name": name, "expires_in_days": expires_in_days, "runs_per_hour": runs_per_hour, "any_version": any_version
        }  # fmt: skip
        return EndpointToken(self._workspace._client.post(f"{self._place}tokens/", body))

    def list_tokens(self) -> List[EndpointToken]:
        """The tokens that start this endpoint, those too that have ended. An addition of ours.

        Returns:
            The tokens without their texts, newest first.
        """
        return [EndpointToken(each) for each in self._workspace._client.pages(f"{self._place}tokens/")]

    def revoke_token(self, token: Union[EndpointToken, str]) -> None:
        """End a token at once. The runs that it started go on. An addition of ours.

        Args:
            token: the token, or its id.

        Raises:
            NotFoundException: the endpoint has no such token.
            ForbiddenException: another member made it, and the caller is no owner.
        """
        self._workspace._client.delete(f"{self._place}tokens/{segment(str(getattr(token, 'id', token)))}/")

    def create_form(self, expires_in_days: Optional[int] = None, runs_per_hour: int = 60) -> EndpointForm:
        """Let anyone who has the link run the default version by a form, without an account. An addition of ours.

        A link that is out there ends: this renews it. Its runs are those of the owner who calls this.

        Args:
            expires_in_days: after how many days it ends; None for never.
            runs_per_hour: how many runs it starts within any hour, from 1 to 10,000.

        Returns:
            The form; its `url` is the link, which is told this once.

        Raises:
            UserErrorException: a number is none that a link has.
            ForbiddenException: the caller is no owner of the workspace, or is a token that ends before.
        """
        body = {"expires_in_days": expires_in_days, "runs_per_hour": runs_per_hour}
        return EndpointForm(self._workspace._client.post(f"{self._place}form/", body))

    def get_form(self) -> Optional[EndpointForm]:
        """The form by link, where it is on. An addition of ours.

        Returns:
            The form without its link; None where there is none.
        """
        try:
            return EndpointForm(self._workspace._client.get(f"{self._place}form/"))
        except NotFoundException as error:
            if error.code == "no_form":
                return None
            raise

    def revoke_form(self) -> None:
        """Switch the form by link off; where it is off already nothing happens. Its runs go on. An addition of ours.

        Raises:
            ForbiddenException: the caller is no owner of the workspace.
        """
        self._workspace._client.delete(f"{self._place}form/")

    def _add(self, pipeline: Union[Pipeline, PublishedPipeline], is_default: bool) -> None:
        body = {"pipeline": _published(pipeline, self.name, self.description).id, "is_default": is_default}
        made = self._workspace._client.post(f"{self._place}versions/", body)
        self._versions = None
        if is_default:
            self._document["default_version"] = made["version"]

    def _change(self, changes: Mapping[str, object]) -> None:
        self._document = dict(self._workspace._client.patch(self._place, changes))

    @property
    def _place(self) -> str:
        return str(self._workspace._path(f"endpoints/{segment(self.id)}/"))

    def __repr__(self) -> str:
        return (
            f"PipelineEndpoint(Name: {self.name},\nId: {self.id},\nStatus: {self.status},\n"
            f"Default version: {self.default_version},\nEndpoint: {self.endpoint})"
        )


def _endpoint_of(workspace: Workspace, item: Mapping[str, Any]) -> PipelineEndpoint:
    """The endpoint of a document."""
    return PipelineEndpoint(
        workspace,
        str(item["id"]),
        str(item["name"]),
        str(item["description"]),
        str(item["status"]),
        str(item["default_version"]),
        str(item["endpoint"]),
        None,
    )


def _published(
    pipeline: Union[Pipeline, PublishedPipeline], name: str, description: Optional[str]
) -> PublishedPipeline:
    """The pipeline itself, or what it is published as. Raises UserErrorException for anything else."""
    from duto.pipeline.pipeline import Pipeline

    if isinstance(pipeline, PublishedPipeline):
        return pipeline
    if isinstance(pipeline, Pipeline):
        return pipeline.publish(name=name, description=description)
    raise UserErrorException(f"An endpoint has published pipelines, not {type(pipeline).__name__}.")


def _missing(workspace: Workspace, which: object) -> Exception:
    return error_response_exception()(f"There is no pipeline endpoint '{which}' in '{workspace.name}'.")
