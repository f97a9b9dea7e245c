"""A step starts in a room of its own: nothing of the studio, of its agent or of this folder's names is in it."""

from __future__ import annotations

import json

import pytest

from tests.live.studio import Studio

pytestmark = pytest.mark.slow

LOOK = """
import importlib.util, json, os, sys
names = ["datasets", "environments", "compute", "runs", "core", "studio", "django", "celery", "pandas", "duto", "azureml"]
print(json.dumps({
    "found": [name for name in names if importlib.util.find_spec(name)],
    "path": sys.path,
    "variables": dict(os.environ),
    "home": os.path.expanduser("~"),
    "cwd": os.getcwd(),
    "neighbour": importlib.util.find_spec("neighbour") is not None,
}))
"""


def test_a_step_sees_the_sdk_and_its_neighbours_and_nothing_of_the_studio(live_studio: Studio) -> None:
    run = live_studio.submit({"look": LOOK, "neighbour": "print('hello')"}).wait()
    seen = json.loads(run.log("look"))
    # `datasets` is a folder of the studio's own house, and a package that many scripts import from elsewhere.
    assert seen["found"] == ["duto", "azureml"]
    assert seen["neighbour"]
    assert seen["path"][0] == seen["cwd"]
    assert not any("site-packages" in entry and "/.venv/" in entry for entry in seen["path"])


def test_a_step_gets_a_clean_environment_and_a_home_of_its_own(live_studio: Studio) -> None:
    run = live_studio.submit({"look": LOOK}).wait()
    seen = json.loads(run.log("look"))
    variables = seen["variables"]
    assert "PYTHONDONTWRITEBYTECODE" not in variables
    assert variables["PYTHONUNBUFFERED"] == "1"
    assert not any(name.startswith(("DUTO_REDIS", "DUTO_SECRET", "DUTO_DATABASE", "DJANGO_")) for name in variables)
    assert seen["home"].startswith(str(live_studio.data_dir / "agent" / "attempts"))
