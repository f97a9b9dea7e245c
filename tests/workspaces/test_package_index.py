"""The studio is a package index of its SDK: pip installs it from there, into any Python that it is for."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename

from studio.bootstrap import ROOT
from workspaces.services.distributions import SOURCES, install_command, wheels

JSON = "application/vnd.pypi.simple.v1+json"
PYTHONS = tuple(f"3.{minor}" for minor in range(8, 14))
LOOK = (
    "import duto, yaml, azureml.core, importlib.metadata as m; assert azureml.core.Workspace is duto.Workspace; "
    "print(m.version('duto'), duto.__file__)"
)


def test_its_lists_are_read_as_html_and_as_json(client: Client) -> None:
    for accept in ("", "*/*", "text/html", "application/vnd.pypi.simple.v1+html", f"{JSON};q=0.1, text/html"):
        answer = client.get("/simple/duto/", headers={"accept": accept} if accept else None)
        assert answer.status_code == 200 and "html" in answer["Content-Type"] and "Accept" in answer["Vary"]
        found = re.findall(
            r'href="([^"#]+)#sha256=([0-9a-f]{64})" data-requires-python="([^"]+)"', answer.content.decode()
        )
        assert found == [(wheels()["duto"].filename.replace("+", "%2B"), wheels()["duto"].sha256, "&gt;=3.8")]
    newest = f"application/vnd.pypi.simple.latest+json, {JSON};q=0.9, text/html;q=0.01"
    for accept in (JSON, newest):
        answer = client.get("/simple/duto-azureml/", headers={"accept": accept})
        assert answer["Content-Type"] == JSON
        document = answer.json()
        assert document["meta"]["api-version"] == "1.1" and document["name"] == "duto-azureml"
        (file,) = document["files"]
        name, version, _build, _tags = parse_wheel_filename(file["filename"])
        assert (name, [str(version)]) == ("duto-azureml", document["versions"])
        data = client.get(f"/simple/duto-azureml/{file['url']}").content
        assert file["size"] == len(data) and file["hashes"] == {"sha256": hashlib.sha256(data).hexdigest()}
    listed = client.get("/simple/", headers={"accept": JSON}).json()
    assert [each["name"] for each in listed["projects"]] == [*SOURCES]
    assert client.get("/simple/", headers={"accept": "image/png"}).status_code == 406


def test_what_is_not_there_is_told_without_a_page_of_sign_in(client: Client) -> None:
    for path in ("pyyaml/", "azureml-sdk/", "duto/duto-0.0.1-py3-none-any.whl", "x/duto.whl"):
        answer = client.get(f"/simple/{path}", headers={"accept": JSON})
        assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "text/plain"), path
    answer = client.get("/simple/Duto_AzureML/")
    assert (answer.status_code, answer["Location"]) == (302, "../duto-azureml/")
    assert client.post("/simple/").status_code == 405


def test_it_is_not_sent_again_while_it_is_the_same(client: Client) -> None:
    for path in ("", "duto/", f"duto/{wheels()['duto'].filename}"):
        answer = client.get(f"/simple/{path}")
        assert answer["Cache-Control"] == "no-cache"
        again = client.get(f"/simple/{path}", headers={"if-none-match": answer["ETag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", SOURCES)
def test_a_wheel_holds_the_checkout_and_its_own_record(name: str) -> None:
    wheel = wheels()[name]
    folder, package = SOURCES[name]
    with zipfile.ZipFile(io.BytesIO(wheel.data)) as archive:
        held = {each: archive.read(each) for each in archive.namelist()}
    info = f"{name.replace('-', '_')}-{wheel.version}.dist-info"
    source = ROOT / folder / "src"
    here = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in (source / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert {path: data for path, data in held.items() if not path.startswith(info)} == here
    rows = list(csv.reader(io.StringIO(held[f"{info}/RECORD"].decode())))
    assert [row[0] for row in rows] == [*held]
    for path, digest, size in rows[:-1]:
        seen = base64.urlsafe_b64encode(hashlib.sha256(held[path]).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={seen}", str(len(held[path])))
    found = Metadata.from_email(held[f"{info}/METADATA"])
    assert (found.name, str(found.version), str(found.requires_python)) == (name, wheel.version, ">=3.8")
    # The other half of the SDK is that of this studio: what is pinned so can be on no public index.
    ours = [each for each in found.requires_dist or () if each.name in SOURCES]
    assert all(str(each.specifier) == f"=={wheel.version}" for each in ours) and len(ours) == 2 * (name != "duto")


def test_a_wheel_is_made_the_same_again() -> None:
    first = dict(wheels())
    wheels.cache_clear()
    assert dict(wheels()) == first and all(
        re.fullmatch(r"[0-9.]+\+d[0-9a-f]{12}", each.version) for each in first.values()
    )


@pytest.mark.parametrize(
    ("studio", "more"),
    [
        ("https://duto.example.org", ""),
        ("http://127.0.0.1:8000", ""),
        ("http://localhost:8000/", ""),
        ("http://[::1]:8000", ""),
        ("http://duto.lan:8000", " --trusted-host duto.lan:8000"),
        ("http://10.0.0.7", " --trusted-host 10.0.0.7"),
    ],
)
def test_the_line_says_what_pip_needs_to_hear(studio: str, more: str) -> None:
    line = f"pip install duto-azureml --extra-index-url {studio.rstrip('/')}/simple/{more}"
    assert install_command(studio) == line
    assert install_command(studio, "duto-azureml[pandas]") == line.replace("duto-azureml", '"duto-azureml[pandas]"')


def python_of(version: str) -> str:
    """An interpreter of this version that can make environments; the tests' own where it is one."""
    if version == f"3.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(f"python{version}")
    if not found or subprocess.run([found, "-c", "import ensurepip, venv"], capture_output=True).returncode:
        pytest.skip(f"there is no Python {version} here")
    return found


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("version", PYTHONS)
def test_pip_installs_it_without_a_checkout(version: str, live_server: Any, tmp_path: Path) -> None:
    subprocess.run([python_of(version), "-m", "venv", str(tmp_path / "own")], check=True)
    shared = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    env = {**shared, "PATH": f"{tmp_path / 'own/bin'}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    options: dict[str, Any] = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True}
    done = subprocess.run(["bash", "-c", install_command(live_server.url)], **options)
    assert done.returncode == 0, done.stdout + done.stderr
    looked = subprocess.run(["python", "-I", "-c", LOOK], **options)
    assert looked.returncode == 0, looked.stderr
    found, place = looked.stdout.split()
    assert found == wheels()["duto"].version and Path(place).is_relative_to(tmp_path / "own")
    listed = json.loads(subprocess.run(["pip", "list", "--format=json"], **options).stdout)
    assert {each["name"].lower() for each in listed} - {"pip", "setuptools"} == {"duto", "duto-azureml", "pyyaml"}
    for command in (["duto"], ["python", "-m", "duto"]):
        finished = subprocess.run([*command, "--help"], **options)
        assert finished.returncode == 0 and "trigger" in finished.stdout, finished.stderr
    checked = subprocess.run(["pip", "check"], **options)
    assert checked.returncode == 0, checked.stdout
