"""Steps of R, and the section of R of environments."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import duto
from duto import Environment, RCranPackage, RGitHubPackage, RSection, RunConfiguration
from duto.environment.environment import environment_of
from duto.exceptions import UserErrorException
from duto.pipeline.graph_builder import GraphBuilder
from duto.spec.errors import SpecError
from duto.spec.graph import Graph, Step
from duto.spec.r import section

PACKAGE = {"name": "jsonlite", "version": "1.8.8", "repository": None}


def built(step: Any) -> tuple[list[str], Step]:
    """The codes of all problems, and the step as the graph has it."""
    builder = GraphBuilder(None, [step])
    graph = builder.build()
    codes = [each.code for each in (*builder.problems, *graph.problems())]
    assert codes or Graph.from_document(graph.to_document()).steps == graph.steps
    return codes, graph.steps[0]


def with_packages(**given: Any) -> RunConfiguration:
    config = RunConfiguration()
    config.environment = Environment("of r")
    config.environment.r = RSection(**given)
    return config


def test_a_step_of_r_is_a_script_with_packages_of_its_environment() -> None:
    config = with_packages(cran_packages=[RCranPackage(name="jsonlite", version="1.8.8")], r_version="4.2")
    step = duto.RScriptStep("a.R", arguments="-n 'b c'", runconfig=config, cran_packages=["cli", "glue==1.7.0"])
    codes, made = built(step)
    assert codes == [] and (made.kind, made.script, made.arguments) == ("r_script", "a.R", ("-n", "b c"))
    assert made.settings == {"rscript": "Rscript"} and made.environment is not None
    packages = [
        {"name": "cli", "version": None, "repository": None},
        {"name": "glue", "version": "1.7.0", "repository": None},
    ]
    assert made.environment["r"] == {"version": "4.2", "packages": [PACKAGE, *packages], "sources": []}
    assert made.environment["python"]["user_managed"], "no Python was asked for"
    assert len(config.environment.r.cran_packages or ()) == 1, "other steps may have it, too"
    codes, bare = built(duto.RScriptStep(script_name="a.R"))
    assert codes == [] and bare.environment is not None and bare.environment["r"]["packages"] == []
    config.environment.python.conda_dependencies.add_pip_package("six")  # type: ignore[union-attr]
    _, mixed = built(duto.RScriptStep("a.R", runconfig=config))
    assert mixed.environment is not None and not mixed.environment["python"]["user_managed"]


def test_what_a_step_of_r_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="names its script"):
        duto.RScriptStep()
    config = RunConfiguration()
    config.communicator = "OpenMpi"
    with pytest.raises(UserErrorException, match="once"):
        duto.RScriptStep("a.R", runconfig=config)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        duto.RScriptStep("a.R", custom_docker_image="r-base")
    assert "custom_docker_image" in str(caught[0].message)
    codes, _ = built(duto.RScriptStep("a.R", runconfig=with_packages(rscript_path="-e")))
    assert codes == ["bad_settings"]
    codes, _ = built(duto.RScriptStep("a.R", cran_packages=["no name", "cli >= 3"]))
    assert codes == ["bad_requirement", "bad_requirement"]


def test_a_section_of_r_is_read_whole() -> None:
    given = RSection(
        cran_packages=["cli"], github_packages=[RGitHubPackage(repository="r-lib/cli"), "r-lib/glue"],
        custom_url_packages=["https://example.org/x.tar.gz"],
    )  # fmt: skip
    assert given.to_document()["sources"] == [
        "https://github.com/r-lib/cli/archive/HEAD.tar.gz",
        "https://github.com/r-lib/glue/archive/HEAD.tar.gz",
        "https://example.org/x.tar.gz",
    ]
    for bad, words in (
        (RSection(github_packages=[RGitHubPackage(repository="r-lib/cli", auth_token="t")]), "auth_token"),
        (RSection(github_packages=["cli"]), "owner and repository"),
        (RSection(snapshot_date="2020-01-01"), "snapshot_date is not part of Duto: give each"),
        (RSection(bioconductor_packages=["x"]), "bioconductor_packages"),
    ):
        with pytest.raises(UserErrorException, match=words):
            bad.to_document()
    with pytest.warns(UserWarning, match="user_managed"):
        assert RSection(user_managed=True, cran_packages=["cli"]).to_document()["packages"] == []


@pytest.mark.parametrize(
    "given,words",
    [
        ([], "is an object"),
        ({"version": "new"}, "no version of R"),
        ({"packages": "cli"}, "is a list"),
        ({"packages": [{"name": "a b"}]}, "no name of an R package"),
        ({"packages": [3]}, "no name of an R package"),
        ({"packages": [{"name": "cli", "version": ">=3"}]}, "one exact version"),
        ({"packages": [{"name": "cli", "repository": "file:///etc"}]}, "begins with http"),
        ({"sources": ["/tmp/x.tar.gz", 3]}, "no address"),
    ],
)
def test_what_is_wrong_with_a_section_is_said(given: Any, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        section(given)


def test_an_environment_keeps_its_section_of_r(tmp_path: Path) -> None:
    made = Environment("of r")
    made.r = RSection(cran_packages=[RCranPackage(name="jsonlite", version="1.8.8")], r_version="4.2")
    registered = environment_of({"name": "of r", "version": "1", "definition": made.definition()})
    assert registered.definition()["r"] == {"version": "4.2", "packages": [PACKAGE], "sources": []}
    assert registered.reference() == {"name": "of r", "version": "1"}
    made.save_to_directory(str(tmp_path))
    assert Environment.load_from_directory(str(tmp_path)).definition()["r"] == made.definition()["r"]
    assert "r" not in Environment("plain").definition()
