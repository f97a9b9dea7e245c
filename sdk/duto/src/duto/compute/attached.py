"""Targets of other services of Azure's: here each is a cluster of the studio under the class that programs know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Dict, Mapping, Optional, Union

from duto.client.http import segment
from duto.compute.targets import AmlCompute
from duto.exceptions import NotFoundException
from duto.not_built import passed_over

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace


class AttachConfiguration:
    """What `ComputeTarget.attach` takes. Programs get one by `attach_configuration` of a class of targets."""

    type: ClassVar[str]

    def validate_configuration(self) -> None:
        """Look at the settings before they are sent. Nothing in these can be wrong."""

    def to_body(self, workspace: Workspace) -> Dict[str, object]:
        """The settings as REST takes them.

        Args:
            workspace: the workspace.

        Returns:
            The body of `POST compute/`, without the name.
        """
        return {"type": self.type, "vm_size": "STANDARD_D1_V2", "max_nodes": 4, "idle_seconds": 120}


class DataFactoryProvisioningConfiguration(AttachConfiguration):
    """The settings of a `DataFactoryCompute` that is to be made.

    Attributes:
        type: type of the target.
    """

    type = "DataFactory"

    def __init__(self, location: Optional[str] = None) -> None:
        """Programs get it by `DataFactoryCompute.provisioning_configuration`.

        Args:
            location: taken and not used: it stands in the studio.
        """
        self.location = location


class DataFactoryAttachConfiguration(AttachConfiguration):
    """The settings of a `DataFactoryCompute` that is to be attached.

    Attributes:
        type: type of the target.
    """

    type = "DataFactory"

    def __init__(
        self,
        resource_group: Optional[str] = None,
        factory_name: Optional[str] = None,
        resource_id: Optional[str] = None,
    ) -> None:
        """Programs get it by `DataFactoryCompute.attach_configuration`.

        Args:
            resource_group: taken and not used.
            factory_name: taken and not used: the studio copies by itself.
            resource_id: taken and not used.
        """
        self.resource_group, self.factory_name, self.resource_id = resource_group, factory_name, resource_id


class BatchAttachConfiguration(AttachConfiguration):
    """The settings of a `BatchCompute` that is to be attached.

    Attributes:
        type: type of the target.
    """

    type = "Batch"

    def __init__(
        self,
        resource_group: Optional[str] = None,
        account_name: Optional[str] = None,
        resource_id: Optional[str] = None,
    ) -> None:
        """Programs get it by `BatchCompute.attach_configuration`.

        Args:
            resource_group: taken and not used.
            account_name: name of a cluster of the workspace, whose size and terms the target takes.
            resource_id: an id of Azure's, whose last part is taken for `account_name`.
        """
        self.resource_group, self.account_name, self.resource_id = resource_group, account_name, resource_id

    def to_body(self, workspace: Workspace) -> Dict[str, object]:
        """The settings as REST takes them.

        Args:
            workspace: the workspace, where the cluster is looked up.

        Returns:
            The body of `POST compute/`, without the name: as `like_cluster` has it.
        """
        name = self.account_name or str(self.resource_id or "").rstrip("/").rpartition("/")[2]
        return {"type": self.type, **like_cluster(workspace, "BatchCompute", "account_name", name)}


def like_cluster(workspace: Workspace, who: str, argument: str, name: Optional[str]) -> Dict[str, object]:
    """The size and the terms of a cluster.

    Args:
        workspace: the workspace, where it is looked up.
        who: the class of targets that asks, for the warning.
        argument: what names the cluster.
        name: its name; None or empty for none.

    Returns:
        What of the body of `POST compute/` tells them. Without a cluster of that name, and with a warning, the size
        STANDARD_D2_V2.
    """
    try:
        like: Mapping[str, Any] = workspace._client.get(workspace._path(f"compute/{segment(name)}/")) if name else {}
    except NotFoundException:
        like = {}
    if not like:
        passed_over(
            who,
            "no cluster of the workspace has that name, so the target is of the size STANDARD_D2_V2. Name a cluster to have "
            "its size and its hosts.",
            **{argument: name or None},
        )
        return {"vm_size": "STANDARD_D2_V2"}
    terms = (
        "vm_size",
        "vm_priority",
        "max_nodes",
        "idle_seconds",
        "policy",
        "hosts",
        "launcher",
        "network",
        "spark_master",
    )
    return {key: like[key] for key in terms if key in like}


class AttachedCompute(AmlCompute):
    """What targets share that programs attach and detach. Programs attach one of its kinds."""

    def detach(self) -> None:  # type: ignore[override]
        """Take the target away.

        Raises:
            ComputeTargetException: steps run on it or wait for it, or these credentials may not delete it.
        """
        self.delete()


class DataFactoryCompute(AttachedCompute):
    """Where `DataTransferStep` copies: in the studio, on a small node of a host. No data factory is needed.

    Attributes:
        type: `DataFactory`.
    """

    type = "DataFactory"

    @staticmethod
    def provisioning_configuration(location: Optional[str] = None) -> DataFactoryProvisioningConfiguration:  # type: ignore[override]
        """What `ComputeTarget.create` makes a target of.

        Args:
            location: taken and not used: it stands in the studio.

        Returns:
            The settings.
        """
        return DataFactoryProvisioningConfiguration(location)

    @staticmethod
    def attach(
        workspace: Workspace, name: str, resource_id: Union[str, AttachConfiguration, None] = None
    ) -> AmlCompute:
        """The older way to a target under this name.

        Args:
            workspace: the workspace.
            name: its name, unique in the workspace.
            resource_id: an id of Azure's, which means nothing here, or what `attach_configuration()` gave.

        Returns:
            The target; one of this name and type that is there is given.

        Raises:
            ComputeTargetException: as for `ComputeTarget.attach`.
        """
        given = resource_id if isinstance(resource_id, AttachConfiguration) else None
        return AmlCompute.attach(workspace, name, given or DataFactoryAttachConfiguration(resource_id=str(resource_id)))

    @staticmethod
    def attach_configuration(
        resource_group: Optional[str] = None,
        factory_name: Optional[str] = None,
        resource_id: Optional[str] = None,
    ) -> DataFactoryAttachConfiguration:
        """What `ComputeTarget.attach` makes a target of.

        Args:
            resource_group: taken and not used.
            factory_name: taken and not used: the studio copies by itself.
            resource_id: taken and not used.

        Returns:
            The settings.
        """
        return DataFactoryAttachConfiguration(resource_group, factory_name, resource_id)


class BatchCompute(AttachedCompute):
    """Where `AzureBatchStep` runs: a target of the studio, with the size and the hosts of a cluster. There is no Azure Batch.

    Attributes:
        type: `Batch`.
    """

    type = "Batch"

    @staticmethod
    def attach_configuration(
        resource_group: Optional[str] = None,
        account_name: Optional[str] = None,
        resource_id: Optional[str] = None,
    ) -> BatchAttachConfiguration:
        """What `ComputeTarget.attach` makes a target of.

        Args:
            resource_group: taken and not used.
            account_name: name of a cluster of the workspace, whose size and terms the target takes.
            resource_id: an id of Azure's, whose last part is taken for `account_name`.

        Returns:
            The settings.
        """
        return BatchAttachConfiguration(resource_group, account_name, resource_id)
