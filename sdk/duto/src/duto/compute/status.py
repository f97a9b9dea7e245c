"""The state of a cluster, in the 13 keys that Azure ML's `status.serialize()` has, in their order."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional

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

    def __init__(self, minimum_node_count: int, maximum_node_count: int, idle_seconds_before_scaledown: Any) -> None:
        self.minimum_node_count = minimum_node_count
        self.maximum_node_count = maximum_node_count
        self.idle_seconds_before_scaledown = idle_seconds_before_scaledown

    def serialize(self) -> Dict[str, Any]:
        idle = self.idle_seconds_before_scaledown
        return {
            "minNodeCount": self.minimum_node_count,
            "maxNodeCount": self.maximum_node_count,
            "nodeIdleTimeBeforeScaleDown": idle if isinstance(idle, str) else f"PT{idle}S",
        }

    @staticmethod
    def deserialize(object_dict: Mapping[str, Any]) -> ScaleSettings:
        idle = object_dict.get("nodeIdleTimeBeforeScaleDown") or "PT1800S"
        match = re.fullmatch(r"PT(\d+)S", str(idle))
        return ScaleSettings(
            int(object_dict.get("minNodeCount") or 0),
            int(object_dict.get("maxNodeCount") or 0),
            int(match.group(1)) if match else idle,
        )


class AmlComputeStatus:
    """The state of a cluster; times are ISO 8601."""

    def __init__(
        self,
        allocation_state: str,
        allocation_state_transition_time: Optional[str],
        creation_time: Optional[str],
        current_node_count: int,
        errors: Any,
        modified_time: Optional[str],
        node_state_counts: Any,
        provisioning_state: str,
        provisioning_state_transition_time: Optional[str],
        scale_settings: ScaleSettings,
        target_node_count: int,
        vm_priority: str,
        vm_size: str,
    ) -> None:
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
        """The 13 keys in Azure ML's order."""
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
        """The state of such a dict."""
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
