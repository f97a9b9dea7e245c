"""Steps of services that a studio has not: programs may make them, and `validate` says what to do instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Tuple, Union

import duto
from duto.steps.compute_step import ComputeStep


class RefusedStep(ComputeStep):
    """A step that no studio runs. A pipeline that has one is refused when it is validated or submitted.

    Attributes:
        kind: the kind that it stands in for while the pipeline is looked through.
        script_name: empty.
    """

    kind = "command"
    script_name = ""
    _advice: str

    def __init__(self, name: Optional[str] = None, *args: object, **kwargs: object) -> None:
        """Takes all that the class takes in Azure ML.

        Args:
            name: name of the step.
            args: taken and not used.
            kwargs: `inputs`, `outputs` and `compute_target` count, so that the rest of the pipeline is looked through;
                all else is taken and not used.

        Raises:
            UserErrorException: `inputs` or `outputs` is no list, or something in them cannot be read or written.
        """
        given: Mapping[str, Any] = kwargs
        super().__init__(
            str(name or type(self).__name__), ["true"], given.get("compute_target"), None, None, given.get("inputs"),
            given.get("outputs"), None, None, False, None, None, None, None, None,
        )  # fmt: skip

    @property
    def _refusal(self) -> str:
        """Why it is refused, and what to do instead."""
        return f"{type(self).__name__} is not part of Duto: {self._advice}"

    def folder(self, default: Optional[str]) -> Optional[Path]:
        """The source directory: nothing goes along.

        Args:
            default: not used.

        Returns:
            None.
        """
        return None


class AdlaStep(RefusedStep):
    """A U-SQL script of Azure Data Lake Analytics, a service that was retired. Refused by `validate`.

    Attributes:
        params: variables that the step gets beside those of its environment; none.
        hash_paths: None: the whole source directory counts.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take; programs may set it.
        source_directory: None: no folder goes along.
        version: None.
        compute_target: where it would run.
        runconfig: None: it takes no run configuration.
        retry_delay: seconds before each further attempt; programs may set it.
        allow_reuse: whether an earlier result may stand for it.
    """

    _advice = "there is no U-SQL. Do the work in a PythonScriptStep, by pandas or DuckDB, over files of a datastore."

    def __init__(self, script_name: Optional[str] = None, name: Optional[str] = None, **kwargs: object) -> None:
        """Takes all that the class takes in Azure ML.

        Args:
            script_name: the script; not read.
            name: name of the step; None for that of the script.
            kwargs: as for `RefusedStep`.

        Raises:
            UserErrorException: as for `RefusedStep`.
        """
        super().__init__(name or script_name, **kwargs)


class KustoStep(RefusedStep):
    """A query of Azure Data Explorer. Refused by `validate`.

    Attributes:
        params: variables that the step gets beside those of its environment; none.
        hash_paths: None: the whole source directory counts.
        retries: how many more attempts there are; programs may set it.
        timeout: seconds that an attempt may take; programs may set it.
        source_directory: None: no folder goes along.
        version: None.
        runconfig: None: it takes no run configuration.
        retry_delay: seconds before each further attempt; programs may set it.
    """

    _advice = (
        "there is no Azure Data Explorer here. Query it in a PythonScriptStep by the package azure-kusto-data, with its "
        "credentials in the workspace's Keyvault, and write the rows to an output."
    )

    def __init__(
        self,
        name: Optional[str] = None,
        compute_target: Union[duto.ComputeTarget, str, Tuple[str, str], None] = None,
        database_name: Optional[str] = None,
        query_directory: Optional[str] = None,
        output: object = None,
        parameter_dict: Optional[Mapping[str, object]] = None,
        allow_reuse: bool = False,
    ) -> None:
        """Takes all that the class takes in Azure ML.

        Args:
            name: name of the step.
            compute_target: where it would run.
            database_name: taken and not used.
            query_directory: taken and not used.
            output: what it would write.
            parameter_dict: taken and not used.
            allow_reuse: taken and not used.

        Raises:
            UserErrorException: the output cannot be written.
        """
        super().__init__(name, compute_target=compute_target, outputs=None if output is None else [output])
