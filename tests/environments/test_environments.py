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
from django.utils import translation

from core import loglines
from core.clock import now
from core.errors import Conflict, Invalid, NotFound, Unprocessable
from core.ids import uuid7
from duto.spec.environment import definition as definition_of
from duto.spec.environment import recipe, recipe_of
from environments import lockfile
from environments.models import EnvironmentBuild
from environments.services import builds as environment_builds
from environments.services import logs, versions
from environments.services import logs as build_logs
from environments.services import versions as environment_versions
from environments.web import views
from tests.runs.protocol_messages import build_report_of, spec_of
from tests.workspace_scenario import RestClient, WorkspaceScenario, code, content, stays_constant
from workspaces.models import Role, User
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
UNUSED = "'--pre' is not used: the studio has a package index of its own."
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def definition(*packages: str, name: str = "", **python: Any) -> dict[str, Any]:
    return {"name": name, "python": {"version": "3.11", "packages": list(packages), **python}}


def host() -> Any:
    return SimpleNamespace(pk=uuid7())


def test_a_definition_with_a_name_gets_the_next_version_when_it_changes(scenario: WorkspaceScenario) -> None:
    first = environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    again = environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    changed = environment_versions.resolve(scenario.workspace, definition("pandas", "scipy", name="p"))
    back = environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    assert [first.version, again.version, changed.version, back.version] == [1, 1, 2, 1]
    assert again.pk == first.pk == back.pk


def test_equal_recipes_share_one_build_whatever_they_are_called(scenario: WorkspaceScenario) -> None:
    first = environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    other = create_workspace(scenario.owner, "other").workspace
    second = environment_versions.resolve(other, definition("pandas", name="q"))
    third = environment_versions.resolve(other, definition("pandas"))
    assert first.build_id == second.build_id == third.build_id is not None
    assert third.environment is None


def test_a_version_that_is_not_there_is_told_beside_many_environments(scenario: WorkspaceScenario) -> None:
    for name in [*(f"a{count}" for count in range(10)), "p"]:
        environment_versions.resolve(scenario.workspace, definition("pandas", name=name))
    with pytest.raises(NotFound, match="'p' has no version 7"):
        versions.find(scenario.workspace, "p", 7)


def test_a_reference_finds_its_version_or_says_which_there_are(scenario: WorkspaceScenario) -> None:
    environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    newest = environment_versions.resolve(scenario.workspace, definition("scipy", name="p"))
    assert environment_versions.resolve(scenario.workspace, {"name": "p"}).pk == newest.pk
    assert environment_versions.resolve(scenario.workspace, {"name": "p", "version": "1"}).version == 1
    with pytest.raises(NotFound, match="has no version 7"):
        versions.find(scenario.workspace, "p", 7)
    with pytest.raises(NotFound, match=r"There are: .*AzureML-Tutorial.*, p"):
        environment_versions.resolve(scenario.workspace, {"name": "nope"})


def test_what_is_not_used_is_kept_with_a_definition_and_makes_no_other_of_it(scenario: WorkspaceScenario) -> None:
    unused = ["'--pre' is not used: the studio has a package index of its own."]
    plain = environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    found = environment_versions.resolve(scenario.workspace, definition("pandas", name="q", unused=unused))
    assert (plain.digest, plain.build_id) == (found.digest, found.build_id)
    bound = environment_versions.resolve(scenario.workspace, definition("pandas", constraints=["numpy<2"]))
    assert bound.build is not None and bound.build_id != plain.build_id
    assert spec_of(environment_builds.build_work(bound.build)).constraints == ["numpy<2"]
    browser = Client()
    browser.force_login(scenario.owner)
    page = browser.get(reverse("environments:environment", args=["lab", "q"]))
    assert unused[0] in html.unescape(content(page).decode())
    assert environment_versions.warnings_of(found) == unused and environment_versions.warnings_of(plain) == []


def test_what_is_not_used_is_told_in_the_language_of_the_reader(scenario: WorkspaceScenario) -> None:
    found = definition_of("q", recipe(pip=["pandas", "--pre"], python="3.11"))
    assert found["python"]["said"] == {UNUSED: {"code": "option_unused", "facts": {"option": "--pre"}}}
    odd = {UNUSED: {"code": "option_unused", "facts": {"option": "--pre", "more": "x" * 999}}, "more": "x"}
    version = environment_versions.resolve(scenario.workspace, {**found, "python": {**found["python"], "said": odd}})
    assert version.definition["python"] == found["python"]
    plain = environment_versions.resolve(scenario.workspace, definition("pandas", name="p"))
    assert (plain.digest, plain.build_id) == (version.digest, version.build_id)
    browser = Client(headers={"accept-language": "pt-PT"})
    browser.force_login(scenario.owner)
    page = html.unescape(content(browser.get(reverse("environments:environment", args=["lab", "q"]))).decode())
    assert "'--pre' não é usado" in page and UNUSED not in page
    assert [getattr(each, "code", "") for each in recipe_of(version.definition).unused] == ["option_unused"]


@pytest.mark.parametrize("said", [None, [], {UNUSED: {"code": "section_unused", "facts": {"name": "--pre"}}}])
def test_what_an_older_sdk_says_of_packages_is_told_as_it_was_said(scenario: WorkspaceScenario, said: object) -> None:
    version = environment_versions.resolve(
        scenario.workspace, {"name": "q", "python": {"packages": ["pandas"], "unused": [UNUSED], "said": said}}
    )
    assert "said" not in version.definition["python"]
    with translation.override("pt-pt"):
        assert version.localized_unused == [UNUSED]


def test_user_managed_packages_need_no_build(scenario: WorkspaceScenario) -> None:
    version = environment_versions.resolve(scenario.workspace, definition(user_managed=True))
    assert version.build is None


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
def test_a_definition_that_cannot_be_is_a_clear_error(
    scenario: WorkspaceScenario, given: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        environment_versions.resolve(scenario.workspace, given)


def test_an_agent_takes_a_build_once_and_its_report_counts_once(scenario: WorkspaceScenario) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    one, two = host(), host()
    assert [each.pk for each in environment_builds.take_builds(one, 5)] == [build.pk]
    assert environment_builds.take_builds(two, 5) == []
    ready = {"build": str(build.pk), "event": "ready", "lock": "pandas==2\n", "lock_digest": "d", "python": "3.11.7"}
    assert environment_builds.report_build(one, build_report_of({**ready, "event": "started"})) is None
    ended = environment_builds.report_build(one, build_report_of(ready))
    assert ended is not None and ended.status == "ready"
    assert environment_builds.report_build(one, build_report_of(ready)) is None
    assert environment_builds.report_build(one, build_report_of({**ready, "event": "failed"})) is None
    build.refresh_from_db()
    assert (build.lock, build.python, build.status) == ("pandas==2\n", "3.11.7", "ready")
    assert build.lock_digest == hashlib.sha256(b"pandas==2\n").hexdigest(), "the studio's own, whatever the host says"


def test_only_the_host_that_holds_a_build_is_heard(scenario: WorkspaceScenario) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    holder, liar = host(), host()
    ready = {"build": str(build.pk), "event": "ready", "lock": "pandas==2\n", "python": "3.11.7"}
    for each in (ready, {**ready, "event": "failed"}, {**ready, "event": "started"}):
        assert environment_builds.report_build(liar, build_report_of(each)) is None, "nobody holds it yet"
    environment_builds.take_builds(holder)
    for each in (ready, {**ready, "event": "failed"}):
        assert environment_builds.report_build(liar, build_report_of(each)) is None
    build.refresh_from_db()
    assert (build.status, build.lock, build.host_id) == ("building", "", holder.pk)
    assert environment_builds.report_build(holder, build_report_of(ready)) is not None


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
def test_a_lock_that_cannot_be_what_was_asked_for_fails_the_build(
    scenario: WorkspaceScenario, packages: list[str], lock: Any
) -> None:
    build = environment_versions.resolve(scenario.workspace, definition(*packages)).build
    agent = host()
    assert build is not None and environment_builds.take_builds(agent)
    facts = {"build": str(build.pk), "event": "ready", "lock": lock, "python": "3.11.7"}
    ended = environment_builds.report_build(agent, build_report_of(facts))
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


def test_a_curated_environment_is_made_of_the_studios_own_locks(scenario: WorkspaceScenario) -> None:
    recipe = {"packages": ["six"], "locks": {"3.11": "six==1.16.0\n"}}
    assert lockfile.checked("six==1.16.0\n", "3.11.7", recipe)[0] == "six==1.16.0\n"
    with pytest.raises(lockfile.BadLock, match="its own lock"):
        lockfile.checked("six==1.17.0\n", "3.11.7", recipe)
    assert lockfile.checked("six==1.17.0\n", "3.12.1", recipe)[1] == "3.12.1"
    for odd in ("3.11; import os", "", None, 3.11, "3"):
        with pytest.raises(lockfile.BadLock, match="no version of Python"):
            lockfile.checked("six==1.16.0\n", odd, recipe)


def test_a_host_of_a_workspace_builds_what_that_workspace_asked_for_alone(scenario: WorkspaceScenario) -> None:
    theirs = create_workspace(User.objects.create_user("zoe"), "elsewhere").workspace
    build = environment_versions.resolve(theirs, definition("secret-tool")).build
    mine, shared = host(), host()
    mine.workspace_id = scenario.workspace.pk
    assert build is not None and environment_builds.take_builds(mine, 5) == []
    # Once both have asked for it, any of their hosts may.
    same = environment_versions.resolve(scenario.workspace, definition("secret-tool")).build
    assert same == build and [each.pk for each in environment_builds.take_builds(mine, 5)] == [build.pk]
    other = environment_versions.resolve(theirs, definition("numpy")).build
    assert other is not None and [each.pk for each in environment_builds.take_builds(shared, 5)] == [other.pk]


def test_what_was_registered_last_is_the_newest_also_when_it_is_an_older_definition(
    scenario: WorkspaceScenario,
) -> None:
    made = [
        environment_versions.register(scenario.context, definition(package, name="p"))
        for package in ("a", "b", "a", "a")
    ]
    assert [each.version for each in made] == [1, 2, 3, 3]
    assert environment_versions.find(scenario.workspace, "p").pk == made[2].pk
    assert scenario.api.get("environments/p/versions/latest/").json()["version"] == "3"
    # A submit that brings a definition registers nothing: it takes the version that there is.
    assert environment_versions.resolve(scenario.workspace, definition("b", name="p")).version == 2


def test_a_failed_build_says_why_and_the_next_use_tries_again(scenario: WorkspaceScenario) -> None:
    version = environment_versions.resolve(scenario.workspace, definition("no-such-package"))
    first, agent = version.build, host()
    assert first is not None
    environment_builds.take_builds(agent)
    facts = {"build": str(first.pk), "event": "failed", "message": "There is no package 'no-such-package'."}
    assert environment_builds.report_build(host(), build_report_of(facts)) is None
    ended = environment_builds.report_build(agent, build_report_of(facts))
    assert ended is not None and "no-such-package" in ended.message
    again = environment_versions.resolve(scenario.workspace, definition("no-such-package")).build
    assert again is not None and again.pk != first.pk and again.status == "queued"


def test_a_build_whose_agent_fell_silent_is_queued_again(scenario: WorkspaceScenario) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    environment_builds.take_builds(host())
    assert environment_builds.expire_builds() == 0
    EnvironmentBuild.objects.filter(pk=build.pk).update(lease_until=now() - timedelta(seconds=1))
    assert environment_builds.expire_builds() == 1
    assert [each.pk for each in environment_builds.take_builds(host())] == [build.pk]


def test_an_agent_that_was_started_anew_gets_its_builds_again_once(scenario: WorkspaceScenario) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    agent = host()
    agent.agent_started_at = now() - timedelta(minutes=1)
    assert len(environment_builds.take_builds(agent)) == 1
    assert environment_builds.take_builds(agent) == []
    agent.agent_started_at = now() + timedelta(seconds=30)
    assert [each.pk for each in environment_builds.take_builds(agent)] == [build.pk]
    assert environment_builds.take_builds(agent) == []


def test_the_log_is_appended_by_offset_and_read_in_windows(scenario: WorkspaceScenario) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    assert build_logs.append_build_log(build, 0, b"one\n") == 4
    with pytest.raises(Conflict) as refused:
        build_logs.append_build_log(build, 0, b"one\n")
    assert refused.value.code == "offset" and refused.value.facts["size"] == 4
    build_logs.append_build_log(build, 4, b"two\n")
    answer = scenario.api.get(f"environment-builds/{build.pk}/log/?offset=-4")
    assert (content(answer), answer["X-Log-Offset"], answer["X-Log-Size"]) == (b"two\n", "4", "8")
    assert answer["X-Log-Final"] == "0"
    assert logs.catch_up(str(build.pk), {"offset": 4}) == [{"offset": 4, "text": "dHdvCg==", "errors": 0}]


def test_a_long_log_of_a_build_is_downloaded_whole_and_read_in_windows_as_large_as_those_of_a_run(
    scenario: WorkspaceScenario,
) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    whole = b"".join(b"line %07d\n" % number for number in range(400_000))
    for offset in range(0, len(whole), 1 << 20):
        build_logs.append_build_log(build, offset, whole[offset : offset + (1 << 20)])
    person = Client()
    person.force_login(scenario.owner, backend="django.contrib.auth.backends.ModelBackend")
    page = person.get(f"/w/{scenario.workspace.name}/environments/builds/{build.pk}/log/")
    assert content(page) == whole and page["Content-Disposition"].startswith("attachment")
    address = f"environment-builds/{build.pk}/log/"
    assert content(scenario.api.get(f"{address}?download=1")) == whole
    assert content(scenario.api.get(f"{address}?offset=12&limit={loglines.WINDOW_MAX}")) == whole[12 : 12 + (4 << 20)]
    assert len(content(scenario.api.get(address))) == loglines.WINDOW
    assert scenario.api.get(f"{address}?limit={loglines.WINDOW_MAX + 1}").status_code == 400


def test_the_log_of_a_build_is_searched_and_tells_its_errors(scenario: WorkspaceScenario) -> None:
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    address = f"environment-builds/{build.pk}/log/"
    assert scenario.api.get(f"{address}search/?q=x").json() == {"matches": [], "next": None}
    build_logs.append_build_log(build, 0, b"Resolving\nERR")
    build_logs.append_build_log(build, 13, b"OR: no such package\n")
    assert scenario.api.get(address)["X-Log-Errors"] == "1"
    found = {"matches": [{"line": 2, "offset": 10, "text": "ERROR: no such package"}], "next": None}
    assert scenario.api.get(f"{address}search/?q=NO+SUCH").json() == found
    assert scenario.api.get(f"{address}search/").json() == found
    assert scenario.api.get(f"{address}search/?q=").status_code == 400


def test_rest_registers_lists_and_builds(scenario: WorkspaceScenario) -> None:
    made = scenario.api.post("environments/", definition("sklearn", name="My env"))
    assert made.status_code == 201
    assert made.json()["definition"]["python"]["packages"] == ["scikit-learn"]
    listed = {each["name"]: each for each in scenario.api.get("environments/").json()["items"]}
    assert listed["My env"]["latest"]["version"] == "1" and listed["AzureML-Tutorial"]["is_curated"]
    built = scenario.api.post("environments/My env/versions/latest/build/")
    assert built.status_code == 202 and built.json()["build"]["status"] == "queued"
    assert scenario.api.get(f"environment-builds/{built.json()['build']['id']}/").json()["status"] == "queued"
    assert code(scenario.api.get("environments/My env/versions/9/")) == (404, "unknown_environment")
    assert code(scenario.api.get("environments/nope/")) == (404, "unknown_environment")
    bad = scenario.api.post("environments/", definition("not a package!", name="x"))
    assert code(bad)[0] == 422


def test_a_reader_builds_nothing_and_a_foreign_build_is_not_there(scenario: WorkspaceScenario) -> None:
    reader = scenario.client_for(Role.READER)
    assert code(reader.post("environments/AzureML-Tutorial/versions/1/build/")) == (403, "forbidden")
    build = environment_versions.resolve(scenario.workspace, definition("pandas")).build
    assert build is not None
    create_workspace(scenario.owner, "other")
    other = RestClient(workspace="other")
    other.client.force_login(scenario.owner)
    assert code(other.get(f"environment-builds/{build.pk}/")) == (404, "not_found")


def test_the_list_of_environments_costs_the_same_however_long(scenario: WorkspaceScenario) -> None:
    stays_constant(
        scenario.api,
        "environments/",
        lambda n: environment_versions.register(scenario.context, definition(f"pkg{n}", name=f"e{n}")),
    )


def test_a_lock_is_shown_as_names_and_versions_whichever_installer_takes_it() -> None:
    lock = (
        "@EXPLICIT\nhttps://a.example/t/linux-64/ca-certificates-2024.2.2-hbcca054_0.conda#1c\n"
        "https://a.example/t/noarch/tzdata-2024a-0.tar.bz2#2d\n@PIP\nlightgbm==4.5.0\n"
    )
    shown = ["ca-certificates==2024.2.2 (hbcca054_0)", "tzdata==2024a (0)", "lightgbm==4.5.0"]
    assert lockfile.pinned(lock) == shown
    assert lockfile.pinned("# a\n--hash\nnumpy==1.2 ; x\n") == ["numpy==1.2"]


def test_what_conda_and_pip_are_asked_for_is_one_list(scenario: WorkspaceScenario) -> None:
    section = {"channels": ["bioconda"], "packages": ["samtools"]}
    version = environment_versions.resolve(scenario.workspace, definition("pandas", conda=section))
    assert (views.packages_of(version), views.channels_of(version)) == (["samtools", "pandas"], ["bioconda"])
    same = environment_versions.resolve(
        scenario.workspace, definition("pandas", conda={**section, "packages": ["samtools "]})
    )
    assert same.pk == version.pk
    plain = environment_versions.resolve(scenario.workspace, definition("pandas"))
    assert plain.recipe_digest != version.recipe_digest and views.channels_of(plain) == []
