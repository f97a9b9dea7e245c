"""Partitions of Slurm as targets: clusters of the studio whose steps are jobs of a host of Slurm's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Optional, Sequence

from duto.compute.attached import AttachConfiguration, AttachedCompute
from duto.exceptions import ComputeTargetException
from duto.spec import slurm

if TYPE_CHECKING:
    from duto.workspace.workspace import Workspace


class SlurmAttachConfiguration(AttachConfiguration):
    """The settings of a `SlurmCompute` that is to be attached.

    Attributes:
        type: type of the target.
    """

    type = "Slurm"

    def __init__(
        self,
        vm_size: str = "STANDARD_D2_V2",
        max_nodes: int = 4,
        hosts: Optional[Sequence[str]] = None,
        options: Optional[str] = None,
    ) -> None:
        """Programs get it by `SlurmCompute.attach_configuration`.

        Args:
            vm_size: what each job asks Slurm for: cores, memory and GPUs of that size.
            max_nodes: how many jobs it has at once.
            hosts: names of hosts of the studio that run jobs of Slurm's; None for all that the workspace has.
            options: options of `sbatch`, such as `partition=gpu qos=long`, of those that may be set. Only owners of the
                workspace set them.
        """
        self.vm_size, self.max_nodes = vm_size, max_nodes
        self.hosts, self.options = [*(hosts or ())], options or ""

    def validate_configuration(self) -> None:
        """Look at the settings before they are sent.

        Raises:
            ComputeTargetException: an option may not be set.
        """
        try:
            slurm.options_of(self.options)
        except slurm.BadOption as error:
            raise ComputeTargetException(f"options: {error}") from error

    def to_body(self, workspace: Workspace) -> Dict[str, object]:
        """The settings as REST takes them.

        Args:
            workspace: the workspace.

        Returns:
            The body of `POST compute/`, without the name. A size that no node of the cluster has is never shrunk.
        """
        return {
            "type": self.type,
            "vm_size": self.vm_size,
            "max_nodes": self.max_nodes,
            "launcher": "slurm",
            "policy": "strict",
            "hosts": self.hosts,
            **({"container_options": {"slurm": self.options}} if self.options else {}),
        }


class SlurmCompute(AttachedCompute):
    """Where steps are jobs of a Slurm cluster, which decides when and on which of its nodes. See docs/slurm.md.

    Attributes:
        type: `Slurm`.
    """

    type = "Slurm"

    @staticmethod
    def attach_configuration(
        vm_size: str = "STANDARD_D2_V2",
        max_nodes: int = 4,
        hosts: Optional[Sequence[str]] = None,
        options: Optional[str] = None,
    ) -> SlurmAttachConfiguration:
        """What `ComputeTarget.attach` makes a target of.

        Args:
            vm_size: what each job asks Slurm for: cores, memory and GPUs of that size.
            max_nodes: how many jobs it has at once.
            hosts: names of hosts of the studio that run jobs of Slurm's; None for all that the workspace has.
            options: options of `sbatch`, such as `partition=gpu qos=long`, of those that may be set. Only owners of the
                workspace set them.

        Returns:
            The settings.
        """
        return SlurmAttachConfiguration(vm_size, max_nodes, hosts, options)
