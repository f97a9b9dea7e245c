"""Images on hosts: what agents tell becomes rows, people see them and end a build, the agent hears of it."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.models import Host
from core.clock import iso, now
from core.ids import uuid7
from core.sentences import text_of
from environments import why
from environments.models import EnvironmentBuild, EnvironmentVersion, Image
from environments.services.images import base_tag
from environments.services.versions import register
from environments.stored_messages import SENTENCES
from runs.models import Attempt, Run, StepRun
from runs.services.maintenance import host_removal
from tests.runs.conftest import RunScenario
from tests.runs.protocol_messages import answer_to
from tests.web.conftest import Site
from workspaces.models import Role, User
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db]
TAG = "duto/env:" + "a" * 32
LOCK = hashlib.sha256(b"pandas==2").hexdigest()
RECIPE = {"base": "sha256:" + "b" * 64, "lock": LOCK, "template": "t"}


class Images:
    """A host of containers, and an environment whose step it builds for."""

    def __init__(self, scenario: RunScenario) -> None:
        self.scenario = scenario
        Host.objects.filter(pk=scenario.host.pk).update(launcher="docker")
        scenario.host.refresh_from_db()
        self.version = self.environment("slim", LOCK)
        self.attempt = self.step_of(self.version)

    def environment(self, name: str, lock: str, *packages: str) -> EnvironmentVersion:
        version = register(self.scenario.context, {"name": name, "python": {"packages": [*packages, "pandas"]}})
        build = EnvironmentBuild.objects.create(
            recipe_digest=version.recipe_digest, recipe={}, status="ready", lock_digest=lock, lock="pandas==2"
        )
        EnvironmentVersion.objects.filter(pk=version.pk).update(build=build)
        version.refresh_from_db()
        return version

    def step_of(self, version: EnvironmentVersion) -> Attempt:
        run = self.scenario.step(self.scenario.pipeline("train"), "train")
        StepRun.objects.filter(run=run).update(environment_version_id=version.pk)
        return self.scenario.attempt(run, status="preparing")

    def tell(self, event: str, tag: str = TAG, **facts: Any) -> dict[str, Any]:
        report = {
            "image": tag, "event": event, "attempt": str(self.attempt.pk), "lock_digest": LOCK, "recipe": RECIPE,
            **facts,
        }  # fmt: skip
        return answer_to(self.scenario.host, {"reports": [report]})

    def begin(self, tag: str = TAG, **facts: Any) -> Image:
        self.tell("building", tag, at=iso(now()), **facts)
        return self.row(tag)

    def row(self, tag: str = TAG) -> Image:
        return Image.objects.get(tag=tag)


@pytest.fixture
def images(scenario: RunScenario) -> Images:
    return Images(scenario)


@pytest.fixture
def site(db: None) -> Site:
    return Site()


def test_what_a_host_tells_of_an_image_is_seen_from_its_begin_to_its_removal(images: Images) -> None:
    row = images.begin()
    assert (row.status, row.reason, row.attempt_id) == ("building", SENTENCES["image_first"], images.attempt.pk)
    images.tell("building", progress={"done": 3, "total": 7, "text": "Installing the packages"})
    (shown,) = images.scenario.get("images/").json()["items"]
    assert shown["progress"] == {"done": 3, "total": 7, "text": "Installing the packages", "unit": "steps"}
    assert (shown["host"], shown["base"], shown["run"]) == ("alpha", RECIPE["base"], str(images.attempt.run_id))
    assert images.tell("ready", size=700, image_id="sha256:c")["refused"] == []
    row = images.row()
    assert (row.status, row.size, row.image_id, row.progress) == ("ready", 700, "sha256:c", {})
    images.tell("removed")
    assert images.row().status == "removed"
    assert images.begin().reason == SENTENCES["image_removed"]


def test_an_image_that_was_fetched_from_a_registry_says_so(images: Images) -> None:
    images.tell("ready", size=7, fetched=True)
    assert (images.row().status, images.row().reason) == ("ready", SENTENCES["image_fetched"])
    images.tell("removed")
    images.begin()
    images.tell("ready", size=7, fetched=False)
    assert images.row().reason == SENTENCES["image_removed"]


def test_a_word_that_comes_twice_changes_nothing(images: Images) -> None:
    batch = [
        {"image": TAG, "event": event, "at": "2026-01-01T00:00:00Z", "lock_digest": LOCK, "recipe": RECIPE}
        for event in ("building", "ready")
    ]
    for _ in range(2):
        answer_to(images.scenario.host, {"reports": batch})
        row = images.row()
        assert (row.status, row.reason) == ("ready", SENTENCES["image_first"])
    images.tell("failed", message="too late")
    assert images.row().status == "ready"


def test_a_failed_build_says_why_and_the_next_one_that_it_was_not_finished(images: Images) -> None:
    images.begin()
    images.tell("failed", message="No such package: \0pandsa.")
    assert images.row().message == "No such package: �pandsa."
    assert images.begin().reason == SENTENCES["image_unfinished"]


@pytest.mark.parametrize(
    "report",
    [
        {"image": "library/python:3", "event": "ready"},
        {"image": 7, "event": "ready"},
        {"image": TAG, "event": "vanished"},
        {"image": TAG, "event": ["ready"]},
        {"image": TAG, "event": "failed"},
        {"image": TAG, "event": "removed", "attempt": {"a": 1}},
    ],
)
def test_a_report_that_is_not_understood_makes_no_row_and_costs_the_rest_nothing(
    images: Images, report: dict[str, Any]
) -> None:
    other = {"image": "duto/env:1", "event": "ready"}
    assert answer_to(images.scenario.host, {"reports": [report, other]})["refused"] == []
    assert [row.tag for row in Image.objects.all()] == ["duto/env:1"]


def test_odd_values_of_a_report_are_left_out(images: Images) -> None:
    odd = {
        "size": -3, "image_id": 9, "recipe": [1], "lock_digest": {}, "attempt": "x", "message": 1, "at": "yesterday",
        "progress": {"done": 9, "total": "7"},
    }  # fmt: skip
    for event in ("building", "ready", "failed", "building"):
        answer_to(images.scenario.host, {"reports": [{"image": TAG, "event": event, **odd}]})
    row = images.row()
    assert (row.size, row.image_id, row.recipe, row.lock_digest, row.attempt_id) == (0, "", {}, "", None)


def test_an_attempt_of_another_host_is_not_believed(images: Images) -> None:
    other = Host.objects.create(name="beta", key_digest="k", last_seen_at=now())
    answer_to(other, {"reports": [{"image": TAG, "event": "building", "attempt": str(images.attempt.pk)}]})
    assert images.row().attempt_id is None


def test_a_cancel_reaches_the_agent_until_it_has_answered(images: Images) -> None:
    row = images.begin()
    answer = images.scenario.post(f"images/{row.pk}/cancel/")
    assert (answer.status_code, answer.json()["cancel_requested_at"] is not None) == (202, True)
    asked = [{"image": TAG, "by": "ana"}]
    assert images.tell("building", progress={"done": 1, "total": 2})["cancel"] == asked
    assert images.scenario.post(f"images/{row.pk}/cancel/").status_code == 202, "asking twice changes nothing"
    assert answer_to(images.scenario.host, {})["cancel"] == asked
    assert images.tell("failed", message="The build of its image was canceled by ana.")["cancel"] == []
    assert images.row().message == "The build of its image was canceled by ana."
    refused = images.scenario.post(f"images/{row.pk}/cancel/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_building")
    assert images.begin().cancel_requested_at is None


def test_a_step_may_not_cancel_a_build_and_a_reader_may_not_either(images: Images) -> None:
    path = f"{images.scenario.base}images/{images.begin().pk}/cancel/"
    step = images.scenario.run_token(images.attempt.run)
    assert step.post(path).status_code == 403
    assert images.scenario.member("bert", Role.READER).post(path).status_code == 403
    assert images.scenario.member("cleo", Role.CONTRIBUTOR).post(path).status_code == 202


def test_an_agent_that_begins_anew_has_built_nothing_and_a_host_that_is_detached_neither(images: Images) -> None:
    images.begin()
    answer_to(images.scenario.host, {"host": {"started_at": iso(now())}})
    assert (images.row().status, images.row().message) == ("failed", "The agent of its host was started again.")
    images.begin()
    host_removal.give_up(images.scenario.host)
    assert (images.row().status, images.row().message) == ("failed", "Its host was detached.")


def test_images_of_other_workspaces_and_of_hosts_that_are_gone_are_not_shown(images: Images) -> None:
    row = images.begin()
    other = create_workspace(User.objects.create_user("bob"), "elsewhere")
    stranger = images.scenario.client_for(_token(other))
    assert stranger.get("/api/v1/workspaces/elsewhere/images/").json()["items"] == []
    assert stranger.get(f"/api/v1/workspaces/elsewhere/images/{row.pk}/").status_code == 404
    assert stranger.post(f"/api/v1/workspaces/elsewhere/images/{row.pk}/cancel/").status_code == 404
    Host.objects.update(revoked_at=now())
    assert images.scenario.get("images/").json()["items"] == []


def test_an_image_of_an_equal_lock_is_shown_to_whose_it_is_and_when_it_is_nobodys_with_its_base(images: Images) -> None:
    other = create_workspace(User.objects.create_user("bob"), "elsewhere")
    stranger, base = images.scenario.client_for(_token(other)), "/api/v1/workspaces/elsewhere/images/"
    theirs = register(other, {"name": "same", "python": {"packages": ["pandas"]}})
    EnvironmentVersion.objects.filter(pk=theirs.pk).update(build=images.version.build)
    own = images.begin()
    docker = {"dockerfile": "FROM secret.example/base"}
    special = register(
        images.scenario.context, {"name": "special", "python": {"packages": ["pandas"]}, "docker": docker}
    )
    EnvironmentVersion.objects.filter(pk=special.pk).update(build=images.version.build)
    images.attempt = images.step_of(special)
    hidden = images.begin("duto/env:" + "f" * 32, recipe={**RECIPE, "base": "sha256:" + "e" * 64})
    images.tell("building", hidden.tag, progress={"done": 1, "total": 2, "text": "RUN fetch secret"})
    images.tell("building", progress={"done": 1, "total": 2, "text": "RUN fetch secret"})
    assert stranger.get(base).json()["items"] == []
    for row in (own, hidden):
        for method, path in (("get", f"{base}{row.pk}/"), ("post", f"{base}{row.pk}/cancel/")):
            assert getattr(stranger, method)(path).status_code == 404
    assert len(images.scenario.get("images/").json()["items"]) == 2
    # The host cannot say by another digest whose image it is.
    images.tell("ready", hidden.tag, lock_digest="0" * 64, size=1)
    assert images.row(hidden.tag).lock_digest == LOCK
    # The runs go, the images stay.
    Image.objects.update(attempt_id=uuid7())
    (shown,) = stranger.get(base).json()["items"]
    assert (shown["id"], shown["progress"]["text"], shown["attempt"], shown["run"]) == (str(own.pk), "", None, None)


def test_a_build_for_which_another_workspace_waits_is_not_canceled_and_its_failure_not_told(images: Images) -> None:
    other = create_workspace(User.objects.create_user("bob"), "elsewhere")
    stranger, base = images.scenario.client_for(_token(other)), "/api/v1/workspaces/elsewhere/images/"
    theirs = register(other, {"name": "same", "python": {"packages": ["pandas"]}})
    EnvironmentVersion.objects.filter(pk=theirs.pk).update(build=images.version.build)
    row = images.begin()
    waiting = images.step_of(theirs)  # on the same host, and a step of theirs from now on
    Run.objects.filter(pk=waiting.run_id).update(workspace=other.workspace)
    refused = images.scenario.post(f"images/{row.pk}/cancel/")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "shared_build")
    assert images.row().cancel_requested_at is None
    Attempt.objects.filter(pk=waiting.pk).update(status="failed")
    assert images.scenario.post(f"images/{row.pk}/cancel/").status_code == 202
    images.tell("failed", message="canceled by ana, who builds secret.example")
    assert "ana" in images.scenario.get(f"images/{row.pk}/").json()["message"]
    Image.objects.update(attempt_id=uuid7())
    document = stranger.get(f"{base}{row.pk}/").json()
    assert (
        "ana" not in str(document)
        and "secret" not in str(document)
        and document["message"].startswith("It was built for another")
    )


def test_a_host_of_a_workspace_alone_shows_it_all_its_images(images: Images) -> None:
    answer_to(images.scenario.host, {"reports": [{"image": "duto/env:9", "event": "ready", "size": 1}]})
    assert images.scenario.get("images/").json()["items"] == []
    Host.objects.filter(pk=images.scenario.host.pk).update(workspace=images.scenario.workspace)
    assert [each["tag"] for each in images.scenario.get("images/").json()["items"]] == ["duto/env:9"]


def test_the_list_costs_the_same_however_many_there_are_and_is_asked_for_by_state(images: Images) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert images.scenario.get("images/").status_code == 200
        return len(seen)

    images.begin()
    asked()  # the token notes its first use
    first = asked()
    for number in range(5):
        images.attempt = images.step_of(images.version)
        images.begin(f"duto/env:{number}")
    images.tell("ready", size=1)
    assert asked() == first
    assert [each["tag"] for each in images.scenario.get("images/", status="ready").json()["items"]] == [TAG]
    assert images.scenario.get("images/", status="gone").status_code == 400
    assert len(images.scenario.get("images/", limit=4).json()["items"]) == 4


def test_the_last_use_is_what_the_host_tells_of_its_shelf(images: Images) -> None:
    images.begin()
    images.tell("ready", size=1)
    used = iso(now() - timedelta(days=3))
    facts = {"storage": {"images": [{"key": TAG, "bytes": 1, "used_at": used, "in_use": True}]}}
    Host.objects.update(facts=facts)
    (shown,) = images.scenario.get("images/").json()["items"]
    assert (shown["last_used_at"], shown["in_use"]) == (used, True)


def test_the_page_shows_the_bar_the_log_and_the_cancel_to_whoever_may(site: Site) -> None:
    images = Images(site)
    row = images.begin()
    images.tell("building", progress={"done": 3, "total": 4, "text": "Installing the packages"})
    path = f"runs/of/environments/{images.version.pk}/images/"
    text = site.see(path).content.decode()
    assert 'value="75"' in text and "3 of 4" in text and f'topic="log:{images.attempt.pk}"' in text
    assert "Cancel" in text and "Cancel" not in site.see(path, "reader").content.decode()
    assert site.send(f"runs/of/images/{row.pk}/cancel/", "reader").status_code == 403
    assert site.send(f"runs/of/images/{row.pk}/cancel/", "contributor").status_code == 302
    assert "cancel asked for by a-contributor" in site.see(path).content.decode()
    images.tell("failed", message="It was canceled.")
    assert "It was canceled." in site.see(path).content.decode()
    assert site.see(f"runs/of/environments/{uuid7()}/images/").status_code == 404
    assert site.see(path, "stranger").status_code == 404


def test_the_fetch_of_a_base_image_is_seen_in_bytes_and_canceled_by_the_same_button(site: Site) -> None:
    images = Images(site)
    name, tag = "registry.example/python@sha256:" + "e" * 64, "duto/pull:" + "f" * 32
    row = images.begin(tag, recipe={"image": name}, lock_digest="")
    images.tell("building", tag, recipe={"image": name}, lock_digest="",
                progress={"done": 3 << 29, "total": 6 << 30, "text": "4 layers", "unit": "bytes"})  # fmt: skip
    path = f"runs/of/environments/{images.version.pk}/images/"
    text = site.see(path).content.decode()
    assert f"Fetching {name} on alpha" in text and "1.5 GiB of 6 GiB" in text and 'value="25"' in text
    assert "Cancel this fetch?" in text and "fetching" in text
    shown = site.client.get(f"/api/v1/workspaces/{site.workspace.name}/images/{row.pk}/").json()
    assert (shown["fetches"], shown["progress"]["unit"], shown["progress"]["total"]) == (name, "bytes", 6 << 30)
    assert site.send(f"runs/of/images/{row.pk}/cancel/", "contributor").status_code == 302
    assert images.tell("building", tag, progress={"done": 1, "total": 2, "unit": "ells"})["cancel"] == [
        {"image": tag, "by": "a-contributor"}
    ]
    assert images.row(tag).progress["unit"] == "steps", "what is no unit of ours"
    images.tell("failed", tag, message="It was canceled.")
    other = images.environment("other", "1" * 64, "scipy")
    assert "canceled" not in site.see(f"runs/of/environments/{other.pk}/images/").content.decode()
    named = register(site.context, {"name": "named", "python": {"user_managed": True}, "docker": {"image": name}})
    assert base_tag(named.definition) == "duto/pull:" + hashlib.sha256(name.encode()).hexdigest()[:32]


def test_a_page_with_many_images_asks_as_often_as_one_with_one(site: Site) -> None:
    images = Images(site)
    images.begin()
    path = f"runs/of/environments/{images.version.pk}/images/"
    site.see(path)
    first = site.queries(path)
    for number in range(5):
        images.attempt = images.step_of(images.version)
        images.begin(f"duto/env:{number}")
    assert site.queries(path) == first


@pytest.mark.parametrize(("base_tag", "expected"), [("duto/base:of-another-workspace", False), ("", True)])
def test_a_reason_tells_of_no_base_but_the_workspaces_own(images: Images, base_tag: str, expected: bool) -> None:
    host = images.scenario.host
    recipe = {**RECIPE, "base": f"sha256:{'fe' * 32}"}
    Image.objects.create(
        host_id=host.pk, host_name=host.name, tag="duto/env:before", lock_digest=LOCK, base_tag=base_tag, recipe=recipe, status="ready"
    )  # fmt: skip
    assert ("fefe" in images.begin().reason) is expected


def test_a_new_lock_of_an_environment_is_the_reason_of_a_new_image(images: Images) -> None:
    images.begin()
    images.tell("ready", size=1)
    newer = hashlib.sha256(b"pandas==3").hexdigest()
    images.attempt = images.step_of(images.environment("slim", newer, "numpy"))
    recipe = {**RECIPE, "lock": newer}
    assert images.begin("duto/env:2", recipe=recipe, lock_digest=newer).reason == SENTENCES["image_lock"]


OTHER = {**RECIPE, "base": "sha256:" + "c" * 64}
CONDA = {**RECIPE, "micromamba": "sha256:" + "d" * 64}


@pytest.mark.parametrize(
    ("recipe", "before", "others", "earlier", "wanted"),
    [
        (RECIPE, None, [], set(), SENTENCES["image_first"]),
        (RECIPE, None, [{"lock": "x"}, {}], {"y"}, SENTENCES["image_first"]),
        (RECIPE, "removed", [OTHER], set(), SENTENCES["image_removed"]),
        (RECIPE, "ready", [], set(), SENTENCES["image_missing"]),
        (RECIPE, "failed", [], set(), SENTENCES["image_unfinished"]),
        (RECIPE, None, [OTHER], set(), "The base image has changed from cccccccccccc to bbbbbbbbbbbb."),
        (RECIPE, None, [{**RECIPE, "template": "u"}, OTHER], set(), SENTENCES["image_template"]),
        (
            CONDA,
            None,
            [{**CONDA, "micromamba": "sha256:" + "e" * 64}],
            set(),
            "The micromamba base has changed from eeeeeeeeeeee to dddddddddddd.",
        ),
        (RECIPE, None, [{"lock": "x"}], {"x"}, SENTENCES["image_lock"]),
        ({"dockerfile": "d"}, None, [{"dockerfile": "e"}], {"e"}, SENTENCES["image_dockerfile"]),
        ({"dockerfile": "d"}, None, [{}], {""}, SENTENCES["image_first"]),
    ],
)
def test_why_an_image_is_built_is_told_from_its_parts(
    recipe: dict[str, str], before: str | None, others: list[dict[str, str]], earlier: set[str], wanted: str
) -> None:
    assert text_of(why.reason(recipe, before, others, earlier)) == wanted


def _token(context: Any) -> str:
    from workspaces.services import tokens

    return tokens.create(context, "t", Role.OWNER).text
