"""The state of a cluster, in the 13 keys that Azure ML's `status.serialize()` has, in their order."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional, Union

_COUNTS = (
    "preparingNodeCount",
    "runningNodeCount",
    "idleNodeCount",
    "unusableNodeCount",
    "leavingNodeCount",
    "preemptedNodeCount",
)


class ScaleSettings:
    """Between how many nodes a cluster scales, and after how many idle seconds a node goes."""

    def __init__(
        self, minimum_node_count: int, maximum_node_count: int, idle_seconds_before_scaledown: Union[int, str]
    ) -> None:
        """
        Args:
            minimum_node_count: nodes that stay.
            maximum_node_count: nodes at most.
            idle_seconds_before_scaledown: seconds, or an ISO 8601 duration where it is none of whole seconds.
        """
        self.minimum_node_count = minimum_node_count
        self.maximum_node_count = maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> Dict[str, Union[int, str]]:
        """The settings under Azure ML's keys.

        Returns:
            `minNodeCount`, `maxNodeCount` and `nodeIdleTimeBeforeScaleDown` (such as `PT1800S`).
        """
        idle = self.idle_seconds_before_scaledown
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": idle if isinstance(idle, str) else f"PT{idle}S",
        }

    @staticmethod
    def deserialize(object_dict: Mapping[str, Any]) -> ScaleSettings:
        """The settings of such a dictionary.

        Args:
            object_dict: as `serialize()` gives it.

        Returns:
            The settings.
        """
        idle = object_dict.get("nodeIdleTimeBeforeScaleDown") or "PT1800S"
        match = re.fullmatch(r"PT(\d+)S", str(idle))
        return ScaleSettings(
            int(object_dict.get("minNodeCount") or 0),
            int(object_dict.get("maxNodeCount") or 0),
            int(match.group(1)) if match else idle,
        )


class AmlComputeStatus:
    """The state of a cluster. Times are ISO 8601 in UTC."""

    def __init__(
        self,
        allocation_state: str,
        allocation_state_transition_time: Optional[str],
        creation_time: Optional[str],
        current_node_count: int,
        errors: Optional[List[object]],
        modified_time: Optional[str],
        node_state_counts: Optional[Mapping[str, int]],
        provisioning_state: str,
        provisioning_state_transition_time: Optional[str],
        scale_settings: ScaleSettings,
        target_node_count: int,
        vm_priority: str,
        vm_size: str,
    ) -> None:
        """
        Args:
            allocation_state: `Steady` or `Resizing`.
            allocation_state_transition_time: since when it is so.
            creation_time: when the cluster was made.
            current_node_count: nodes that are there.
            errors: what went wrong; None for nothing.
            modified_time: when the cluster was changed.
            node_state_counts: count of nodes by their states, under Azure ML's six keys (`runningNodeCount` and
                others).
            provisioning_state: `Succeeded`, `Failed`, `Deleting` and others, as Azure ML has them.
            provisioning_state_transition_time: since when it is so.
            scale_settings: between how many nodes the cluster scales.
            target_node_count: nodes that are to be there.
            vm_priority: `Dedicated` or `LowPriority`.
            vm_size: size of a node.
        """
        self.allocation_state = allocation_state
        self.allocation_state_transition_time = allocation_state_transition_time
        self.creation_time = creation_time
        self.current_node_count = current_node_count
        self.errors = errors
        self.modified_time = modified_time
        self.node_state_counts = node_state_counts
        self.provisioning_state = provisioning_state
        self.provisioning_state_transition_time = provisioning_state_transition_time
        self.scale_settings = scale_settings
        self.target_node_count = target_node_count
        self.vm_priority = vm_priority
        self.vm_size = vm_size

    def serialize(self) -> Dict[str, Any]:
        """The state as a dictionary.

        Returns:
            The 13 keys in Azure ML's order.
        """
        return {
            "currentNodeCount": self.current_node_count,
            "targetNodeCount": self.target_node_count,
            "nodeStateCounts": {key: int((self.node_state_counts or {}).get(key) or 0) for key in _COUNTS},
            "allocationState": self.allocation_state,
            "allocationStateTransitionTime": self.allocation_state_transition_time,
            "errors": self.errors,
            "creationTime": self.creation_time,
            "modifiedTime": self.modified_time,
            "provisioningState": self.provisioning_state,
            "provisioningStateTransitionTime": self.provisioning_state_transition_time,
            "scaleSettings": self.scale_settings.serialize(),
            "vmPriority": self.vm_priority,
            "vmSize": self.vm_size,
        }

    @staticmethod
    def deserialize(object_dict: Mapping[str, Any]) -> AmlComputeStatus:
        """The state of such a dictionary.

        Args:
            object_dict: as `serialize()` gives it.

        Returns:
            The state.
        """
        get = object_dict.get
        return AmlComputeStatus(
            str(get("allocationState") or "Steady"),
            get("allocationStateTransitionTime"),
            get("creationTime"),
            int(get("currentNodeCount") or 0),
            get("errors"),
            get("modifiedTime"),
            get("nodeStateCounts") or {},
            str(get("provisioningState") or "Succeeded"),
            get("provisioningStateTransitionTime"),
            ScaleSettings.deserialize(get("scaleSettings") or {}),
            int(get("targetNodeCount") or 0),
            str(get("vmPriority") or "Dedicated"),
            str(get("vmSize") or ""),
        )
