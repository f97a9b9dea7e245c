"""Steps as programs make them."""

from __future__ import annotations

import pytest

from duto.exceptions import UserErrorException
from duto.steps.parameter import PipelineParameter
from duto.steps.python_script import PythonScriptStep


def test_parameters_of_the_run_configuration_reach_the_script() -> None:
    nodes = PipelineParameter("nodes", 1)
    step = PythonScriptStep("train.py", params={"lr": 0.1}, runconfig_pipeline_params={"NodeCount": nodes})
    assert step.params == {"lr": 0.1, "NodeCount": nodes}


def test_an_unknown_property_of_the_run_configuration_is_named() -> None:
    with pytest.raises(UserErrorException, match="not Nodes"):
        PythonScriptStep("train.py", runconfig_pipeline_params={"Nodes": 1})
