"""How several processes of one script find each other. See docs/distributed.md."""

from __future__ import annotations

from typing import Any, Optional

from duto.exceptions import UserErrorException
from duto.not_built import refusing

_ADVICE = "The pipeline's validate() tells what a step cannot do."


class MpiConfiguration:
    """Processes that Open MPI's `mpirun` starts."""

    def __init__(self, process_count_per_node: int = 1, node_count: int = 1) -> None:
        """
        Args:
            process_count_per_node: processes on a node.
            node_count: nodes; each has `process_count_per_node` processes.
        """
        self.process_count_per_node = process_count_per_node
        self.node_count = node_count


class PyTorchConfiguration:
    """Processes that find each other as PyTorch's `init_process_group()` looks for them: `RANK`, `LOCAL_RANK`,
    `WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`."""

    def __init__(
        self, communication_backend: str = "Nccl", process_count: Optional[int] = None, node_count: int = 1
    ) -> None:
        """
        Args:
            communication_backend: `Nccl` or `Gloo`; the script names it as well, to `init_process_group()`.
            process_count: processes; None for one on each node.
            node_count: nodes, over which the processes are shared out.
        """
        self.communication_backend = communication_backend
        self.process_count = process_count
        self.node_count = node_count

    def backend(self) -> str:
        """The backend, which a run configuration calls its communicator. An addition of ours.

        Returns:
            `Nccl` or `Gloo`.

        Raises:
            UserErrorException: it is another one.
        """
        known = {"nccl": "Nccl", "gloo": "Gloo"}
        found = known.get(str(self.communication_backend).lower())
        if found is None:
            raise UserErrorException(f"communication_backend is Nccl or Gloo, not {self.communication_backend!r}.")
        return found


class TensorflowConfiguration:
    """Workers of TensorFlow, and servers of parameters beside them; `TF_CONFIG` tells each of all. `node_count` of the
    run configuration shares the workers out over nodes; the servers are on the first."""

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        """
        Args:
            worker_count: workers.
            parameter_server_count: servers of parameters; they are ended once all workers are done.
        """
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count


def counted(name: str, value: Any) -> Any:
    """A number of processes as a graph takes it; a pipeline parameter stays what it is. Raises `UserErrorException`."""
    if isinstance(value, bool) or not (isinstance(value, int) or hasattr(value, "default_value")):
        raise UserErrorException(f"{name}={value!r} is no whole number.")
    return value


@refusing("validate", _ADVICE)
class Mpi:
    """Processes that Open MPI's `mpirun` starts.

    Attributes:
        communicator: what a run configuration calls it.
    """

    communicator = "OpenMpi"

    def __init__(self, process_count_per_node: int = 1) -> None:
        """
        Args:
            process_count_per_node: processes on a node.
        """
        self.process_count_per_node = process_count_per_node


@refusing("validate", _ADVICE)
class Nccl:
    """Processes that find each other by NCCL, as `PyTorchConfiguration("Nccl")`.

    Attributes:
        communicator: what a run configuration calls it.
    """

    communicator = "Nccl"


@refusing("validate", _ADVICE)
class Gloo:
    """Processes that find each other by Gloo, as `PyTorchConfiguration("Gloo")`.

    Attributes:
        communicator: what a run configuration calls it.
    """

    communicator = "Gloo"


@refusing("validate", _ADVICE)
class ParameterServer:
    """Workers beside servers of parameters, as `TensorflowConfiguration`.

    Attributes:
        communicator: what a run configuration calls it.
    """

    communicator = "ParameterServer"

    def __init__(self, worker_count: int = 1, parameter_server_count: int = 1) -> None:
        """
        Args:
            worker_count: workers.
            parameter_server_count: servers.
        """
        self.worker_count = worker_count
        self.parameter_server_count = parameter_server_count
