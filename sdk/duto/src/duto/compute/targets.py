"""Compute targets: clusters of nodes that run the steps, under Azure ML's names."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NoReturn, Optional, Union

from duto import html
from duto.client.http import segment, waiting
from duto.compute.provisioning import AmlComputeProvisioningConfiguration
from duto.compute.status import AmlComputeStatus
from duto.exceptions import AzureMLException, ComputeTargetException, NotFoundException
from duto.not_built import refusing
from duto.spec.names import RULES, is_name
from duto.spec.sizes import CATALOGUE, GIB
from duto.spec.units import counted

if TYPE_CHECKING:
    import duto
    from duto.run.run import Run
    from duto.workspace.workspace import Workspace

_POLL = 1.0
# Of targets that are no clusters for programs, by their type.
_CLASSES = {
    "DataFactory": "DataFactoryCompute",
    "Batch": "BatchCompute",
    "SynapseSpark": "SynapseCompute",
    "Databricks": "DatabricksCompute",
    "Slurm": "SlurmCompute",
}


class _TargetType(type):
    """Lets `ComputeTarget(ws, name)` give a target of its own class: programs test `type(x) is
    AmlCompute`."""

    def __call__(cls, workspace: Any, name: str) -> Any:
        return AmlCompute._of(workspace, _fetch(workspace, name))


@refusing(
    "delete detach get_status refresh_state serialize wait_for_completion",
    "ComputeTarget(workspace, name) gives a target that has it.",
)
class ComputeTarget(metaclass=_TargetType):
    """A place where steps run: here an `AmlCompute`. `ComputeTarget(workspace, name)` gives one.

    Attributes:
        type: `AmlCompute`, `DataFactory`, `Batch`, `SynapseSpark`, `Databricks` or `Slurm`.
    """

    type = "Compute"

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Gives an `AmlCompute`, no object of this class.

        Args:
            workspace: the workspace.
            name: name of the target.

        Raises:
            ComputeTargetException: there is none of this name, as programs expect that use or create one.
        """
        raise AssertionError("unreachable: the metaclass answers the call")

    @staticmethod
    def create(
        workspace: Workspace,
        name: str,
        provisioning_configuration: Union[AmlComputeProvisioningConfiguration, duto.AttachConfiguration],
    ) -> AmlCompute:
        """A new target; one of this name and size that is there is changed to the configuration.

        Args:
            workspace: the workspace.
            name: its name, unique in the workspace.
            provisioning_configuration: its settings.

        Returns:
            The target, which may still be at work to come to be: `wait_for_completion` waits.

        Raises:
            ComputeTargetException: the name or the configuration cannot be, there is one of this name and another
                size, or these credentials may not make one.
        """
        if not is_name("compute", name):
            raise ComputeTargetException(f"{name!r} cannot name a compute target: use {RULES['compute'][1]}.")
        provisioning_configuration.validate_configuration()
        body = {"name": name, **provisioning_configuration.to_body(workspace)}
        try:
            item = workspace._client.post(workspace._path("compute/"), body)
        except AzureMLException as error:
            raise ComputeTargetException(str(error), inner_exception=error) from error
        return AmlCompute._of(workspace, item)

    @staticmethod
    def attach(workspace: Workspace, name: str, attach_configuration: duto.AttachConfiguration) -> AmlCompute:
        """A target of another service's kind: here a cluster of the studio of the class that programs know.

        Args:
            workspace: the workspace.
            name: its name, unique in the workspace.
            attach_configuration: what `attach_configuration` of `DataFactoryCompute`, `BatchCompute`, `SynapseCompute`,
                `DatabricksCompute` or `SlurmCompute` gave.

        Returns:
            The target; one of this name and type that is there is given.

        Raises:
            ComputeTargetException: the name or the configuration cannot be, a target of another type or size has the
                name, or these credentials may not make one.
        """
        if not hasattr(attach_configuration, "to_body"):
            raise ComputeTargetException(
                f"{attach_configuration!r} is no configuration: give what attach_configuration() of a class of targets "
                "gives."
            )
        return ComputeTarget.create(workspace, name, attach_configuration)

    @staticmethod
    def list(workspace: Workspace) -> List[AmlCompute]:
        """All targets of the workspace.

        Args:
            workspace: the workspace.

        Returns:
            The targets.
        """
        return [AmlCompute._of(workspace, item) for item in workspace._pages("compute/")]

    @staticmethod
    def deserialize(workspace: Workspace, object_dict: Mapping[str, Any]) -> AmlCompute:
        """The target that `serialize()` described, as it is now.

        Args:
            workspace: the workspace.
            object_dict: what `serialize()` gave; its name counts.

        Returns:
            The target.

        Raises:
            ComputeTargetException: there is none of this name.
        """
        return AmlCompute._of(workspace, _fetch(workspace, object_dict["name"]))


@refusing(
    "add_identity remove_identity list_quotas list_usages update_quotas",
    "Hosts of a studio have neither identities nor quotas.",
)
class AmlCompute(ComputeTarget):
    """A cluster: nodes come when steps wait and go after the idle time.

    Attributes:
        workspace: the workspace.
        name: its name.
        id: its id.
        type: `AmlCompute`.
        status: its state, as of the last look.
        provisioning_state: `Succeeded`, `Failed`, `Deleting` and others, as Azure ML has them.
        provisioning_errors: what went wrong; None for nothing.
        vm_size: size of a node.
        vm_priority: `Dedicated` or `LowPriority`; here both are the same.
        scale_settings: between how many nodes it scales.
        description: its description.
        tags: tags by name.
        location: always `local`.
        cluster_location: always `local`.
        created_on: when it was made, ISO 8601 in UTC.
        modified_on: when it was changed, ISO 8601 in UTC.
    """

    type = "AmlCompute"
    workspace: Any

    @classmethod
    def _of(cls, workspace: Any, item: Mapping[str, Any]) -> AmlCompute:
        made: AmlCompute = object.__new__(_class_of(str(item.get("type")), cls))
        made.workspace = workspace
        made._take(item)
        return made

    def _take(self, item: Mapping[str, Any]) -> None:
        self._item: Dict[str, Any] = dict(item)
        self.name: str = str(item["name"])
        self.id: str = str(item.get("id", ""))
        self.status = AmlComputeStatus.deserialize(item.get("status") or {})
        self.provisioning_state: str = str(item.get("provisioning_state") or self.status.provisioning_state)
        self.provisioning_errors = self.status.errors
        self.vm_size: str = str(item.get("vm_size") or self.status.vm_size)
        self.vm_priority: str = str(item.get("vm_priority") or self.status.vm_priority)
        self.scale_settings = self.status.scale_settings
        self.description: str = str(item.get("description") or "")
        self.tags: Dict[str, str] = dict(item.get("tags") or {})
        self.location = "local"
        self.cluster_location = "local"
        self.created_on = item.get("created_at")
        self.modified_on = item.get("modified_at")

    @staticmethod
    def provisioning_configuration(
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: int = 1800,
        admin_username: object = None,
        admin_user_password: object = None,
        admin_user_ssh_key: object = None,
        vnet_resourcegroup_name: object = None,
        vnet_name: object = None,
        subnet_name: object = None,
        tags: Optional[Mapping[str, str]] = None,
        description: Optional[str] = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: object = None,
        identity_id: object = None,
        location: object = None,
        enable_node_public_ip: bool = True,
    ) -> AmlComputeProvisioningConfiguration:
        """What `ComputeTarget.create` makes a cluster of.

        Args:
            vm_size: size of a node, by Azure's name such as `STANDARD_D2_V2`, in any case; a node has at most what
                its host has.
            vm_priority: `dedicated` or `lowpriority`; here both are the same.
            min_nodes: nodes that stay.
            max_nodes: nodes at most; None for 4.
            idle_seconds_before_scaledown: seconds without work after which a node goes.
            admin_username: passed over with a warning: nodes are processes or containers of a host.
            admin_user_password: passed over with a warning, like `admin_username`.
            admin_user_ssh_key: passed over with a warning, like `admin_username`.
            vnet_resourcegroup_name: passed over with a warning: a cluster's network is chosen on its page.
            vnet_name: passed over with a warning, like `vnet_resourcegroup_name`.
            subnet_name: passed over with a warning, like `vnet_resourcegroup_name`.
            tags: tags by name.
            description: its description.
            remote_login_port_public_access: taken and not used.
            identity_type: passed over with a warning: hosts have no identities of Azure's.
            identity_id: passed over with a warning, like `identity_type`.
            location: taken and not used.
            enable_node_public_ip: taken and not used.

        Returns:
            The settings.
        """
        return AmlComputeProvisioningConfiguration(
            vm_size,
            vm_priority,
            min_nodes,
            max_nodes,
            idle_seconds_before_scaledown,
            admin_username,
            admin_user_password,
            admin_user_ssh_key,
            vnet_resourcegroup_name,
            vnet_name,
            subnet_name,
            tags,
            description,
            remote_login_port_public_access,
            identity_type,
            identity_id,
            location,
            enable_node_public_ip,
        )

    @waiting()
    def wait_for_completion(
        self,
        show_output: bool = False,
        min_node_count: Optional[int] = None,
        timeout_in_minutes: float = 25,
        is_delete_operation: bool = False,
    ) -> None:
        """Wait until the cluster is there. A wait that ran out of time raises nothing.

        Args:
            show_output: print how it stands at the end.
            min_node_count: wait for so many nodes, too; None for none.
            timeout_in_minutes: minutes to wait at most.
            is_delete_operation: wait until the cluster is gone.

        Raises:
            ComputeTargetException: it could not be made, or is gone.
        """
        deadline = time.monotonic() + timeout_in_minutes * 60
        while not self._is_over(min_node_count, is_delete_operation):
            if time.monotonic() >= deadline:
                if show_output:
                    print("The wait for the cluster ran out of time.")
                return
            time.sleep(_POLL)
        if show_output and not is_delete_operation:
            nodes = self.status.current_node_count
            print(f"Cluster '{self.name}': {self.provisioning_state}, {counted(nodes, 'node')}.")
            for warning in self._item.get("warnings") or ():
                print(f"  {warning.get('text', warning) if isinstance(warning, dict) else warning}")

    def _is_over(self, min_node_count: Optional[int], deleting: bool) -> bool:
        try:
            self.refresh_state()
        except ComputeTargetException:
            if deleting:
                return True
            raise
        if self.provisioning_state == "Failed":
            raise ComputeTargetException(f"The cluster '{self.name}' could not be made: {self.provisioning_errors}")
        enough = (min_node_count or 0) <= self.status.current_node_count
        return not deleting and self.provisioning_state == "Succeeded" and enough

    def get_status(self) -> AmlComputeStatus:
        """The cluster's state now.

        Returns:
            The state; `serialize()` gives it as a dictionary of Azure's 13 keys.

        Raises:
            ComputeTargetException: it is gone.
        """
        self.refresh_state()
        return self.status

    def refresh_state(self) -> None:
        """Ask the studio for the cluster's state; attributes and `status` are then those of now.

        Raises:
            ComputeTargetException: it is gone.
        """
        self._take(_fetch(self.workspace, self.name))

    def get(self) -> Dict[str, Any]:
        """The cluster as it is now.

        Returns:
            What `serialize()` gives.

        Raises:
            ComputeTargetException: it is gone.
        """
        self.refresh_state()
        return self.serialize()

    def update(
        self,
        min_nodes: Optional[int] = None,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: Optional[int] = None,
    ) -> None:
        """Change the scale.

        Args:
            min_nodes: nodes that stay; None leaves them.
            max_nodes: nodes at most; None leaves them.
            idle_seconds_before_scaledown: seconds without work after which a node goes; None leaves them.

        Raises:
            ComputeTargetException: the scale cannot be, or these credentials may not change it.
        """
        changes = {"min_nodes": min_nodes, "max_nodes": max_nodes, "idle_seconds": idle_seconds_before_scaledown}
        body = {key: int(value) for key, value in changes.items() if value is not None}
        self._do(lambda client: client.patch(self._place, body))
        self.refresh_state()

    def delete(self) -> None:
        """Take the cluster away.

        Raises:
            ComputeTargetException: steps run on it or wait for it, or these credentials may not delete it.
        """
        self._do(lambda client: client.delete(self._place))
        self.provisioning_state = "Deleting"

    def detach(self) -> NoReturn:
        """A cluster cannot be detached.

        Raises:
            ComputeTargetException: always: it is deleted.
        """
        raise ComputeTargetException("A cluster is deleted, not detached: use delete().")

    def list_nodes(self) -> List[Dict[str, Optional[str]]]:
        """The cluster's nodes now.

        Returns:
            For each `nodeId`, `nodeState`, `runId` (the run that it works for, or None) and the name of its `host`;
            Azure's `port`, `publicIpAddress` and `privateIpAddress` are None.

        Raises:
            ComputeTargetException: the cluster is gone.
        """
        self.refresh_state()
        return [
            {
                "nodeId": node.get("id"),
                "nodeState": node.get("state"),
                "runId": node.get("run"),
                "host": node.get("host"),
                "port": None,
                "publicIpAddress": None,
                "privateIpAddress": None,
            }
            for node in self._item.get("nodes") or ()
        ]

    def get_active_runs(
        self,
        type: Optional[str] = None,
        tags: Union[str, Mapping[str, object], None] = None,
        properties: Union[str, Mapping[str, object], None] = None,
        status: Optional[str] = None,
    ) -> List[Run]:
        """The runs that are on the cluster's nodes.

        Args:
            type: only runs of this type.
            tags: only runs that have this tag, or all of these with these values.
            properties: only runs that have this property, or all of these with these values.
            status: only runs of this status.

        Returns:
            The runs.

        Raises:
            ComputeTargetException: the cluster is gone.
        """
        from duto.run.lookup import fits
        from duto.run.run import Run

        found = (Run.get(self.workspace, node["runId"]) for node in self.list_nodes() if node["runId"])
        return [run for run in found if fits(run, run._facts(), type, tags, properties, status)]

    def serialize(self) -> Dict[str, Any]:
        """The cluster as of the last look.

        Returns:
            A dictionary that is nested as Azure ML's is.
        """
        scale = self.scale_settings.serialize()
        inner = {
            "vmSize": self.vm_size,
            "vmPriority": self.vm_priority,
            "scaleSettings": scale,
            "currentNodeCount": self.status.current_node_count,
            "targetNodeCount": self.status.target_node_count,
            "allocationState": self.status.allocation_state,
            "errors": self.status.errors,
        }
        return {
            "id": self.id,
            "name": self.name,
            "location": self.location,
            "tags": self.tags,
            "type": "Microsoft.MachineLearningServices/workspaces/computes",
            "properties": {
                "description": self.description,
                "computeType": self.type,
                "computeLocation": self.location,
                "provisioningState": self.provisioning_state,
                "provisioningErrors": self.provisioning_errors,
                "createdOn": self.created_on,
                "modifiedOn": self.modified_on,
                "properties": inner,
            },
        }

    @staticmethod
    def supported_vmsizes(workspace: object, location: object = None) -> List[Dict[str, Union[str, float]]]:
        """Some of the sizes that a cluster may have. Others of Azure's names are taken as well.

        Args:
            workspace: taken and not used.
            location: taken and not used.

        Returns:
            For each `name`, `vCPUs`, `memoryGB` (gigabytes) and `gpus`.
        """
        return [
            {"name": name, "vCPUs": each.cores, "memoryGB": each.memory / GIB, "gpus": each.gpus}
            for name, each in CATALOGUE.items()
        ]

    @property
    def _place(self) -> str:
        return str(self.workspace._path(f"compute/{segment(self.name)}/"))

    def _do(self, action: Any) -> Any:
        try:
            return action(self.workspace._client)
        except AzureMLException as error:
            raise ComputeTargetException(str(error), inner_exception=error) from error

    def _repr_html_(self) -> str:
        """How a notebook shows the cluster."""
        html.known(self.refresh_state)
        scale = self.scale_settings
        rows = [
            ("Type", self.type),
            ("State", self.provisioning_state),
            ("Size", self.vm_size),
            (
                "Nodes",
                f"{self.status.current_node_count} now, {scale.minimum_node_count} to {scale.maximum_node_count}",
            ),
            ("Description", self.description),
            ("Tags", self.tags),
        ]
        place = f"{self.workspace.studio_url}/w/{segment(self.workspace.name)}/compute/"
        return html.facts("Compute target", self.name, place, rows)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(workspace={self.workspace!r}, name={self.name}, id={self.id}, type={self.type})"


def _class_of(type: str, usual: Any) -> Any:
    """The class of a target of this type."""
    import duto

    name = _CLASSES.get(type)
    return usual if name is None else getattr(duto, name)


def _fetch(workspace: Any, name: str) -> Dict[str, Any]:
    try:
        return dict(workspace._client.get(workspace._path(f"compute/{segment(name)}/")))
    except NotFoundException as error:
        text = f"ComputeTargetNotFound: Compute Target with name {name} not found in workspace '{workspace.name}'."
        raise ComputeTargetException(text, inner_exception=error) from error
