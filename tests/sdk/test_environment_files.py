"""Conda files, requirement files and `.runconfig` files: everything they say arrives, or is refused, or is told."""

from __future__ import annotations

import base64
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from azureml.core import Environment, RunConfiguration, ScriptRunConfig
from azureml.core.conda_dependencies import CondaDependencies
from azureml.data.data_reference import DataReference
from azureml.exceptions import RunConfigurationException, UserErrorException
from azureml.pipeline.steps import PythonScriptStep

from duto.spec import pythons
from duto.spec.environment import Recipe, conda_version, recipe
from duto.spec.errors import SpecError
from duto.spec.packages import brought_by

DEFAULTS = {"dill", "numpy", "pandas", "pyarrow", "python-dateutil", "pytz", "requests", "six"}


def conda(folder: Path, text: str) -> Recipe:
    (folder / "env.yml").write_text(text)
    return CondaDependencies(str(folder / "env.yml")).recipe()


@pytest.mark.parametrize(
    ("name", "more", "wanted"),
    [
        ("azureml-defaults", (), DEFAULTS),
        ("azureml_sdk", (), DEFAULTS),
        ("azureml-core", (), {"python-dateutil", "pytz", "requests", "six"}),
        ("azureml-pipeline", (), {"python-dateutil", "pytz", "requests", "six"}),
        ("azureml-dataset-runtime", ("fuse",), {"numpy", "pyarrow"}),
        ("azureml-dataprep", ("pandas",), {"numpy", "pandas", "pyarrow"}),
        ("azureml-mlflow", (), {"mlflow-skinny"}),
        ("duto", (), set()),
    ],
)
def test_a_package_of_azures_brings_what_it_requires(name: str, more: tuple[str, ...], wanted: set[str]) -> None:
    assert set(brought_by(name, frozenset(more))) == wanted


@pytest.mark.parametrize(
    "lines",
    [["azureml-defaults==1.27.*", "pandas==1.1.5", "numpy<1.20"], ["numpy<1.20", "pandas==1.1.5", "azureml-sdk"]],
)
def test_what_a_program_pins_itself_stands_before_what_is_brought(lines: list[str]) -> None:
    found = recipe(pip=lines).packages
    assert {"pandas==1.1.5", "numpy<1.20", "requests"} <= set(found) and not {"pandas", "numpy"} & set(found)
    assert not recipe(["python=3.8", "pandas=1.1", "cudatoolkit"], ["azureml-defaults"]).packages.count("pandas")


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("3.8.13", "3.8"), ("=3.8", "3.8"), ("==3.7.*", "3.7"), ("3.8.5 h7579374_1", "3.8"), ("=3.8.5=h12_0", "3.8"),
        (">=3.8,<3.9", "3.8"), ("~=3.8.5", "3.8"), ("3.6|3.7", "3.7"), ("=3", None), (">=3.6", None), ("*", None), (None, None),
        ("<3.10", "<3.10"), ("!=3.9", "!=3.9"), (">3.8", ">3.8"), (" >= 3.7 , <3.9", ">=3.7,<3.9"), ("<=3.9", "<=3.9"),
    ],
)  # fmt: skip
def test_what_is_said_of_python(said: str | None, wanted: str | None) -> None:
    assert pythons.asked_for(said) == wanted
    assert pythons.asked_for(wanted) == wanted, "the normal form is its own"


@pytest.mark.parametrize(
    ("asked", "inside", "outside"),
    [
        ("<3.10", ["3.9.7", "3.8.1"], ["3.10.0", "3.11.7"]),
        ("!=3.9", ["3.8.1", "3.10.0"], ["3.9.0", "3.9.19"]),
        (">3.8", ["3.9.0"], ["3.8.19"]),
        ("<=3.9", ["3.9.19"], ["3.10.1"]),
        (">=3.9,<3.12", ["3.9.0", "3.11.7"], ["3.8.9", "3.12.0"]),
    ],
)
def test_bounds_of_python(asked: str, inside: list[str], outside: list[str]) -> None:
    assert all(pythons.fits(each, asked) for each in inside)
    assert not any(pythons.fits(each, asked) for each in outside)


@pytest.mark.parametrize("said", ["snake", "<", "3.x", "3.8;x", ",".join([">=3.8"] * 50)])
def test_what_is_no_python_is_refused(said: str) -> None:
    with pytest.raises(SpecError, match="no version of Python"):
        recipe([f"python{said}"] if said == "<" else [f"python={said}"])


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("Numpy >= 1.16 , < 2", "numpy>=1.16,<2"),
        ("scikit_learn[a,B]==1", "scikit-learn[a,b]==1"),
        ("pandas (>=1.0)", "pandas>=1.0"),
        ("torch==1.9+cu111 ; python_version<'3.9'", "torch==1.9+cu111; python_version<'3.9'"),
        ("git+https://h.example/own.git@v1#egg=own", "own @ git+https://h.example/own.git@v1"),
        ("-e git+https://h.example/own.git#egg=own[x]&subdirectory=s", "own[x] @ git+https://h.example/own.git#subdirectory=s"),
        ("--editable=git+ssh://git@h.example/own.git#egg=own", "own @ git+ssh://git@h.example/own.git"),
        ("own @ git+https://h.example/own.git@abc", "own @ git+https://h.example/own.git@abc"),
        ("https://h.example/own-1.2-py3-none-any.whl", "own @ https://h.example/own-1.2-py3-none-any.whl"),
        ("https://h.example/en_core_web_sm-2.3.0.tar.gz", "en-core-web-sm @ https://h.example/en_core_web_sm-2.3.0.tar.gz"),
        ("https://h.example/archive/master.zip", "https://h.example/archive/master.zip"),
    ],
)  # fmt: skip
def test_lines_of_pip(line: str, wanted: str) -> None:
    assert recipe(pip=[line]).packages == (wanted,)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("numpy=1.19", "pip writes '=='"),
        ("./own.whl", "file of your machine"),
        ("-e .", "file of your machine"),
        ("own.tar.gz", "file of your machine"),
        ("hg+https://h.example/own", "no address that can be fetched"),
        ("-r more.txt", "names a file that is not here"),
        ("--unheard-of", "no option"),
        ("two words", "no package requirement"),
    ],
)
def test_a_line_that_cannot_be_had_is_refused_by_name(line: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as refused:
        recipe(pip=["numpy", line])
    assert line.removeprefix("-e ") in str(refused.value)


def test_what_of_a_list_is_not_used_is_told() -> None:
    found = recipe(
        ["numpy[version='>=1.2,<2',build=py37_0]"],
        ["--index-url https://a.example --pre", "--find-links=https://b.example", "six==1.16.0 --hash=sha256:aa"],
    )
    assert found.packages == ("numpy>=1.2,<2", "six==1.16.0")
    for each in (
        "'--index-url https://a.example'",
        "'--pre'",
        "'--find-links https://b.example'",
        "'--hash=sha256:aa'",
        "build=py37_0",
    ):
        assert any(each in answer for answer in found.unused), each


def test_a_password_of_an_index_is_told_to_nobody() -> None:
    for line in (
        "--extra-index-url https://ana:s3cret@a.example/x",
        "-i=https://s3cret@a.example",
        "-f https://a:s3@cret@a.example",
    ):
        (found,) = recipe(pip=[line]).unused
        assert "https://…@a.example" in found and "cret" not in found


def test_several_lines_of_a_package_all_count_and_pip_comes_after_conda() -> None:
    lines = ["numpy==1.19; python_version<'3.9'", "numpy==1.26; python_version>='3.9'", "scipy>=1", "scipy<2", "scipy"]
    assert recipe(pip=lines).packages == (*lines[:2], "scipy<2", "scipy>=1")
    both = recipe(["scipy=1.5", "six"], ["scipy==1.10.1", "six"])
    assert both.packages == ("scipy==1.10.1", "six") and "takes the place" in both.notes[0]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("=1.19,<2", "==1.19.*,<2"), (">=1.0,<2 py37_0", ">=1.0,<2"), (">= 1.2 , < 2", ">=1.2,<2"), ("1.1.*", "==1.1.*"), ("=1.19*", "==1.19.*"), ("1.2|1.3", "==1.3.*"), ("=*", "")],
)  # fmt: skip
def test_versions_of_conda(said: str, wanted: str) -> None:
    assert conda_version(said) == wanted


def test_files_that_lists_name_are_read_from_beside_them(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.txt").write_text("scipy==1.10.1 # why\n--requirement=b.txt\n")
    (tmp_path / "more/b.txt").write_text("attrs\\\n >=20\n-c c.txt\n")
    (tmp_path / "more/c.txt").write_text("idna<3\nazureml-core==1.27\n")
    found = conda(tmp_path, "dependencies:\n- python>=3.8,<3.11\n- pip: [-r more/a.txt, 'numpy>=1,<3']\n")
    assert (found.python, found.packages) == (
        ">=3.8,<3.11",
        ("attrs >=20".replace(" ", ""), "numpy>=1,<3", "scipy==1.10.1"),
    )
    assert found.constraints == ("idna<3",)
    made = Environment.from_pip_requirements("e", str(tmp_path / "more/a.txt")).definition()["python"]
    assert (made["packages"], made["constraints"]) == (["attrs>=20", "scipy==1.10.1"], ["idna<3"])
    assert recipe(pip=["six"], constraints=["idna<3"]).digest != recipe(pip=["six"]).digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- -r none.txt", "none.txt' cannot be read"),
        ("- -r ftp://h.example/r.txt", "only http, https and file can"),
        ("- -r loop.txt", "names itself"),
    ],
)
def test_a_file_that_is_not_there_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "loop.txt").write_text("-r loop.txt\n")
    with pytest.raises(UserErrorException, match=said):
        conda(tmp_path, f"dependencies:\n- pip:\n  {text}\n")


class Web:
    """A server of small files, which counts how often each is asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        asked = self.asked = Counter[str]()
        self.keys: list[str | None] = []
        keys = self.keys

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked[self.path] += 1
                keys.append(self.headers["Authorization"])
                found = files.get(self.path)
                self.send_response(404 if found is None else 302 if found.startswith(b"/") else 200)
                self.send_header("Content-Type", "text/html" if self.path.endswith(".html") else "text/plain")
                if found and found.startswith(b"/"):
                    self.send_header("Location", found.decode())
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Web]]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made: list[Web] = []

    def serve(**files: bytes) -> Web:
        made.append(Web({f"/{name.replace('__', '/').replace('_', '.')}": data for name, data in files.items()}))
        return made[-1]

    yield serve
    for each in made:
        each.server.shutdown()
        each.server.server_close()


def test_files_that_lists_name_on_the_web_are_read_once_and_kept(tmp_path: Path, web: Callable[..., Web]) -> None:
    there = web(
        a__r_txt=b"scipy==1.10.1\n-r more.txt\n-c c.txt\n", a__more_txt=b"/b/moved.txt", b__moved_txt=b"attrs>=20\n", a__c_txt=b"idna<3\n"
    )  # fmt: skip
    (tmp_path / "local.txt").write_text(f"-r http://ana:s%40t@{there.host}/a/r.txt\nsix\n")
    (tmp_path / "env.yml").write_text("dependencies:\n- pip: [-r local.txt]\n")
    written = CondaDependencies()
    written.add_pip_package(f"-r http://{there.host}/a/r.txt")
    written.add_pip_package("six")
    for made in (
        CondaDependencies(str(tmp_path / "env.yml")),
        Environment.from_pip_requirements("e", str(tmp_path / "local.txt")).python.conda_dependencies,
        written,
    ):
        there.asked.clear()
        found = made.recipe()
        assert made.recipe() == found, "steps of one environment have one and the same"
        assert (found.packages, found.constraints) == (("attrs>=20", "scipy==1.10.1", "six"), ("idna<3",))
        assert set(there.asked.values()) <= {1}, there.asked
    assert there.keys[0] == "Basic " + base64.b64encode(b"ana:s@t").decode()


def test_a_file_on_the_web_that_cannot_be_had_is_named(
    tmp_path: Path, web: Callable[..., Web], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duto.environment.requirement_files._MOST_BYTES", 1000)
    there = web(
        large_txt=b"six\n" * 1000, loop_txt=b"-r loop.txt", page_html=b"<html>", latin_txt=b"\xe9", own_txt=b"./own.whl"
    )
    for name, said in (
        ("none.txt", "404"), ("large.txt", "larger than 1000 bytes"), ("loop.txt", "names itself"), ("latin.txt", "codec"),
        ("page.html", "address of the file itself"), ("http://127.0.0.1:1/r.txt", "refused"), ("own.txt", "file of your machine"),
    ):  # fmt: skip
        at = name if "://" in name else f"http://u:s3cret@{there.host}/{name}"
        with pytest.raises((UserErrorException, SpecError), match=said) as refused:
            conda(tmp_path, f"dependencies:\n- pip: ['-r {at}']\n")
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["- a\n- b", "dependencies: numpy", "dependencies:\n- pip: numpy", "dependencies:\n- npm: [a]", "a: [", "channels: x"]
)  # fmt: skip
def test_a_file_that_is_no_conda_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserErrorException):
        conda(tmp_path, text)


def test_variables_and_unknown_sections_of_a_conda_file(tmp_path: Path) -> None:
    (tmp_path / "env.yml").write_text("name: e\nprefix: /x\nvariables: {A: 1}\nodd: [2]\ndependencies: [six, null]\n")
    made = Environment.from_conda_specification("e", str(tmp_path / "env.yml"))
    made.environment_variables["B"] = "2"
    found = made.definition()
    assert found["variables"] == {"A": "1", "B": "2"} and found["python"]["packages"] == ["six"]
    assert found["python"]["unused"] == ["'odd' of the conda file is not used: conda knows no such section."]


LISTS = """name: "e: #1"
channels: [conda-forge, https://c.example/a]
dependencies:
- python>=3.8,<3.11
- numpy=1.19
- pip: [-e git+https://h.example/o.git#egg=o, "six>=1,!=1.2", --pre, "a; python_version<'3.9'"]
variables: {A: "yes", B: "a: b # c"}
"""


def test_a_saved_conda_file_is_the_same_for_every_reader(tmp_path: Path) -> None:
    first = conda(tmp_path, LISTS)
    made = CondaDependencies(str(tmp_path / "env.yml"))
    made.save(str(tmp_path / "again.yml"))
    again = CondaDependencies(str(tmp_path / "again.yml"))
    assert again.recipe() == first and again.as_dict() == made.as_dict()
    assert yaml.safe_load((tmp_path / "again.yml").read_text()) == made.as_dict()


def test_without_a_python_asked_for_none_is_saved(tmp_path: Path) -> None:
    made = CondaDependencies.create(pip_packages=["cowsay==6.0"])
    made.save(str(tmp_path / "c.yml"))
    assert CondaDependencies(str(tmp_path / "c.yml")).recipe().python is None
    made.set_python_version("3.8.13")
    assert made.get_python_version() == "3.8.13" and made.as_dict()["dependencies"][0] == "python=3.8.13"


def test_a_package_is_put_in_the_place_of_itself_and_taken_out_by_name() -> None:
    made = CondaDependencies.create(pip_packages=["six==1.15", "idna"], conda_packages=["numpy=1.19"])
    made.add_pip_package("Six==1.16")
    made.add_conda_package("numpy=1.20")
    made.remove_pip_package("idna")
    assert (made.pip_packages, made.conda_packages) == (["Six==1.16"], ["numpy=1.20"])


RUNCONFIG = """# The script to run.
script: train.py
arguments: --alpha 0.5 --name "two words"
target: cpu-cluster
framework: Python
communicator: None
maxRunDurationSeconds: 600
environment:
  name: mine
# Environment variables set for the run.
  environmentVariables:
    LEVEL: high
  python:
    interpreterPath: python
    condaDependenciesFile: aml_config/conda_dependencies.yml
  docker:
    enabled: true
    baseImage: example.org/base:1
    shmSize: 8g
    arguments: [--ipc, host]
    baseImageRegistry:
      address: example.org
      password:
history:
  outputCollection: true
  directoriesToWatch: [logs, more]
docker:
  useDocker: true
  shmSize: 4g
amlcompute:
  vmSize: STANDARD_D2
dataReferences:
  mine:
    dataStoreName: workspaceblobstore
    pathOnDataStore: in/data
    mode: download
data:
  rows:
    dataLocation:
      dataset: {id: 7d1f, name: rows, version: 3}
    mechanism: direct
  folder:
    dataLocation:
      dataPath: {datastoreName: store, relativePath: a/b}
    mechanism: mount
outputData:
  out:
    outputLocation:
      dataPath: {datastoreName: store, relativePath: "out/{run-id}"}
    mechanism: upload
    additionalOptions:
      uploadOptions: {overwrite: true}
      registrationOptions: {name: result}
"""


def loaded(folder: Path, text: str = RUNCONFIG, name: str = "train") -> RunConfiguration:
    (folder / "aml_config").mkdir(exist_ok=True)
    (folder / "aml_config/conda_dependencies.yml").write_text("dependencies: [python=3.8, pip: [six]]\n")
    (folder / f"aml_config/{name}.runconfig").write_text(text)
    return RunConfiguration.load(str(folder), name)


def test_all_sections_of_a_run_configuration_arrive(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = loaded(tmp_path)
    assert found.arguments == ["--alpha", "0.5", "--name", "two words"]
    assert (found.target, found.max_run_duration_seconds, found.communicator) == ("cpu-cluster", 600, "None")
    made = found.environment.definition()
    assert (made["python"]["version"], made["python"]["packages"], made["variables"]) == (
        "3.8",
        ["six"],
        {"LEVEL": "high"},
    )
    assert made["docker"] == {"image": "example.org/base:1", "shm_size": "8g", "arguments": ["--ipc", "host"]}
    assert (found.docker.use_docker, found.docker.shm_size) == (True, "4g")
    assert found.history.directories_to_watch == ["logs", "more"]
    step = PythonScriptStep("train.py", source_directory=".", runconfig=found)
    assert [port.name for port in step.in_ports] == ["mine", "rows", "folder"]
    assert [(root.name, root.path, root.mode) for root in step.out_roots] == [("out", "out/{run-id}", "upload")]
    script = ScriptRunConfig(".", run_config=found)
    assert (script.script, script.arguments) == ("train.py", found.arguments)


def test_a_save_and_a_load_change_nothing(tmp_path: Path) -> None:
    first = loaded(tmp_path)
    first.save(str(tmp_path), "saved")
    again = RunConfiguration.load(str(tmp_path), "saved")
    assert again.to_document() == first.to_document()
    assert again.environment_reference() == first.environment_reference()
    assert again.to_document()["amlcompute"] == {"vmSize": "STANDARD_D2"}


def test_a_configuration_that_asks_for_nothing_still_does_after_a_save(tmp_path: Path) -> None:
    RunConfiguration().save(str(tmp_path), "bare")
    assert RunConfiguration.load(str(tmp_path), "bare").environment_reference() is None
    imaged = RunConfiguration()
    imaged.environment.docker.base_image = "example.org/base:1"
    reference = imaged.environment_reference()
    assert reference is not None and reference["docker"] == {"image": "example.org/base:1"}


def test_what_containers_are_told_by_the_run_configuration_counts() -> None:
    made = RunConfiguration()
    made.docker.use_docker, made.docker.shm_size, made.docker.arguments = True, "8g", ["--ipc=host"]
    reference = made.environment_reference()
    assert reference is not None and reference["docker"] == {"shm_size": "8g", "arguments": ["--ipc=host"]}
    assert made.environment.docker.shm_size is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ArgumentVector: [a]\nTarget: local\n", "none of its sections"),
        ("script: [", "no YAML"),
        ("- a\n- b\n", "no names and values"),
        ("script: a.py\nenvironment: mine\n", "'environment'"),
        ('script: a.py\narguments: "--a \'b"\n', "quotation"),
        ("script: a.py\nnodeCount: many\n", "many"),
        ("script: a.py\ndataReferences:\n  m: {mode: upload, dataStoreName: s}\n", "only mount and download"),
        ("script: a.py\ndata:\n  m: {mechanism: direct}\n", "neither a dataset nor a path"),
    ],
)
def test_a_run_configuration_that_cannot_be_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RunConfigurationException, match=said) as refused:
        loaded(tmp_path, text)
    assert "train.runconfig" in str(refused.value)


def test_a_section_that_nobody_knows_is_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="'sorcery' of the run configuration is not used"):
        loaded(tmp_path, "script: a.py\nsorcery: {a: 1}\n")
    place = "dataLocation: {dataset: {name: d}}"
    with pytest.warns(UserWarning, match="told to the script as \\$m, not as \\$OTHER"):
        loaded(tmp_path, f"script: a.py\ndata:\n  m: {{{place}, environmentVariableName: OTHER}}\n")


def test_without_pyyaml_a_file_of_yaml_is_refused_and_none_of_ours_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = loaded(tmp_path)
    first.save(str(tmp_path), "saved")
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert RunConfiguration.load(str(tmp_path), "saved").to_document() == first.to_document()
    with pytest.raises(RunConfigurationException, match="pip install pyyaml"):
        RunConfiguration.load(str(tmp_path), "train")
    with pytest.raises(UserErrorException, match="pip install pyyaml"):
        CondaDependencies(str(tmp_path / "aml_config/conda_dependencies.yml"))


def test_an_image_comes_from_the_registry_that_is_named() -> None:
    made = Environment("e")
    made.docker.base_image, made.docker.base_image_registry.address = "team/base:1", "registry.example"
    assert made.definition()["docker"] == {"image": "registry.example/team/base:1"}
    made.docker.base_image = "registry.example/team/base:1"
    assert made.definition()["docker"] == {"image": "registry.example/team/base:1"}


def test_an_environment_in_a_folder_is_whole(tmp_path: Path) -> None:
    made = Environment("e")
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=["six"], python_version="3.9")
    made.python.interpreter_path = "/opt/python"
    made.docker.shm_size, made.docker.base_dockerfile, made.docker.arguments = "8g", "FROM a\nRUN b\n", ["--init"]
    made.environment_variables = {"A": "1"}
    made.save_to_directory(str(tmp_path / "e"))
    assert Environment.load_from_directory(str(tmp_path / "e")).definition() == made.definition()


@pytest.mark.parametrize(
    "make",
    [
        lambda text: ScriptRunConfig(".", "a.py", arguments=text).arguments,
        lambda text: PythonScriptStep("a.py", source_directory=".", arguments=text)._arguments,
    ],
)
def test_arguments_as_one_text_are_words(make: Any) -> None:
    assert make("--a 0.5 --b 'two words'") == ["--a", "0.5", "--b", "two words"]
    with pytest.raises(UserErrorException, match="cannot be split"):
        make("--a 'b")


def test_data_by_an_argument_and_in_the_configuration_are_one_input() -> None:
    reference = DataReference("store", "mine", "in")
    config = RunConfiguration()
    config.data_references = {"mine": reference}
    step = PythonScriptStep(
        "a.py", source_directory=".", runconfig=config, inputs=[reference], arguments=["--in", reference]
    )
    assert [port.name for port in step.in_ports] == ["mine"]


def test_a_python_of_the_users_own_has_none_of_the_packages_and_says_so() -> None:
    made = Environment("e")
    made.python.user_managed_dependencies = True
    assert "unused" not in made.definition()["python"]
    made.python.conda_dependencies = CondaDependencies.create(pip_packages=["six"])
    (found,) = made.definition()["python"]["unused"]
    assert "not installed" in found


@pytest.mark.parametrize(
    ("lines", "python", "packages", "expected"),
    [
        ("- python=3.6.2\n- pip: [azureml-defaults, sklearn]", "3.6", {*DEFAULTS, "scikit-learn"}, ""),
        ("- python=3.7\n- scikit-learn\n- numpy<1.24", "3.7", {"scikit-learn", "numpy<1.24"}, ""),
        ("- pip: ['-r more.txt', pandas]", None, {"scipy==1.4.1", "pandas"}, ""),
        ("- pip: ['git+https://h.example/o.git@v1#egg=o']", None, {"o @ git+https://h.example/o.git@v1"}, ""),
        ("- pip: ['--extra-index-url https://u:s3cret@pkgs.example/simple', own]", None, {"own"}, "--extra-index-url https://…@pkgs"),
    ],
)  # fmt: skip
def test_an_old_conda_file_is_taken(
    tmp_path: Path, lines: str, python: str | None, packages: set[str], expected: str
) -> None:
    (tmp_path / "more.txt").write_text("scipy==1.4.1\n")
    found = conda(tmp_path, f"name: old\nchannels: [defaults, conda-forge]\ndependencies:\n{lines}\n")
    assert (found.python, set(found.packages), found.conda) == (python, packages, None)
    assert expected in "".join(found.unused) and bool(expected) == bool(found.unused)


def test_a_program_of_ones_own_in_a_conda_file_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"'-e \.': '\.' is a file of your machine"):
        conda(tmp_path, "channels: [defaults]\ndependencies:\n- python=3.7\n- pip: [six, -e .]\n")
