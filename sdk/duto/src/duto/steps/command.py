"""A step that runs a command."""

from __future__ import annotations

from typing import Any, Collection, List, Mapping, Optional, Sequence, Tuple, Union

import duto
from duto.configuration.run_configuration import RunConfiguration
from duto.exceptions import UserErrorException
from duto.steps.base import flat
from duto.steps.compute_step import ComputeStep


class CommandStep(ComputeStep):
    """A line for a shell, on one node of a compute target. See *Commands* in docs/sdk.md.

    The shell stands in the step's directory, with the programs of its environment on the `PATH`: bash where there is
    one, else sh. `retries`, `retry_delay` and `timeout` are additions of this studio, as for `PythonScriptStep`.

    Attributes:
        kind: the kind of the step in the graph.
        hash_paths: None: the whole source directory counts when a result is to be reused.
        script_name: empty: a command has no script.
    """

    kind = "command"
    script_name = ""

    def __init__(
        self,
        command: Union[str, Sequence[object], None] = None,
        name: Optional[str] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        runconfig: Optional[RunConfiguration] = None,
        runconfig_pipeline_params: Optional[Mapping[str, object]] = None,
        inputs: Optional[Collection[object]] = None,
        outputs: Optional[Collection[object]] = None,
        params: Optional[Mapping[str, object]] = None,
        source_directory: Optional[str] = None,
        allow_reuse: bool = True,
        version: Optional[str] = None,
        retries: Optional[int] = None,
        retry_delay: Optional[float] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Nothing is read or sent before the pipeline is validated or submitted.

        Args:
            command: one text, or a list of texts, numbers, parameters, inputs and outputs, which blanks join; None for
                that of the run configuration. The shell sees texts as they are (`&&`, `|`, quotes); all else is one
                word, whatever it holds.
            name: name of the step; None for the first word of the command.
            compute_target: a cluster, its name, or a pair of a name and a type; None for that of the run
                configuration, else the workspace's default.
            runconfig: environment, compute target and limits; its `data`, `data_references` and `output_data` are
                inputs and outputs.
            runconfig_pipeline_params: as for `PythonScriptStep`.
            inputs: what the step reads: datasets, `DatasetConsumptionConfig`, data of other steps, references.
            outputs: what the step writes: `PipelineData`, `OutputFileDatasetConfig`.
            params: values that the command gets as the variables `AML_PARAMETER_<name>`.
            source_directory: folder that goes along with the step; None for the pipeline's, else the current folder.
            allow_reuse: take the result of an earlier run of the same step, with the same command, code, inputs and
                parameters.
            version: a text that is part of the step's identity: another one runs it again.
            retries: how many more attempts there are after one that failed; None for the policy of the cause.
            retry_delay: seconds before each of them; None for the policy of the cause.
            timeout: seconds that the command of one attempt may take, its time in the queue not counted; None for no
                limit.

        Raises:
            UserErrorException: there is no command, or two; `inputs` or `outputs` is no list, something in them cannot
                be read or written, or a property is not of those that `runconfig_pipeline_params` knows.
        """
        words = command_words(command, runconfig.command if runconfig else None)
        super().__init__(
            name or _first_word(words),
            words,
            compute_target,
            runconfig,
            runconfig_pipeline_params,
            inputs,
            outputs,
            params,
            source_directory,
            allow_reuse,
            version,
            None,
            retries,
            retry_delay,
            timeout,
        )


def command_words(own: Any, configured: Any) -> List[Any]:
    """The parts of a command, of the step or of its run configuration. Raises `UserErrorException` for none, and for two
    that differ."""
    if own and configured and own != configured:
        raise UserErrorException("The step names a command, and its run configuration another: leave one of them out.")
    found = own or configured
    if not isinstance(found, (str, list, tuple)) or not found:
        raise UserErrorException(f"A command is a text or a list of its parts, not {found!r}.")
    return [found] if isinstance(found, str) else list(flat(found))


def _first_word(words: Sequence[object]) -> str:
    return next((word for each in words if isinstance(each, str) for word in each.split()), "command")
