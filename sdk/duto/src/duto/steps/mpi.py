"""A step that runs a script by several processes of MPI."""

from __future__ import annotations

import copy
from typing import Any, Collection, List, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.distributed import MpiConfiguration
from duto.configuration.estimator import Estimator
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.steps.parameter import PipelineParameter
from duto.steps.python_script import PythonScriptStep


class MpiStep(PythonScriptStep):
    """A script that Open MPI's `mpirun` starts several times on one node. See docs/distributed.md."""

    def __init__(
        self,
        name: Optional[str] = None,
        source_directory: Optional[str] = None,
        script_name: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        node_count: Union[int, PipelineParameter, None] = None,
        process_count_per_node: Union[int, PipelineParameter, None] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        hash_paths: Union[str, List[str], None] = None,
        *,
        runconfig: Optional[RunConfiguration] = None,
        **kwargs: object,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step; None for that of the script.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            script_name: the script, relative to the source directory.
            arguments: as for `PythonScriptStep`.
            compute_target: a cluster, its name, or a pair of a name and a type; None for that of the run
                configuration, else the workspace's default.
            node_count: nodes; each has `process_count_per_node` processes.
            process_count_per_node: processes on the node; None for that of the run configuration, else one. A
                `PipelineParameter` may give it.
            inputs: what the step reads.
            outputs: what the step writes.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs, parameters
                and number of processes.
            version: a text that is part of the step's identity: another one runs it again.
            hash_paths: files and folders that count, beside the script, when a result is to be reused; None for the
                whole source directory.
            runconfig: environment, compute target and limits; None for those that `kwargs` make.
            **kwargs: what else an `Estimator` takes, such as `pip_packages`, `use_gpu` or `environment_definition`.

        Raises:
            UserErrorException: there is no script, a run configuration stands beside what an estimator takes,
                `inputs` or `outputs` is no list, or something in them cannot be read or written.
        """
        if not script_name:
            raise UserErrorException("MpiStep(script_name=...) names the script, relative to source_directory.")
        if runconfig is None:
            given: Any = kwargs
            config = Estimator(source_directory or ".", entry_script=script_name, **given).run_config
        elif kwargs:
            names = ", ".join(sorted(kwargs))
            raise UserErrorException(f"MpiStep takes a runconfig, or what makes one: leave out {names}.")
        else:
            config = copy.copy(runconfig)  # other steps may have it, too
        processes: Any = config.mpi.process_count_per_node if process_count_per_node is None else process_count_per_node
        nodes: Any = node_count or config.node_count or 1
        config._spread(MpiConfiguration(processes, nodes))
        super().__init__(
            script_name,
            name,
            arguments,
            compute_target,
            config,
            None,
            inputs,
            outputs,
            source_directory=source_directory,
            allow_reuse=allow_reuse,
            version=version,
            hash_paths=hash_paths,
        )
