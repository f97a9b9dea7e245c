"""Environments: references and definitions become versions; recipes share builds; agents build and report."""

from __future__ import annotations

import hashlib
import html
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from core.clock import now
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.ids import uuid7
from environments import lockfile
from environments import services as environments
from environments.models import EnvironmentBuild, EnvironmentVersion
from environments.services import curated, logs, versions
from environments.web import views
from tests.house import Door, House, code, content, stays_constant
from workspaces.models import Role, User
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def definition(*packages: str, name: str = "", **python: Any) -> dict[str, Any]:
    return {"name": name, "python": {"version": "3.11", "packages": list(packages), **python}}


def host() -> Any:
    return SimpleNamespace(pk=uuid7())


def test_a_definition_with_a_name_gets_the_next_version_when_it_changes(house: House) -> None:
    first = environments.resolve(house.workspace, definition("pandas", name="p"))
    again = environments.resolve(house.workspace, definition("pandas", name="p"))
    changed = environments.resolve(house.workspace, definition("pandas", "scipy", name="p"))
    back = environments.resolve(house.workspace, definition("pandas", name="p"))
    assert [first.version, again.version, changed.version, back.version] == [1, 1, 2, 1]
    assert again.pk == first.pk == back.pk


def test_equal_recipes_share_one_build_whatever_they_are_called(house: House) -> None:
    first = environments.resolve(house.workspace, definition("pandas", name="p"))
    other = create_workspace(house.owner, "other").workspace
    second = environments.resolve(other, definition("pandas", name="q"))
    third = environments.resolve(other, definition("pandas"))
    assert first.build_id == second.build_id == third.build_id is not None
    assert third.environment is None


def test_a_version_that_is_not_there_is_told_beside_many_environments(house: House) -> None:
    for name in [*(f"a{count}" for count in range(10)), "p"]:
        environments.resolve(house.workspace, definition("pandas", name=name))
    with pytest.raises(NotFound, match="'p' has no version 7"):
        versions.find(house.workspace, "p", 7)


def test_a_reference_finds_its_version_or_says_which_there_are(house: House) -> None:
    environments.resolve(house.workspace, definition("pandas", name="p"))
    newest = environments.resolve(house.workspace, definition("scipy", name="p"))
    assert environments.resolve(house.workspace, {"name": "p"}).pk == newest.pk
    assert environments.resolve(house.workspace, {"name": "p", "version": "1"}).version == 1
    with pytest.raises(NotFound, match="has no version 7"):
        versions.find(house.workspace, "p", 7)
    with pytest.raises(NotFound, match="AzureML-Tutorial, p"):
        environments.resolve(house.workspace, {"name": "nope"})


def test_what_is_not_used_is_kept_with_a_definition_and_makes_no_other_of_it(house: House) -> None:
    unused = ["'--pre' is not used: the studio has a package index of its own."]
    plain = environments.resolve(house.workspace, definition("pandas", name="p"))
    told = environments.resolve(house.workspace, definition("pandas", name="q", unused=unused))
    assert (plain.digest, plain.build_id) == (told.digest, told.build_id)
    bound = environments.resolve(house.workspace, definition("pandas", constraints=["numpy<2"]))
    assert bound.build is not None and bound.build_id != plain.build_id
    assert environments.build_work(bound.build)["spec"]["constraints"] == ["numpy<2"]
    browser = Client()
    browser.force_login(house.owner)
    page = browser.get(reverse("environments:environment", args=["lab", "q"]))
    assert unused[0] in html.unescape(content(page).decode())
    assert environments.warnings_of(told) == unused and environments.warnings_of(plain) == []


def test_user_managed_packages_need_no_build(house: House) -> None:
    version = environments.resolve(house.workspace, definition(user_managed=True))
    assert version.build is None


def test_the_curated_environment_is_built_from_its_locks(house: House) -> None:
    version = environments.resolve(house.workspace, {"name": "AzureML-Tutorial", "version": "1"})
    assert version.build is not None and "pandas==1.5.3" in version.build.recipe["locks"]["3.11"]
    own = environments.resolve(
        house.workspace, {"name": "own", "python": {"packages": ["matplotlib", "pandas", "scikit-learn"]}}
    )
    assert own.build_id != version.build_id
    work = environments.build_work(version.build, ["3.12.1"])
    assert set(work["spec"]["locks"]) == {"3.12"}


def test_a_copy_of_a_curated_environment_does_not_change_the_original(house: House) -> None:
    same = {"name": "AzureML-Tutorial", "python": {"packages": ["matplotlib", "pandas", "scikit-learn"]}}
    assert environments.resolve(house.workspace, same).label == "AzureML-Tutorial:1"
    changed = environments.resolve(house.workspace, definition("pandas", "xgboost", name="AzureML-Tutorial"))
    assert changed.environment is None
    with pytest.raises(Conflict):
        environments.register(house.context, definition("pandas", name="AzureML-Tutorial"))


def test_a_release_with_other_locks_adds_a_version(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    curated.furnish(house.workspace)
    names = EnvironmentVersion.objects.filter(environment__name="AzureML-Tutorial")
    assert names.count() == 1
    monkeypatch.setattr(curated, "locks", lambda: {"AzureML-Tutorial": {"3.11": "pandas==9\n"}})
    curated.furnish(house.workspace)
    assert sorted(names.values_list("version", flat=True)) == [1, 2]


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (definition("this is no package"), Unprocessable),
        (definition("own @ https://example.org/own.tar.gz\n-r /etc/passwd"), Unprocessable),
        (definition("pandas", version="snake"), Unprocessable),
        ({"name": "p"}, NotFound),
        ({"name": "p", "python": "3.11"}, Invalid),
        ({"name": "p", "python": {"packages": "pandas"}}, Invalid),
        ({"name": "a/b", "python": {"packages": []}}, Unprocessable),
        ({"name": "p", "python": {}, "variables": ["A"]}, Invalid),
    ],
)
def test_a_definition_that_cannot_be_is_a_clear_error(house: House, given: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        environments.resolve(house.workspace, given)


def test_an_agent_takes_a_build_once_and_its_report_counts_once(house: House) -> None:
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    one, two = host(), host()
    assert [each.pk for each in environments.take_builds(one, 5)] == [build.pk]
    assert environments.take_builds(two, 5) == []
    ready = {"build": str(build.pk), "event": "ready", "lock": "pandas==2\n", "lock_digest": "d", "python": "3.11.7"}
    assert environments.report_build(one, {**ready, "event": "started"}) is None
    ended = environments.report_build(one, ready)
    assert ended is not None and ended.status == "ready"
    assert environments.report_build(one, ready) is None
    assert environments.report_build(one, {**ready, "event": "failed"}) is None
    build.refresh_from_db()
    assert (build.lock, build.python, build.status) == ("pandas==2\n", "3.11.7", "ready")
    assert build.lock_digest == hashlib.sha256(b"pandas==2\n").hexdigest(), "the studio's own, whatever the host says"


def test_only_the_host_that_holds_a_build_is_heard(house: House) -> None:
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    holder, liar = host(), host()
    ready = {"build": str(build.pk), "event": "ready", "lock": "pandas==2\n", "python": "3.11.7"}
    for told in (ready, {**ready, "event": "failed"}, {**ready, "event": "started"}):
        assert environments.report_build(liar, told) is None, "nobody holds it yet"
    environments.take_builds(holder)
    for told in (ready, {**ready, "event": "failed"}):
        assert environments.report_build(liar, told) is None
    build.refresh_from_db()
    assert (build.status, build.lock, build.host_id) == ("building", "", holder.pk)
    assert environments.report_build(holder, ready) is not None


@pytest.mark.parametrize(
    ("packages", "lock"),
    [
        (["six==1.16.0"], "idna==3.7\n"),
        (["six==1.16.0"], "six==1.17.0\n"),
        (["six==1.16.0"], "six==1.16.0\nidna\n"),
        (["six"], "six @ https://elsewhere.example/six.whl\n"),
        (["six"], "--index-url https://elsewhere.example/\nsix==1.16.0\n"),
        (["six"], "six==1.16.0 --config-settings=a=b\n"),
        (["six"], "-r /etc/passwd\nsix==1.16.0\n"),
        (["six"], "@EXPLICIT\nhttps://elsewhere.example/six.conda\n@PIP\n"),
        (["own @ https://a.example/own.tar.gz"], "own @ https://b.example/own.tar.gz\n"),
        (["own @ git+https://a.example/own@v1"], f"own @ git+https://b.example/own@{COMMIT}\n"),
        (["own @ git+https://a.example/own@v1"], "own @ git+https://a.example/own@v2\n"),
        (["own @ git+https://a.example/own@v1"], f"own @ git+https://a.example/own@{COMMIT}#subdirectory=x\n"),
        (["six"], "six==1.16.0\ud800\n"),
        (["six"], ["six==1.16.0"]),
        (["six"], None),
    ],
)
def test_a_lock_that_cannot_be_what_was_asked_for_fails_the_build(house: House, packages: list[str], lock: Any) -> None:
    build = environments.resolve(house.workspace, definition(*packages)).build
    agent = host()
    assert build is not None and environments.take_builds(agent)
    told = {"build": str(build.pk), "event": "ready", "lock": lock, "python": "3.11.7"}
    ended = environments.report_build(agent, told)
    assert ended is not None and (ended.status, ended.lock, ended.lock_digest) == ("failed", "", "")
    assert "is not taken" in ended.message


@pytest.mark.parametrize(
    ("packages", "lock"),
    [
        ([], ""),
        (
            ["Six>=1.10", "zope.interface[test]~=6.0"],
            "# by uv\nsix==1.16.0\nzope-interface==6.4.post2 ; python_version > '3'\n",
        ),
        (["torch==2.3.1+cpu"], "torch==2.3.1+cpu\n"),
        (["six; python_version < '3'"], "\n"),
        (["six"], "six==1.16.0 --hash=sha256:" + "a" * 64 + "\n"),
        (["own @ https://a.example/own.tar.gz"], "own @ https://a.example/own.tar.gz\n"),
        (["pandas==3.0.0rc1"], "pandas==3.0.0rc1\n"),
        (["https://a.example/master.zip"], "own @ https://a.example/master.zip\n"),
        (["own @ git+https://a.example/own@v1"], f"own @ git+https://a.example/own@{COMMIT}\n"),
        (["git+https://git@a.example/own"], f"own @ git+https://git@a.example/own@{COMMIT}\n"),
    ],
)
def test_what_resolvers_write_is_taken(packages: list[str], lock: str) -> None:
    assert lockfile.checked(lock, "3.11.7", {"packages": packages}) == (lock, "3.11.7")


def test_a_curated_environment_is_made_of_the_studios_own_locks(house: House) -> None:
    recipe = {"packages": ["six"], "locks": {"3.11": "six==1.16.0\n"}}
    assert lockfile.checked("six==1.16.0\n", "3.11.7", recipe)[0] == "six==1.16.0\n"
    with pytest.raises(lockfile.BadLock, match="its own lock"):
        lockfile.checked("six==1.17.0\n", "3.11.7", recipe)
    assert lockfile.checked("six==1.17.0\n", "3.12.1", recipe)[1] == "3.12.1"
    for odd in ("3.11; import os", "", None, 3.11, "3"):
        with pytest.raises(lockfile.BadLock, match="no version of Python"):
            lockfile.checked("six==1.16.0\n", odd, recipe)


def test_a_host_of_a_workspace_builds_what_that_workspace_asked_for_alone(house: House) -> None:
    theirs = create_workspace(User.objects.create_user("zoe"), "elsewhere").workspace
    build = environments.resolve(theirs, definition("secret-tool")).build
    mine, shared = host(), host()
    mine.workspace_id = house.workspace.pk
    assert build is not None and environments.take_builds(mine, 5) == []
    # Once both have asked for it, any of their hosts may.
    same = environments.resolve(house.workspace, definition("secret-tool")).build
    assert same == build and [each.pk for each in environments.take_builds(mine, 5)] == [build.pk]
    other = environments.resolve(theirs, definition("numpy")).build
    assert other is not None and [each.pk for each in environments.take_builds(shared, 5)] == [other.pk]


def test_what_was_registered_last_is_the_newest_also_when_it_is_an_older_definition(house: House) -> None:
    made = [environments.register(house.context, definition(package, name="p")) for package in ("a", "b", "a", "a")]
    assert [each.version for each in made] == [1, 2, 3, 3]
    assert environments.find(house.workspace, "p").pk == made[2].pk
    assert house.api.get("environments/p/versions/latest/").json()["version"] == "3"
    # A submit that brings a definition registers nothing: it takes the version that there is.
    assert environments.resolve(house.workspace, definition("b", name="p")).version == 2


def test_a_failed_build_says_why_and_the_next_use_tries_again(house: House) -> None:
    version = environments.resolve(house.workspace, definition("no-such-package"))
    first, agent = version.build, host()
    assert first is not None
    environments.take_builds(agent)
    told = {"build": str(first.pk), "event": "failed", "message": "There is no package 'no-such-package'."}
    assert environments.report_build(host(), told) is None
    ended = environments.report_build(agent, told)
    assert ended is not None and "no-such-package" in ended.message
    again = environments.resolve(house.workspace, definition("no-such-package")).build
    assert again is not None and again.pk != first.pk and again.status == "queued"


def test_a_build_whose_agent_fell_silent_is_queued_again(house: House) -> None:
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    environments.take_builds(host())
    assert environments.expire_builds() == 0
    EnvironmentBuild.objects.filter(pk=build.pk).update(lease_until=now() - timedelta(seconds=1))
    assert environments.expire_builds() == 1
    assert [each.pk for each in environments.take_builds(host())] == [build.pk]


def test_an_agent_that_was_started_anew_gets_its_builds_again_once(house: House) -> None:
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    agent = host()
    agent.agent_started_at = now() - timedelta(minutes=1)
    assert len(environments.take_builds(agent)) == 1
    assert environments.take_builds(agent) == []
    agent.agent_started_at = now() + timedelta(seconds=30)
    assert [each.pk for each in environments.take_builds(agent)] == [build.pk]
    assert environments.take_builds(agent) == []


def test_the_log_is_appended_by_offset_and_read_in_windows(house: House) -> None:
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    assert environments.append_build_log(build, 0, b"one\n") == 4
    with pytest.raises(Conflict) as refused:
        environments.append_build_log(build, 0, b"one\n")
    assert refused.value.code == "offset" and refused.value.facts["size"] == 4
    environments.append_build_log(build, 4, b"two\n")
    answer = house.api.get(f"environment-builds/{build.pk}/log/?offset=-4")
    assert (content(answer), answer["X-Log-Offset"], answer["X-Log-Size"]) == (b"two\n", "4", "8")
    assert answer["X-Log-Final"] == "0"
    assert logs.catch_up(str(build.pk), {"offset": 4}) == [{"offset": 4, "text": "dHdvCg==", "errors": 0}]


def test_the_log_of_a_build_is_searched_and_tells_its_errors(house: House) -> None:
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    address = f"environment-builds/{build.pk}/log/"
    assert house.api.get(f"{address}search/?q=x").json() == {"matches": [], "next": None}
    environments.append_build_log(build, 0, b"Resolving\nERR")
    environments.append_build_log(build, 13, b"OR: no such package\n")
    assert house.api.get(address)["X-Log-Errors"] == "1"
    found = {"matches": [{"line": 2, "offset": 10, "text": "ERROR: no such package"}], "next": None}
    assert house.api.get(f"{address}search/?q=NO+SUCH").json() == found
    assert house.api.get(f"{address}search/").json() == found
    assert house.api.get(f"{address}search/?q=").status_code == 400


def test_rest_registers_lists_and_builds(house: House) -> None:
    made = house.api.post("environments/", definition("sklearn", name="My env"))
    assert made.status_code == 201
    assert made.json()["definition"]["python"]["packages"] == ["scikit-learn"]
    listed = {each["name"]: each for each in house.api.get("environments/").json()["items"]}
    assert listed["My env"]["latest"]["version"] == "1" and listed["AzureML-Tutorial"]["is_curated"]
    built = house.api.post("environments/My env/versions/latest/build/")
    assert built.status_code == 202 and built.json()["build"]["status"] == "queued"
    assert house.api.get(f"environment-builds/{built.json()['build']['id']}/").json()["status"] == "queued"
    assert code(house.api.get("environments/My env/versions/9/")) == (404, "unknown_environment")
    assert code(house.api.get("environments/nope/")) == (404, "unknown_environment")
    bad = house.api.post("environments/", definition("not a package!", name="x"))
    assert code(bad)[0] == 422


def test_a_reader_builds_nothing_and_a_foreign_build_is_not_there(house: House) -> None:
    reader = house.door(Role.READER)
    assert code(reader.post("environments/AzureML-Tutorial/versions/1/build/")) == (403, "forbidden")
    build = environments.resolve(house.workspace, definition("pandas")).build
    assert build is not None
    create_workspace(house.owner, "other")
    other = Door(workspace="other")
    other.client.force_login(house.owner)
    assert code(other.get(f"environment-builds/{build.pk}/")) == (404, "not_found")


def test_the_list_of_environments_costs_the_same_however_long(house: House) -> None:
    stays_constant(
        house.api, "environments/", lambda n: environments.register(house.context, definition(f"pkg{n}", name=f"e{n}"))
    )


def test_a_lock_is_shown_as_names_and_versions_whichever_installer_takes_it() -> None:
    lock = (
        "@EXPLICIT\nhttps://a.example/t/linux-64/ca-certificates-2024.2.2-hbcca054_0.conda#1c\n"
        "https://a.example/t/noarch/tzdata-2024a-0.tar.bz2#2d\n@PIP\nlightgbm==4.5.0\n"
    )
    shown = ["ca-certificates==2024.2.2 (hbcca054_0)", "tzdata==2024a (0)", "lightgbm==4.5.0"]
    assert views.locked(lock) == shown
    assert views.locked("# a\n--hash\nnumpy==1.2 ; x\n") == ["numpy==1.2"]


def test_what_conda_and_pip_are_asked_for_is_one_list(house: House) -> None:
    section = {"channels": ["bioconda"], "packages": ["samtools"]}
    version = environments.resolve(house.workspace, definition("pandas", conda=section))
    assert (views.packages_of(version), views.channels_of(version)) == (["samtools", "pandas"], ["bioconda"])
    same = environments.resolve(house.workspace, definition("pandas", conda={**section, "packages": ["samtools "]}))
    assert same.pk == version.pk
    plain = environments.resolve(house.workspace, definition("pandas"))
    assert plain.recipe_digest != version.recipe_digest and views.channels_of(plain) == []
