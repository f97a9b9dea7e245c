"""Code: files travel once, a manifest names them, and every limit has words."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile

import pytest

from runs.models import Snapshot
from runs.queries import code

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.sqlite]


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def manifest(**files: bytes):
    return {
        "files": [
            {"path": name.replace("__", "/").replace("_py", ".py"), "digest": digest_of(data), "size": len(data)}
            for name, data in files.items()
        ]
    }


def upload(scenario, **files: bytes):
    for data in files.values():
        assert scenario.put(f"blobs/{digest_of(data)}/", data).status_code == 201
    return scenario.post("snapshots/", manifest(**files))


def test_only_unknown_files_travel(scenario):
    one, two = b"print(1)\n", b"print(2)\n"
    scenario.put(f"blobs/{digest_of(one)}/", one)
    answer = scenario.post("blobs/missing/", {"digests": [digest_of(one), digest_of(two), digest_of(two)]})
    assert answer.json() == {"missing": [digest_of(two)]}
    assert scenario.put(f"blobs/{digest_of(one)}/", one).status_code == 201


def test_bytes_that_are_not_those_of_the_digest_are_refused(scenario):
    answer = scenario.put(f"blobs/{digest_of(b'a')}/", b"b")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "digest_mismatch")
    assert scenario.post("blobs/missing/", {"digests": [digest_of(b"a")]}).json()["missing"]


@pytest.mark.parametrize("digest", ["x", "..", "0" * 63, "A" * 64, "%2e%2e%2fdb.sqlite3"])
def test_a_digest_that_is_none_is_refused(scenario, digest):
    assert scenario.put(f"blobs/{digest}/", b"x").status_code in (400, 404)
    assert scenario.post("blobs/missing/", {"digests": [digest]}).status_code == 400


def test_a_snapshot_is_named_once_and_read_back(scenario):
    files = {"train_py": b"print('train')\n", "lib__util_py": b"x = 1\n"}
    first, second = upload(scenario, **files), upload(scenario, **files)
    assert (first.status_code, first.json()) == (201, second.json())
    key = first.json()["digest"]
    assert Snapshot.objects.count() == 1
    assert [each["path"] for each in scenario.get(f"snapshots/{key}/").json()["files"]] == ["lib/util.py", "train.py"]
    assert scenario.get(f"snapshots/{key}/files/lib/util.py").content == b"x = 1\n"
    assert scenario.get(f"snapshots/{key}/files/lib/../../secret").status_code == 404
    archive = b"".join(scenario.get(f"snapshots/{key}/archive/").streaming_content)
    with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
        assert {name: bundle.read(name) for name in bundle.namelist()} == {
            "train.py": files["train_py"],
            "lib/util.py": b"x = 1\n",
        }


def test_a_snapshot_without_its_files_says_which_are_missing(scenario):
    answer = scenario.post("snapshots/", manifest(train_py=b"never sent"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "missing_blobs")
    assert answer.json()["error"]["facts"]["missing"] == [digest_of(b"never sent")]


@pytest.mark.parametrize("path", ["../x.py", "/etc/x", "a/../b", "C:/x", "a\\..\\b", ""])
def test_a_path_that_leaves_its_folder_is_no_manifest(scenario, path):
    entry = {"path": path, "digest": digest_of(b""), "size": 0}
    answer = scenario.post("snapshots/", {"files": [entry]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_manifest")


def test_a_path_with_a_nul_is_no_text(scenario):
    answer = scenario.post("snapshots/", {"files": [{"path": "a\0b", "digest": digest_of(b""), "size": 0}]})
    assert answer.status_code in (400, 422) and answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"files": 3},
        {"files": [1]},
        {"files": [{"path": "a"}]},
        [],
        {"files": [{"path": "a", "digest": "b", "size": "x"}]},
    ],
)
def test_a_manifest_that_is_none_is_refused(scenario, body):
    assert scenario.post("snapshots/", body).status_code in (400, 422)


def test_a_snapshot_over_a_limit_names_its_biggest_files(scenario, settings):
    settings.DUTO = dataclasses.replace(settings.DUTO, snapshot_max_bytes=1024)
    document = {
        "files": [
            {"path": "big.bin", "digest": "0" * 64, "size": 5000},
            {"path": "a.py", "digest": "1" * 64, "size": 3},
        ]
    }
    error = scenario.post("snapshots/", document).json()["error"]
    assert error["code"] == "snapshot_too_large"
    assert "big.bin" in error["message"] and ".amlignore" in error["message"]
    answer = scenario.put(f"blobs/{digest_of(b'x' * 2000)}/", b"x" * 2000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "snapshot_too_large")
    settings.DUTO = dataclasses.replace(settings.DUTO, snapshot_max_bytes=10**6, snapshot_max_files=1)
    assert "2 files" in scenario.post("snapshots/", document).json()["error"]["message"]


def test_two_runs_differ_file_by_file(scenario):
    old = scenario.snapshot(step_py="a = 1\nb = 2\n", gone_py="x\n", same_py="s\n")
    new = scenario.snapshot(step_py="a = 1\nb = 3\n", new_py="y", same_py="s\n")
    first = scenario.pipeline(graph=scenario.graph("train", snapshot=old.digest))
    second = scenario.pipeline(graph=scenario.graph("train", snapshot=new.digest))
    answer = scenario.get(f"runs/{second.pk}/compare-code/{first.pk}/").json()
    (step,) = answer["items"]
    changes = {each["path"]: each for each in step["files"]}
    assert {path: each["change"] for path, each in changes.items()} == {
        "gone.py": "removed", "new.py": "added", "step.py": "changed",
    }  # fmt: skip
    assert "-b = 2\n+b = 3\n" in changes["step.py"]["diff"]
    assert scenario.get(f"runs/{second.pk}/compare-code/{second.pk}/").json()["items"] == []


def test_a_reader_may_look_and_not_upload(scenario):
    from workspaces.models import Role

    reader = scenario.member("rui", Role.READER)
    key = upload(scenario, a_py=b"1").json()["digest"]
    assert reader.get(f"{scenario.base}snapshots/{key}/").status_code == 200
    put = reader.put(f"{scenario.base}blobs/{digest_of(b'z')}/", b"z", content_type="application/octet-stream")
    assert put.status_code == 403


def test_a_comparison_that_would_take_ever_is_told_and_not_drawn(scenario):
    numbers = [f"{number}\n" for number in range(20_000)]
    same = scenario.snapshot(a="".join([*numbers[:9_000], "old\n", *numbers[9_000:]]))
    other = scenario.snapshot(a="".join([*numbers[:9_000], "new\n", *numbers[9_000:]]))
    [drawn] = code.difference(same, other)
    assert "-old\n+new\n" in drawn["diff"]
    for left, right in (("".join(numbers), "".join(reversed(numbers))), ("a\n" * 20_000, "b\n" + "a\n" * 20_000)):
        [found] = code.difference(scenario.snapshot(a=left), scenario.snapshot(a=right))
        assert (found["change"], found["diff"], found["binary"]) == ("changed", None, False)
