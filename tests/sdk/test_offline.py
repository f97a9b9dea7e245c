"""Scripts that no studio runs."""

from __future__ import annotations

import pytest
from azureml.core import Run
from azureml.core.compute import AksCompute
from azureml.core.run import _OfflineRun
from azureml.core.webservice import AciWebservice
from azureml.exceptions import RunEnvironmentException, UserErrorException

MEMBERS = {
    "id", "log", "log_list", "log_row", "log_table", "log_image", "log_confusion_matrix", "log_residuals",
    "log_predictions", "log_accuracy_table", "tag", "set_tags", "add_properties", "upload_file", "upload_files",
    "upload_folder", "child_run", "complete", "fail", "cancel", "flush", "identity",
}  # fmt: skip


@pytest.fixture(autouse=True)
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZUREML_RUN_ID", raising=False)
    monkeypatch.delenv("AZUREML_RUN_TOKEN", raising=False)


def test_it_has_these_members_and_no_others() -> None:
    run = Run.get_context()
    assert type(run) is _OfflineRun and not isinstance(run, Run)
    assert {name for name in dir(run) if not name.startswith("_")} == MEMBERS
    assert run.id.startswith("OfflineRun_")


def test_it_prints_and_does_not_raise(capsys: pytest.CaptureFixture[str]) -> None:
    with Run.get_context() as run:
        run.log("loss", 0.5)
        run.fail("on purpose")
        assert type(run.child_run("x")) is _OfflineRun
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("Attempted to") for line in lines if not line[0].isdigit())


def test_online_or_nothing() -> None:
    with pytest.raises(RunEnvironmentException):
        Run.get_context(allow_offline=False)


def test_what_is_not_built_says_so_when_used() -> None:
    with pytest.raises(UserErrorException, match=r"AksCompute\.attach is not part of Duto yet"):
        AksCompute.attach(workspace=None, name="aks")
    with pytest.raises(NotImplementedError, match="serves no models"):
        AciWebservice.deploy_configuration(cpu_cores=1)
