"""A step that runs a program of the source directory."""

from __future__ import annotations

from typing import Any, Collection, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.not_built import passed_over
from duto.steps.compute_step import ComputeStep

# What Azure's own step asks for where nothing is said.
USUAL_IMAGE = "urn:MicrosoftWindowsServer:WindowsServer:2012-R2-Datacenter"
USUAL_SIZE = "standard_d1_v2"


class AzureBatchStep(ComputeStep):
    """A program of the source directory, on one node of a compute target. See *Programs* in docs/sdk.md.

    It stands in the step's directory and is started as it is, with its arguments; what it writes to its output streams
    is the step's log. Pools, jobs and images of Azure Batch have no counterpart: a host of the compute target runs it.

    Attributes:
        kind: the kind of the step in the graph.
        script_name: the program, relative to the source directory.
        is_positive_exit_code_failure: whether an exit code above 0 fails the step.
        params: variables that the step gets beside those of its environment; none.
        hash_paths: None: the whole source directory counts.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take; programs may set it.
        runconfig: None: it takes no run configuration.
        retry_delay: seconds before each further attempt; programs may set it.
    """

    kind = "program"

    def __init__(
        self,
        name: str,
        create_pool: bool = False,
        pool_id: Optional[str] = None,
        delete_batch_job_after_finish: bool = True,
        delete_batch_pool_after_finish: bool = False,
        is_positive_exit_code_failure: bool = True,
        vm_image_urn: Optional[str] = USUAL_IMAGE,
        run_task_as_admin: bool = False,
        target_compute_nodes: int = 1,
        vm_size: str = USUAL_SIZE,
        source_directory: Optional[str] = None,
        executable: Optional[str] = None,
        arguments: Union[str, Sequence[object], None] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        allow_reuse: bool = True,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        version: Optional[str] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            name: name of the step.
            create_pool: taken and not used: nodes come and go with the work.
            pool_id: passed over with a warning: the compute target says where it runs.
            delete_batch_job_after_finish: taken and not used.
            delete_batch_pool_after_finish: taken and not used.
            is_positive_exit_code_failure: whether an exit code above 0 fails the step; a signal always does.
            vm_image_urn: passed over with a warning: the program runs on the host as it is.
            run_task_as_admin: passed over with a warning: a step never runs as administrator.
            target_compute_nodes: passed over with a warning: a step runs on one node.
            vm_size: passed over with a warning: the compute target has a size.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            executable: the program, relative to the source directory. It is made executable on the host.
            arguments: texts, numbers, parameters, inputs, outputs, and lists of these; one text is split as a shell
                does.
            inputs: what the step reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes: `PipelineData`, `OutputFileDatasetConfig`.
            allow_reuse: take the result of an earlier run of the same step, with the same code, inputs and
                parameters.
            compute_target: a `BatchCompute` or a cluster, its name, or a pair of a name and a type; None for the
                workspace's default.
            version: a text that is part of the step's identity: another one runs it again.

        Raises:
            ValueError: there is no program.
            UserErrorException: `inputs` or `outputs` is no list, or something in them cannot be read or written.
        """
        if not executable:
            raise ValueError("An AzureBatchStep names its executable.")
        passed_over(
            "AzureBatchStep",
            "the program runs on one node of the compute target, as its host is.",
            pool_id=pool_id,
            vm_image_urn=None if vm_image_urn == USUAL_IMAGE else vm_image_urn,
            run_task_as_admin=run_task_as_admin,
            target_compute_nodes=None if target_compute_nodes == 1 else target_compute_nodes,
            vm_size=None if vm_size == USUAL_SIZE else vm_size,
        )
        super().__init__(
            name, arguments, compute_target, None, None, inputs, outputs, None, source_directory, allow_reuse, version,
            None, None, None, None,
        )  # fmt: skip
        self.script_name = str(executable)
        self.is_positive_exit_code_failure = bool(is_positive_exit_code_failure)

    @property
    def _settings(self) -> Mapping[str, Any]:
        return {"exit_codes": "fail" if self.is_positive_exit_code_failure else "pass"}
