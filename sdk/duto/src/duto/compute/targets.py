"""Compute targets: clusters of nodes that run the steps, under Azure ML's names."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, Optional

from duto import html
from duto.client.http import segment, waiting
from duto.compute.status import AmlComputeStatus
from duto.exceptions import AzureMLException, ComputeTargetException, NotFoundException
from duto.not_built import not_built, passed_over, refusing
from duto.spec.names import RULES, is_name
from duto.spec.units import counted

_POLL = 1.0


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
    """A place where steps run. `ComputeTarget(workspace, name)` raises `ComputeTargetException` for an
    unknown name."""

    type = "Compute"

    def __init__(self, workspace: Any, name: str) -> None:
        raise AssertionError("unreachable: the metaclass answers the call")

    @staticmethod
    def create(workspace: Any, name: str, provisioning_configuration: Any) -> Any:
        """A new target; one that exists under the name is changed to the configuration.

        Raises `ComputeTargetException` for a bad name, a bad configuration, or a role that is too small.
        """
        if not is_name("compute", name):
            raise ComputeTargetException(f"{name!r} cannot name a compute target: use {RULES['compute'][1]}.")
        provisioning_configuration.validate_configuration()
        body = {"name": name, **provisioning_configuration.to_body()}
        try:
            item = workspace._client.post(workspace._path("compute/"), body)
        except AzureMLException as error:
            raise ComputeTargetException(str(error), inner_exception=error) from error
        return AmlCompute._of(workspace, item)

    @staticmethod
    def attach(workspace: Any, name: str, attach_configuration: Any) -> Any:
        """Not built. Raises `NotBuiltException`."""
        raise not_built("ComputeTarget.attach", "Use AmlCompute, which runs on the studio's hosts.")

    @staticmethod
    def list(workspace: Any) -> Any:
        """All targets of the workspace."""
        return [AmlCompute._of(workspace, item) for item in workspace._pages("compute/")]

    @staticmethod
    def deserialize(workspace: Any, object_dict: Mapping[str, Any]) -> Any:
        """The target that `serialize()` described."""
        return ComputeTarget(workspace, object_dict["name"])


@refusing(
    "add_identity remove_identity list_quotas list_usages update_quotas",
    "Hosts of a studio have neither identities nor quotas.",
)
class AmlCompute(ComputeTarget):
    """A cluster: nodes come when steps wait and go after the idle time."""

    type = "AmlCompute"
    workspace: Any

    @classmethod
    def _of(cls, workspace: Any, item: Mapping[str, Any]) -> AmlCompute:
        made = object.__new__(cls)
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
        admin_username: Any = None,
        admin_user_password: Any = None,
        admin_user_ssh_key: Any = None,
        vnet_resourcegroup_name: Any = None,
        vnet_name: Any = None,
        subnet_name: Any = None,
        tags: Any = None,
        description: Any = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: Any = None,
        identity_id: Any = None,
        location: Any = None,
        enable_node_public_ip: bool = True,
    ) -> AmlComputeProvisioningConfiguration:
        """What `ComputeTarget.create` makes a cluster of; settings of Azure's network are taken and mean
        nothing."""
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
        """Wait until the cluster is there, with at least `min_node_count` nodes if given, at most so many
        minutes.

        Raises `ComputeTargetException` when it could not be made.
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
        """The cluster's state now; `serialize()` gives it as a dict of Azure's 13 keys."""
        self.refresh_state()
        return self.status

    def refresh_state(self) -> None:
        """Ask the studio for the cluster's state."""
        self._take(_fetch(self.workspace, self.name))

    def get(self) -> Dict[str, Any]:
        """The cluster as `serialize()` has it, fresh from the studio."""
        self.refresh_state()
        return self.serialize()

    def update(
        self,
        min_nodes: Optional[int] = None,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: Optional[int] = None,
    ) -> None:
        """Change the scale. Raises `ComputeTargetException`."""
        changes = {"min_nodes": min_nodes, "max_nodes": max_nodes, "idle_seconds": idle_seconds_before_scaledown}
        body = {key: int(value) for key, value in changes.items() if value is not None}
        self._do(lambda client: client.patch(self._place, body))
        self.refresh_state()

    def delete(self) -> None:
        """Take the cluster away. Raises `ComputeTargetException`."""
        self._do(lambda client: client.delete(self._place))
        self.provisioning_state = "Deleting"

    def detach(self) -> None:
        """A cluster cannot be detached. Raises `ComputeTargetException`."""
        raise ComputeTargetException("A cluster is deleted, not detached: use delete().")

    def list_nodes(self) -> List[Dict[str, Any]]:
        """The nodes: `nodeId`, `nodeState`, `runId` and the host's name."""
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

    def get_active_runs(self, type: Any = None, tags: Any = None, properties: Any = None, status: Any = None) -> Any:
        """The runs that are on the cluster's nodes and fit."""
        from duto.run.lookup import fits
        from duto.run.run import Run

        found = (Run.get(self.workspace, node["runId"]) for node in self.list_nodes() if node["runId"])
        return [run for run in found if fits(run, run._facts(), type, tags, properties, status)]

    def serialize(self) -> Dict[str, Any]:
        """The cluster as Azure ML's `serialize()` nests it."""
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
    def supported_vmsizes(workspace: Any, location: Any = None) -> Any:
        """Sizes that programs look for; a studio's cluster takes any name and shrinks it to the host."""
        return [
            {"name": name, "vCPUs": cores, "memoryGB": memory, "gpus": gpus} for name, cores, memory, gpus in _SIZES
        ]

    @property
    def _place(self) -> str:
        return str(self.workspace._path(f"compute/{segment(self.name)}/"))

    def _do(self, deed: Any) -> Any:
        try:
            return deed(self.workspace._client)
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
        return f"AmlCompute(workspace={self.workspace!r}, name={self.name}, id={self.id}, type={self.type})"


_SIZES = [
    ("STANDARD_D2_V2", 2, 7.0, 0),
    ("STANDARD_DS3_V2", 4, 14.0, 0),
    ("STANDARD_DS11_V2", 2, 14.0, 0),
    ("STANDARD_DS12_V2", 4, 28.0, 0),
    ("STANDARD_D16S_V3", 16, 64.0, 0),
    ("STANDARD_NC6", 6, 56.0, 1),
]


class AmlComputeProvisioningConfiguration:
    """The settings of a cluster that is to be made. `max_nodes` None means 4, as in Azure ML."""

    def __init__(
        self,
        vm_size: str = "",
        vm_priority: str = "dedicated",
        min_nodes: int = 0,
        max_nodes: Optional[int] = None,
        idle_seconds_before_scaledown: int = 1800,
        admin_username: Any = None,
        admin_user_password: Any = None,
        admin_user_ssh_key: Any = None,
        vnet_resourcegroup_name: Any = None,
        vnet_name: Any = None,
        subnet_name: Any = None,
        tags: Optional[Mapping[str, str]] = None,
        description: Optional[str] = None,
        remote_login_port_public_access: str = "NotSpecified",
        identity_type: Any = None,
        identity_id: Any = None,
        compute_location: Any = None,
        enable_node_public_ip: bool = True,
    ) -> None:
        passed_over(
            "A cluster",
            "steps run on the studio's hosts, with what those have. A cluster's network is chosen on its page.",
            admin_username=admin_username, admin_user_password=admin_user_password,
            admin_user_ssh_key=admin_user_ssh_key, vnet_resourcegroup_name=vnet_resourcegroup_name,
            vnet_name=vnet_name, subnet_name=subnet_name, identity_type=identity_type, identity_id=identity_id,
        )  # fmt: skip
        self.vm_size = vm_size
        self.vm_priority = vm_priority
        # Programs pass numbers read from the environment as text.
        self.min_nodes = int(min_nodes or 0)
        self.max_nodes = 4 if max_nodes is None else int(max_nodes)
        self.idle_seconds_before_scaledown = int(idle_seconds_before_scaledown)
        self.tags = dict(tags or {})
        self.description = description

    def validate_configuration(self) -> None:
        """Raises `ComputeTargetException` for node counts or a priority that cannot be."""
        if self.min_nodes < 0 or self.max_nodes < max(self.min_nodes, 1):
            raise ComputeTargetException(
                f"A cluster of {self.min_nodes} to {self.max_nodes} nodes cannot be: 0 ≤ min_nodes ≤ "
                f"max_nodes, "
                "and max_nodes is at least 1."
            )
        if self.idle_seconds_before_scaledown < 0:
            raise ComputeTargetException("idle_seconds_before_scaledown is below 0.")
        if self.vm_priority not in ("dedicated", "lowpriority"):
            raise ComputeTargetException(f"vm_priority {self.vm_priority!r} is neither dedicated nor lowpriority.")

    def to_body(self) -> Dict[str, Any]:
        return {
            "vm_size": self.vm_size,
            "vm_priority": self.vm_priority,
            "min_nodes": self.min_nodes,
            "max_nodes": self.max_nodes,
            "idle_seconds": self.idle_seconds_before_scaledown,
            "description": self.description or "",
            "tags": self.tags,
        }


def _fetch(workspace: Any, name: str) -> Dict[str, Any]:
    try:
        return dict(workspace._client.get(workspace._path(f"compute/{segment(name)}/")))
    except NotFoundException as error:
        text = f"ComputeTargetNotFound: Compute Target with name {name} not found in workspace '{workspace.name}'."
        raise ComputeTargetException(text, inner_exception=error) from error
