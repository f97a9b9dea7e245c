"""Files that hosts send to a far store in parts, from the studio's side, on a real S3: who gets addresses, what is committed, and
what becomes of what is left."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.db.models import QuerySet

from core.clock import now
from core.errors import Conflict, StudioError, Unprocessable
from core.objects import StoreAway
from datasets import stores
from datasets.kinds import s3
from datasets.models import Datastore
from datasets.services import registration
from duto_protocol.messages import (
    ADDRESSES_MOST,
    Addresses,
    AddressesAsk,
    FileEntry,
    Finished,
    OutputEntry,
    PartsAsk,
    PartsOffer,
    PartsWanted,
)
from duto_protocol.parts import part_size_of, sizes_of
from duto_protocol.reading import read, written
from runs.models import Attempt, Output, PartUpload
from runs.services.results import outputs, part_uploads
from tests.datasets import store_servers as servers
from tests.datasets.store_servers import StoreServer

pytestmark = pytest.mark.django_db(transaction=True)
DATA = {"a.bin": b"a" * ((8 << 20) + 5), "sub/b.txt": b"bee", "empty": b""}


@pytest.fixture(scope="module")
def moto() -> Iterator[StoreServer]:
    with servers.moto() as found:
        yield found


@dataclass
class Far:
    """A step at work whose output `made` goes to a far store, and its host."""

    scenario: Any
    attempt: Attempt
    store: Datastore

    def entry(self, **more: Any) -> OutputEntry:
        files = [FileEntry(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in DATA.items()]
        return OutputEntry("made", is_directory=True, files=files, is_sent=True, **more)

    def offer(self, *paths: str, is_of_use: bool = True) -> PartsOffer:
        wanted = [PartsWanted(path, len(DATA[path])) for path in paths or [each for each in DATA if DATA[each]]]
        return part_uploads.offer(self.attempt, PartsAsk("made", True, wanted), is_of_use)

    def send(self, *paths: str) -> None:
        for each in self.offer(*paths).files:
            for number, address in enumerate(each.addresses, each.first):
                start = (number - 1) * each.part_size
                part = DATA[each.path][start : start + each.part_size]
                assert httpx.put(address, content=part).status_code == 200

    def promote(self, **more: Any) -> list[Output]:
        report = Finished(
            event="finished", attempt=str(self.attempt.pk), epoch=1, exit_code=0, outputs=[self.entry(**more)]
        )
        return outputs.promote(self.attempt, report)

    @property
    def begun(self) -> list[str]:
        client: Any = stores.part_uploads_of(self.store)
        found = client.client.list_multipart_uploads(Bucket=client.bucket).get("Uploads", ())
        return [each["Key"] for each in found]

    @property
    def keys(self) -> set[str]:
        return {each.path for each in stores.root_of(self.store).walk("")}


def make(scenario: Any, moto: StoreServer, name: str, **output: Any) -> Far:
    options = {**moto.options, "bucket": f"b{name.replace('_', '-')}-{uuid4().hex[:12]}"}
    store = registration.register(scenario.context, name, "s3", options, moto.credentials, create=True)
    graph = scenario.graph("train")
    graph["steps"][0]["outputs"] = [
        {"name": "made", "kind": "file_dataset", "mode": "upload", "datastore": name, **output}
    ]
    run = scenario.step(scenario.pipeline(graph=graph), "train")
    return Far(scenario, scenario.attempt(run, 1), store)


@pytest.fixture
def far(scenario: Any, moto: StoreServer, settings: Any) -> Far:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    return make(scenario, moto, "far")


def test_what_was_sent_is_the_output_and_nothing_is_left(far: Far) -> None:
    far.send()
    assert far.keys == set() and len(far.begun) == 2
    (row,) = far.promote()
    root = stores.root_of(far.store)
    assert {path: root.read(f"{row.path}/{path}") for path in DATA} == DATA
    assert {each["path"]: each["tag"] for each in row.files} == {
        path: (root.state(f"{row.path}/{path}") or (0, ""))[1] for path in DATA
    }
    assert far.begun == [] and not PartUpload.objects.exists()
    assert [each.pk for each in far.promote()] == [row.pk]


def test_the_same_question_gives_the_same_upload(far: Far) -> None:
    first, second = far.offer(), far.offer()
    assert [each.upload for each in first.files] == [each.upload for each in second.files]
    assert [len(each.addresses) for each in first.files] == [2, 1] and len(far.begun) == 2
    assert first.files[0].part_size == part_size_of(len(DATA["a.bin"]))
    assert all("X-Amz-Expires=300" in each for file in first.files for each in file.addresses)


def test_of_two_calls_that_begin_one_upload_that_which_is_noted_lives(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that waits too long for its answer asks again; the first call notes what it has begun when the second one begins."""
    uploads = type(stores.part_uploads_of(far.store))
    real, (first,) = uploads.begin_upload, far.offer("sub/b.txt").files
    PartUpload.objects.update(upload="")

    def begin(self: Any, key: str) -> str:
        PartUpload.objects.update(upload=first.upload)
        return str(real(self, key))

    monkeypatch.setattr(s3, "NEAR", timedelta(days=100_000))  # moto's uploads are all of one moment
    monkeypatch.setattr(uploads, "begin_upload", begin)
    (given,) = far.offer("sub/b.txt").files
    assert given.upload == first.upload and len(far.begun) == 1
    assert httpx.put(given.addresses[0], content=DATA["sub/b.txt"]).status_code == 200


def test_addresses_are_for_open_attempts_of_the_right_epoch_and_hosts_that_can_use_them(far: Far) -> None:
    scenario, attempt = far.scenario, far.attempt
    from compute.services.hosts import digest_of

    scenario.host.key_digest = digest_of("key-of-host")
    scenario.host.store_marker = "here"
    scenario.host.save()
    body = written(PartsAsk("made", True, [PartsWanted("sub/b.txt", 3)]))

    def ask(epoch: int, data: bytes = body) -> Any:
        return scenario.client.put(
            f"/agent/v1/attempts/{attempt.pk}/{epoch}/parts", data, content_type="application/json",
            headers={"Authorization": "Bearer key-of-host"},
        )  # fmt: skip

    answer = ask(1)
    assert answer.status_code == 200, answer.content
    assert len(read(answer.content, PartsOffer).message.files[0].addresses) == 1
    assert (ask(0).status_code, ask(0).json()["error"]["code"]) == (409, "stale_epoch")
    assert ask(1, b"[]").status_code == 400
    assert ask(1, json.dumps({"output": "made", "files": [{"path": "x", "size": -1}]}).encode()).status_code == 400
    with pytest.raises(Conflict, match="through the studio"):
        far.offer(is_of_use=False)
    with pytest.raises(Conflict, match="through the studio"):
        part_uploads.offer(attempt, PartsAsk("other", True, []), True)
    with pytest.raises(StudioError):
        part_uploads.offer(attempt, PartsAsk("made", True, [PartsWanted("../x", 1)]), True)
    Attempt.objects.filter(pk=attempt.pk).update(status="failed")
    assert ask(1).json()["error"]["code"] == "stale_epoch"


def test_many_inputs_get_their_addresses_together(far: Far) -> None:
    from compute.services.hosts import digest_of

    scenario, root = far.scenario, stores.root_of(far.store)
    scenario.host.key_digest, scenario.host.store_marker = digest_of("key-of-host"), "here"
    scenario.host.save()
    names = ["in/a b.txt", "in/é%.txt"]
    for name in names:
        root.write(name, io.BytesIO(name.encode()))

    def ask(files: list[str], epoch: int = 1) -> Any:
        return scenario.client.put(
            f"/agent/v1/attempts/{far.attempt.pk}/{epoch}/addresses", written(AddressesAsk(files)),
            content_type="application/json", headers={"Authorization": "Bearer key-of-host"},
        )  # fmt: skip

    answer = ask([*(f"data/far/{name}" for name in names), "data/workspaceblobstore/x", "blob/abc", "odd"])
    assert answer.status_code == 200, answer.content
    given = read(answer.content, Addresses).message.addresses
    assert given[2:] == ["", "", ""]
    assert [httpx.get(each).content.decode() for each in given[:2]] == names
    assert ask(["data/far/a"] * (ADDRESSES_MOST + 1)).status_code == 400
    assert ask([], epoch=0).json()["error"]["code"] == "stale_epoch"
    scenario.host.store_marker = ""
    scenario.host.save()
    assert read(ask(["data/far/in/a b.txt"]).content, Addresses).message.addresses == [""], "of use here alone"


def test_a_part_of_another_size_or_that_did_not_come_is_refused(far: Far) -> None:
    (given,) = far.offer("a.bin").files
    far.send("sub/b.txt")
    httpx.put(given.addresses[0], content=DATA["a.bin"][: given.part_size])
    with pytest.raises(StoreAway, match="part 2 of"):
        far.promote()
    httpx.put(given.addresses[1], content=b"1234")
    with pytest.raises(StoreAway, match="4 of 5 bytes"):
        far.promote()
    assert not any(key.endswith("a.bin") for key in far.keys) and not Output.objects.exists()
    httpx.put(given.addresses[1], content=DATA["a.bin"][given.part_size :])
    (row,) = far.promote()  # what was committed before the refusal counts
    assert row.file_count == 3 and far.begun == []


def test_a_report_of_what_was_not_begun_is_refused(far: Far) -> None:
    far.send("sub/b.txt")
    with pytest.raises(Unprocessable) as refused:
        far.promote()
    assert refused.value.code == "output_changed" and far.keys == set()


def test_a_commit_that_was_cut_off_goes_on(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    far.send()
    real = outputs._verify

    def die(*_args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(outputs, "_verify", die)
    with pytest.raises(KeyboardInterrupt):
        far.promote()
    monkeypatch.setattr(outputs, "_verify", real)
    assert len(far.keys) == 3
    (row,) = far.promote()
    assert row.size == sum(map(len, DATA.values()))


def test_overwriting_is_refused_where_the_step_says_so(scenario: Any, moto: StoreServer, settings: Any) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    far = make(scenario, moto, "shut", destination="here", overwrite=False)
    root = stores.root_of(far.store)
    far.send()
    root.write("here/sub/b.txt", io.BytesIO(b"of others"))
    with pytest.raises(Conflict, match="would replace"):
        far.promote()
    assert far.keys == {"here/sub/b.txt"} and root.read("here/sub/b.txt") == b"of others"


def test_what_a_finish_before_has_left_goes_and_what_was_sent_stays(far: Far) -> None:
    root = stores.root_of(far.store)
    for name in ("old.txt", "a.bin"):
        root.write(f"azureml/{far.attempt.run_id}/made/{name}", io.BytesIO(b"of before"))
    far.send()
    (row,) = far.promote()
    assert far.keys == {f"{row.path}/{path}" for path in DATA}
    assert root.read(f"{row.path}/a.bin") == DATA["a.bin"]


@pytest.mark.parametrize("end", ["failed", "canceled", "epoch", "deleted"])
def test_what_nobody_will_commit_is_given_up(far: Far, end: str) -> None:
    far.send()
    assert part_uploads.give_up() == 0 and len(far.begun) == 2
    if end == "epoch":
        Attempt.objects.filter(pk=far.attempt.pk).update(epoch=2)
    elif end == "deleted":
        Attempt.objects.filter(pk=far.attempt.pk).delete()
    else:
        Attempt.objects.filter(pk=far.attempt.pk).update(status=end)
    assert part_uploads.give_up() == 2
    assert far.begun == [] and not PartUpload.objects.exists() and far.keys == set()


def test_a_store_that_does_not_answer_is_asked_again_later(far: Far) -> None:
    far.offer()
    Attempt.objects.filter(pk=far.attempt.pk).update(status="failed")
    options = far.store.options
    Datastore.objects.update(options={**options, "endpoint": "http://127.0.0.1:9"})
    assert part_uploads.give_up() == 0
    Datastore.objects.update(options=options)
    assert part_uploads.give_up() == 0, "not yet"
    PartUpload.objects.update(due_at=now() - timedelta(seconds=1))
    assert part_uploads.give_up() == 2 and far.begun == []


def test_a_store_that_never_answers_again_is_let_go_after_a_week(far: Far) -> None:
    far.offer()
    Attempt.objects.filter(pk=far.attempt.pk).update(status="failed")
    Datastore.objects.update(options={**far.store.options, "endpoint": "http://127.0.0.1:9"})
    PartUpload.objects.update(created_at=now() - part_uploads.GIVEN_UP - timedelta(minutes=1))
    assert part_uploads.give_up() == 2 and not PartUpload.objects.exists()


class Killed(BaseException):
    """The end of the studio's process."""


def begin_and_die(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_given: Any) -> None:
        raise Killed

    # moto tells of all uploads that they were begun in 2010.
    monkeypatch.setattr(s3, "NEAR", timedelta(days=36_500))
    with monkeypatch.context() as patch:
        patch.setattr(QuerySet, "bulk_update", killed)
        with pytest.raises(Killed):
            far.offer("sub/b.txt")


def test_an_upload_that_was_begun_and_never_noted_is_given_up(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    client, key = stores.part_uploads_of(far.store), f"azureml/{far.attempt.run_id}/made/sub/b.txt"
    known = client.begin_upload(key)
    begin_and_die(far, monkeypatch)
    assert far.begun == [key] * 2
    PartUpload.objects.create(
        attempt=far.attempt, epoch=2, datastore=far.store, output="made", key=key, name="known", size=3, part_size=3,
        upload=known,
    )  # fmt: skip
    Attempt.objects.filter(pk=far.attempt.pk).update(epoch=2)
    assert part_uploads.give_up() == 1 and far.begun == [key], "what is known stays"
    assert PartUpload.objects.get().upload == known


def test_an_upload_that_was_begun_and_never_noted_is_begun_anew(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_and_die(far, monkeypatch)
    far.send()
    assert len(far.begun) == len(set(far.begun)) == 2, "the first one is given up"
    far.promote()
    assert far.begun == [] and not PartUpload.objects.exists()


@pytest.mark.parametrize("output", [{}, {"destination": "out/{run-id}", "overwrite": False}])
def test_files_that_a_killed_studio_had_committed_are_the_output(
    scenario: Any, moto: StoreServer, settings: Any, output: dict[str, Any]
) -> None:
    settings.DUTO = replace(settings.DUTO, fetch_private=True)
    far = make(scenario, moto, "far", **output)
    far.send()
    client = stores.part_uploads_of(far.store)
    row = PartUpload.objects.get(key__endswith="a.bin")
    client.commit_upload(row.key, row.upload, sizes_of(row.size, row.part_size))
    (made,) = far.promote()
    root = stores.root_of(far.store)
    assert {path: root.read(f"{made.path}/{path}") for path in DATA} == DATA and far.begun == []


def test_a_public_bucket_signs_nothing(far: Far) -> None:
    registration.set_credentials(far.scenario.context, "far", {}, validate=False)
    with pytest.raises(Conflict, match="through the studio"):
        far.offer()
    assert not PartUpload.objects.exists()


def test_a_folder_of_the_studio_takes_no_parts(scenario: Any) -> None:
    graph = scenario.graph("train")
    graph["steps"][0]["outputs"] = [{"name": "made", "kind": "file_dataset", "mode": "upload"}]
    attempt = scenario.attempt(scenario.step(scenario.pipeline(graph=graph), "train"), 1)
    with pytest.raises(Conflict, match="through the studio"):
        part_uploads.offer(attempt, PartsAsk("made", True, [PartsWanted("x", 1)]), True)
