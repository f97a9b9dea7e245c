"""Spark pools and workspaces of Azure's: here each is a cluster of the studio whose Spark steps work with a master of Spark, or
with Spark on the step's own node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NoReturn, Optional, Union

from duto.compute.attached import AttachConfiguration, AttachedCompute, like_cluster
from duto.compute.targets import AmlCompute, ComputeTarget
from duto.exceptions import ComputeTargetException
from duto.not_built import not_built
from duto.spec.spark import master_problem

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace

_LINK = "linked_service"


class SparkAttachConfiguration(AttachConfiguration):
    """What configurations of Spark targets share: a cluster's name, or the address of a master of Spark."""

    _who = ""
    _argument = ""

    def _wanted(self) -> Optional[str]:
        raise NotImplementedError

    def validate_configuration(self) -> None:
        """Look at the settings before they are sent.

        Raises:
            ComputeTargetException: the address of a master is none.
        """
        wanted = self._wanted() or ""
        problem = master_problem(wanted) if "://" in wanted else ""
        if problem:
            raise ComputeTargetException(f"{self._argument}: {problem}")

    def to_body(self, workspace: Workspace) -> Dict[str, object]:
        """The settings as REST takes them.

        Args:
            workspace: the workspace, where a cluster is looked up.

        Returns:
            The body of `POST compute/`, without the name: the size and the terms of a cluster, or the address of a master
            and the size STANDARD_D2_V2 for the drivers.
        """
        wanted = self._wanted()
        if wanted and "://" in wanted:
            return {"type": self.type, "vm_size": "STANDARD_D2_V2", "spark_master": wanted}
        return {"type": self.type, **like_cluster(workspace, self._who, self._argument, wanted)}


class SynapseAttachConfiguration(SparkAttachConfiguration):
    """The settings of a `SynapseCompute` that is to be attached.

    Attributes:
        type: type of the target.
    """

    type = "SynapseSpark"
    _who, _argument = "SynapseCompute", "pool_name"

    def __init__(
        self,
        linked_service: Union[LinkedService, str, None] = None,
        type: Optional[str] = None,
        pool_name: Optional[str] = None,
    ) -> None:
        """Programs get it by `SynapseCompute.attach_configuration`.

        Args:
            linked_service: a `LinkedService`, or its name, which the target keeps among its tags.
            type: `SynapseSpark`, the only one.
            pool_name: name of a cluster of the workspace, whose size and terms the target takes, or the address of a
                master of Spark, `spark://host:port`.

        Raises:
            ComputeTargetException: the type is another.
        """
        if type not in (None, "SynapseSpark"):
            raise ComputeTargetException(f"A SynapseCompute is of the type SynapseSpark, not {type!r}.")
        self.linked_service, self.pool_name = linked_service, pool_name

    def _wanted(self) -> Optional[str]:
        return self.pool_name

    def to_body(self, workspace: Workspace) -> Dict[str, object]:
        """The settings as REST takes them.

        Args:
            workspace: the workspace, where a cluster is looked up.

        Returns:
            The body of `POST compute/`, without the name, as all Spark targets have it.
        """
        name = getattr(self.linked_service, "name", self.linked_service)
        return {**super().to_body(workspace), **({"tags": {_LINK: str(name)}} if name else {})}


class DatabricksAttachConfiguration(SparkAttachConfiguration):
    """The settings of a `DatabricksCompute` that is to be attached.

    Attributes:
        type: type of the target.
    """

    type = "Databricks"
    _who, _argument = "DatabricksCompute", "workspace_name"

    def __init__(
        self,
        resource_group: Optional[str] = None,
        workspace_name: Optional[str] = None,
        resource_id: Optional[str] = None,
        access_token: str = "",
    ) -> None:
        """Programs get it by `DatabricksCompute.attach_configuration`.

        Args:
            resource_group: taken and not used.
            workspace_name: name of a cluster of the workspace, whose size and terms the target takes, or the address of a
                master of Spark, `spark://host:port`.
            resource_id: an id of Azure's, whose last part is taken for `workspace_name`.
            access_token: taken and not used: there is no Databricks, and the token is neither sent nor kept.
        """
        self.resource_group, self.workspace_name, self.resource_id = resource_group, workspace_name, resource_id

    def _wanted(self) -> Optional[str]:
        return self.workspace_name or str(self.resource_id or "").rstrip("/").rpartition("/")[2]


class SynapseCompute(AttachedCompute):
    """Where `SynapseSparkStep` runs: a target of the studio. There is no Azure Synapse. See docs/spark.md.

    Attributes:
        type: `SynapseSpark`.
    """

    type = "SynapseSpark"

    @staticmethod
    def attach_configuration(
        linked_service: Union[LinkedService, str, None] = None,
        type: Optional[str] = None,
        pool_name: Optional[str] = None,
    ) -> SynapseAttachConfiguration:
        """What `ComputeTarget.attach` makes a target of.

        Args:
            linked_service: a `LinkedService`, or its name, which the target keeps among its tags.
            type: `SynapseSpark`, the only one.
            pool_name: name of a cluster of the workspace, whose size and terms the target takes, or the address of a
                master of Spark, `spark://host:port`.

        Returns:
            The settings.

        Raises:
            ComputeTargetException: the type is another.
        """
        return SynapseAttachConfiguration(linked_service, type, pool_name)


class DatabricksCompute(AttachedCompute):
    """Where `DatabricksStep` runs: a target of the studio. There is no Databricks. See docs/spark.md.

    Attributes:
        type: `Databricks`.
    """

    type = "Databricks"

    @staticmethod
    def attach(
        workspace: Workspace,
        name: str,
        resource_id: Union[str, AttachConfiguration, None] = None,
        access_token: str = "",
    ) -> AmlCompute:
        """The older way to a target under this name.

        Args:
            workspace: the workspace.
            name: its name, unique in the workspace.
            resource_id: an id of Azure's, whose last part names a cluster, or what `attach_configuration()` gave.
            access_token: taken and not used.

        Returns:
            The target; one of this name and type that is there is given.

        Raises:
            ComputeTargetException: as for `ComputeTarget.attach`.
        """
        given = resource_id if isinstance(resource_id, AttachConfiguration) else None
        return AmlCompute.attach(
            workspace, name, given or DatabricksAttachConfiguration(resource_id=str(resource_id or ""))
        )

    @staticmethod
    def attach_configuration(
        resource_group: Optional[str] = None,
        workspace_name: Optional[str] = None,
        resource_id: Optional[str] = None,
        access_token: str = "",
    ) -> DatabricksAttachConfiguration:
        """What `ComputeTarget.attach` makes a target of.

        Args:
            resource_group: taken and not used.
            workspace_name: name of a cluster of the workspace, whose size and terms the target takes, or the address of a
                master of Spark, `spark://host:port`.
            resource_id: an id of Azure's, whose last part is taken for `workspace_name`.
            access_token: taken and not used: there is no Databricks, and the token is neither sent nor kept.

        Returns:
            The settings.
        """
        return DatabricksAttachConfiguration(resource_group, workspace_name, resource_id)

    def get_credentials(self) -> NoReturn:
        """Not built.

        Raises:
            NotBuiltException: always; it says what to do instead.
        """
        raise not_built("DatabricksCompute.get_credentials", "There is no Databricks, and no token of it is kept.")


class LinkedServiceConfiguration:
    """What `LinkedService.register` takes. Programs make one of its kinds."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        """
        Args:
            args: taken and not used.
            kwargs: taken and not used.
        """


class SynapseWorkspaceLinkedServiceConfiguration(LinkedServiceConfiguration):
    """Names a workspace of Azure Synapse, which nothing here asks for anything.

    Attributes:
        subscription_id: what it was given.
        resource_group: what it was given.
        name: what it was given.
    """

    def __init__(
        self, subscription_id: Optional[str] = None, resource_group: Optional[str] = None, name: Optional[str] = None
    ) -> None:
        """
        Args:
            subscription_id: taken and not used.
            resource_group: taken and not used.
            name: name of the workspace of Synapse.
        """
        super().__init__()
        self.subscription_id, self.resource_group, self.name = subscription_id, resource_group, name


class LinkedService:
    """A name under which programs attach Spark pools. Nothing stands behind it: the studio's hosts run Spark themselves.

    Attributes:
        name: its name.
        type: `Synapse`.
        linked_service_resource_id: None.
        system_assigned_identity_principal_id: None: hosts have no identities of Azure's.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        type: str = "Synapse",
        linked_service_resource_id: Optional[str] = None,
        system_assigned_identity_principal_id: Optional[str] = None,
    ) -> None:
        """Programs use `register` or `get`.

        Args:
            workspace: the workspace.
            name: its name.
            type: its type.
            linked_service_resource_id: an id of Azure's.
            system_assigned_identity_principal_id: an id of Azure's.
        """
        self._workspace, self.name, self.type = workspace, name, type
        self.linked_service_resource_id = linked_service_resource_id
        self.system_assigned_identity_principal_id = system_assigned_identity_principal_id

    @staticmethod
    def register(
        workspace: Workspace, name: str, linked_service_config: Optional[LinkedServiceConfiguration] = None
    ) -> LinkedService:
        """A service of this name. It is kept with the targets that are attached by it, and nowhere else.

        Args:
            workspace: the workspace.
            name: its name.
            linked_service_config: taken and not used.

        Returns:
            The service.
        """
        return LinkedService(workspace, name)

    @staticmethod
    def get(workspace: Workspace, name: str) -> LinkedService:
        """The service of this name, whether a target was attached by it or not.

        Args:
            workspace: the workspace.
            name: its name.

        Returns:
            The service.
        """
        return LinkedService(workspace, name)

    @staticmethod
    def list(workspace: Workspace) -> List[LinkedService]:
        """The services by which targets of the workspace were attached.

        Args:
            workspace: the workspace.

        Returns:
            The services, by name.
        """
        targets = [each for each in ComputeTarget.list(workspace) if each.type == SynapseCompute.type]
        tags: List[Mapping[str, Any]] = [each.tags for each in targets]
        return [LinkedService(workspace, name) for name in sorted({str(each[_LINK]) for each in tags if _LINK in each})]

    def unregister(self) -> None:
        """Nothing is kept of it but the tags of targets, which stay."""

    def __repr__(self) -> str:
        return f"LinkedService(workspace={self._workspace!r}, name={self.name}, type={self.type})"
