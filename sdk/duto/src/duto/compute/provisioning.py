"""The settings of a cluster that is to be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Mapping, Optional

from duto.exceptions import ComputeTargetException
from duto.not_built import passed_over

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace


class AmlComputeProvisioningConfiguration:
    """Settings of `ComputeTarget.create`; made by `AmlCompute.provisioning_configuration`."""

    def __init__(
        self,
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
        compute_location: object = None,
        enable_node_public_ip: bool = True,
    ) -> None:
        """Programs get it by `AmlCompute.provisioning_configuration`, which says what each argument means.

        Args:
            vm_size: as there.
            vm_priority: as there.
            min_nodes: as there.
            max_nodes: as there.
            idle_seconds_before_scaledown: as there.
            admin_username: as there.
            admin_user_password: as there.
            admin_user_ssh_key: as there.
            vnet_resourcegroup_name: as there.
            vnet_name: as there.
            subnet_name: as there.
            tags: as there.
            description: as there.
            remote_login_port_public_access: as there.
            identity_type: as there.
            identity_id: as there.
            compute_location: as `location` there.
            enable_node_public_ip: as there.
        """
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
        """Look at the settings before they are sent.

        Raises:
            ComputeTargetException: node counts, the idle time or the priority cannot be.
        """
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

    def to_body(self, workspace: Workspace) -> Dict[str, object]:
        """The settings as REST takes them.

        Args:
            workspace: the workspace; not used.

        Returns:
            The body of `POST compute/`, without the name.
        """
        return {
            "vm_size": self.vm_size,
            "vm_priority": self.vm_priority,
            "min_nodes": self.min_nodes,
            "max_nodes": self.max_nodes,
            "idle_seconds": self.idle_seconds_before_scaledown,
            "description": self.description or "",
            "tags": self.tags,
        }
