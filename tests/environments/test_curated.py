"""Curated environments: their locks, what stands in for Azure's, and how a lock is made of what a resolver wrote."""

from __future__ import annotations

import html

import pytest
from django.test import Client
from django.urls import reverse

from core.errors import Conflict, NotFound
from duto.spec import curated as names
from environments import definitions, lockfile, locking
from environments.models import Environment, EnvironmentVersion
from environments.services import builds as environment_builds
from environments.services import curated
from environments.services import versions as environment_versions
from tests.environments.test_environments import definition
from tests.runs.protocol_messages import spec_of
from tests.workspace_scenario import WorkspaceScenario, code, content

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
AZURES = "AzureML-sklearn-0.24-ubuntu18.04-py37-cpu"


def test_the_curated_environment_is_built_from_its_locks(scenario: WorkspaceScenario) -> None:
    version = environment_versions.resolve(scenario.workspace, {"name": "AzureML-Tutorial", "version": "1"})
    assert version.build is not None and "pandas==1.5.3" in version.build.recipe["locks"]["3.11"]
    own = environment_versions.resolve(
        scenario.workspace, {"name": "own", "python": {"packages": ["matplotlib", "pandas", "scikit-learn"]}}
    )
    assert own.build_id != version.build_id
    work = environment_builds.build_work(version.build, ["3.12.1"])
    assert set(spec_of(work).locks) == {"3.12"}


def test_a_copy_of_a_curated_environment_does_not_change_the_original(scenario: WorkspaceScenario) -> None:
    same = {"name": "AzureML-Tutorial", "python": {"packages": ["matplotlib", "pandas", "scikit-learn"]}}
    assert environment_versions.resolve(scenario.workspace, same).label == "AzureML-Tutorial:1"
    changed = environment_versions.resolve(scenario.workspace, definition("pandas", "xgboost", name="AzureML-Tutorial"))
    assert changed.environment is None
    with pytest.raises(Conflict):
        environment_versions.register(scenario.context, definition("pandas", name="AzureML-Tutorial"))


def test_a_release_with_other_locks_adds_a_version(
    scenario: WorkspaceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    curated.add_curated(scenario.workspace)
    names = EnvironmentVersion.objects.filter(environment__name="AzureML-Tutorial")
    assert names.count() == 1
    monkeypatch.setattr(curated, "of_this_release", curated.of_this_release.__wrapped__)
    monkeypatch.setattr(curated, "locks", lambda: {"AzureML-Tutorial": {"3.11": "pandas==9\n"}})
    curated.add_curated(scenario.workspace)
    assert sorted(names.values_list("version", flat=True)) == [1, 2]


@pytest.mark.parametrize("name", names.HEADLINES)
def test_a_lock_is_what_its_list_asks_for_with_digests_and_no_address(name: str) -> None:
    """What pip would refuse to install without, and what no index of ours stands in."""
    (lock,) = curated.locks()[name].values()
    assert lockfile.checked(lock, "3.11.7", {"packages": curated.asked_for(name)})
    lines = lock.splitlines()
    assert len(lines) > 10 and all("--hash=sha256:" in line for line in lines) and "://" not in lock
    pinned = dict(line.split(" ")[0].split("==") for line in lines)
    assert all(pinned[each.split(" ")[0]] == each.split(" ")[1] for each in names.HEADLINES[name].split(", "))


def test_every_curated_environment_has_its_list_and_its_words() -> None:
    assert set(curated.locks()) == {names.TUTORIAL, *names.HEADLINES}
    assert set(names.SERVES.values()) <= set(names.HEADLINES)
    assert curated.asked_for(names.TUTORIAL) == ["matplotlib", "pandas", "scikit-learn"]


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        (AZURES, names.SKLEARN),
        ("AzureML-Scikit-learn-0.20.3", names.SKLEARN),
        ("azureml-lightgbm-3.2-ubuntu18.04-py37-cpu", names.SKLEARN),
        ("AzureML-minimal-ubuntu18.04-py37-cpu-inference", names.SKLEARN),
        ("AzureML-AutoML-DNN-GPU", names.AUTOML),
        ("AzureML-ACPT-pytorch-1.11-py38-cuda11.3-gpu", names.PYTORCH),
        ("AzureML-PyTorch-1.6-GPU", names.PYTORCH),
        ("AzureML-TensorFlow-1.13-CPU", names.TENSORFLOW),
        ("AzureML-PySpark-MmlSpark-0.15", names.PYSPARK),
        (names.SKLEARN, None),
        (names.TUTORIAL, None),
        ("AzureML-pytorch-mine", None),
        ("AzureML-Triton", None),
        ("sklearn-0.24", None),
    ],
)
def test_which_stands_in_for_one_of_azures(name: str, instead: str | None) -> None:
    assert names.nearest(name) == instead


def test_one_of_azures_is_the_nearest_with_a_note(scenario: WorkspaceScenario) -> None:
    for number in (None, "5"):
        found = environment_versions.resolve(scenario.workspace, {"name": AZURES, "version": number})
        assert found.label == "AzureML-sklearn-1.2:1" and found.build is not None
        assert "scikit-learn==1.2.2" in found.build.recipe["locks"]["3.11"] and found.build.recipe["python"] == "3.11"
    answer = scenario.api.get(f"environments/{AZURES}/versions/latest/").json()
    assert (
        answer["name"] == "AzureML-sklearn-1.2" and "takes its place: 'AzureML-sklearn-1.2' (Python" in answer["note"]
    )
    assert scenario.api.get("environments/AzureML-sklearn-1.2/versions/latest/").json()["note"] == ""
    browser = Client(headers={"accept-language": "pt-PT"})
    browser.force_login(scenario.owner)
    page = browser.get(reverse("environments:environment", args=["lab", AZURES]))
    assert f"'{AZURES}' é um ambiente da Azure" in html.unescape(content(page).decode())
    own = browser.get(reverse("environments:environment", args=["lab", "AzureML-sklearn-1.2"]))
    assert AZURES in content(own).decode() and "é um ambiente da Azure" not in content(own).decode()


def test_a_name_of_azures_is_nobodys_but_what_has_it_already_keeps_it(scenario: WorkspaceScenario) -> None:
    refused = scenario.api.post("environments/", definition("pandas", name=AZURES))
    assert code(refused)[0] == 409
    with pytest.raises(Conflict, match="under another name"):
        environment_versions.register(scenario.context, definition("pandas", name=AZURES))
    changed = environment_versions.resolve(scenario.workspace, definition("pandas", "xgboost", name=AZURES))
    assert changed.environment is None
    with pytest.raises(NotFound, match="no environment 'AzureML-Triton'"):
        environment_versions.find(scenario.workspace, "AzureML-Triton")
    own = Environment.objects.create(workspace=scenario.workspace, name=AZURES)
    mine = environment_versions.add_version(scenario.workspace, own, definitions.read(definition("six", name=AZURES)))
    assert environment_versions.resolve(scenario.workspace, {"name": AZURES}).pk == mine.pk


RESOLVED = """
[[packages]]
name = "numpy"
version = "1.23.5"
sdist = { url = "https://index.example/numpy-1.23.5.tar.gz", hashes = { sha256 = "0s" } }
wheels = [
  { url = "https://index.example/numpy-1.23.5-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", hashes = { sha256 = "1x" } },
  { url = "https://index.example/numpy-1.23.5-cp311-cp311-manylinux_2_17_aarch64.whl", hashes = { sha256 = "2a" } },
  { url = "https://index.example/numpy-1.23.5-cp310-cp310-manylinux_2_17_x86_64.whl", hashes = { sha256 = "no" } },
  { url = "https://index.example/numpy-1.23.5-cp311-cp311-win_amd64.whl", hashes = { sha256 = "no" } },
]
[[packages]]
name = "triton"
version = "2.0.0"
marker = "platform_machine == 'x86_64' and sys_platform == 'linux'"
wheels = [{ url = "https://index.example/triton-2.0.0-1-cp311-cp311-manylinux2014_x86_64.whl", hashes = { sha256 = "3x" } }]
[[packages]]
name = "colorama"
version = "0.4.6"
marker = "sys_platform == 'win32'"
wheels = [{ url = "https://index.example/colorama-0.4.6-py2.py3-none-any.whl", hashes = { sha256 = "no" } }]
"""


def test_a_lock_has_the_files_that_hosts_may_install() -> None:
    assert locking.lock_of(RESOLVED, "3.11").splitlines() == [
        "numpy==1.23.5 --hash=sha256:0s --hash=sha256:1x --hash=sha256:2a",
        "triton==2.0.0 ; platform_machine == 'x86_64' --hash=sha256:3x",
    ]
    with pytest.raises(ValueError, match=r"triton .* has no file"):
        locking.lock_of(RESOLVED, "3.12")
