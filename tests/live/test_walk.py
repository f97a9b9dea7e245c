"""Every address, by every method and every kind of caller that may meet it: default deny, and never a 500. On PostgreSQL, by
Django's client."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from compute.models import Host, Node
from compute.services import enrolments
from core.clock import now
from datasets.models import ProfileRun
from datasets.services import staging
from duto.spec import canonical
from environments.models import EnvironmentBuild, EnvironmentVersion, Image
from notifications.models import Channel, Delivery, Mute, Rule
from pipelines.models import Module, ModuleVersion, PipelineEndpoint
from pipelines.services import endpoint_access
from registry.models import ModelVersion
from runs.models import Attempt, Run
from tests.runs.conftest import KEY
from tests.web.conftest import full_site
from workspaces.access import WorkspaceContext
from workspaces.models import ApiToken, Member, Role, User
from workspaces.scopes import Act, Scope, allows
from workspaces.services import keyvault, tokens
from workspaces.services.distributions import wheels
from workspaces.services.workspaces import create_workspace

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
RANKED = (Role.READER, Role.CONTRIBUTOR, Role.OWNER)
# What a view declares is tried by whoever may meet it. What it does not take is refused before anyone is asked who they are or
# may be: it is tried by one at each door in turn, without a key, by a session, by a token, by a run. Pages look at no key.
DOORS = ("nobody", "owner", "owner's token", "run")
KEYED = ("owner's token", "run")
# Addresses that belong to no workspace, and so declare no role: what nobody and what somebody gets.
OUTSIDE: dict[str, tuple[set[int], set[int]]] = {
    "healthz": ({200}, {200}),
    "root": ({302}, {200, 302}),
    "first-start": ({404, 410}, {404, 410}),
    "theme": ({204, 405}, {204, 405}),
    "language": ({204, 302}, {204, 302}),
    "account_login": ({200}, {302}),
    "account_logout": ({302}, {200, 302}),
    "account_inactive": ({200}, {200}),
    "account_signup": ({200, 302, 403, 404}, {302, 403, 404}),
    "account_reauthenticate": ({302}, {200, 302, 403}),
    "account_email": ({404}, {404}),
    "account_email_verification_sent": ({404}, {404}),
    "account_change_password": ({302}, {200, 302}),
    "account_set_password": ({302}, {200, 302}),
    "account_reset_password": ({200, 302}, {200, 302}),
    "account_confirm_login_code": ({404}, {404}),
    "account_confirm_email": ({200, 302, 404}, {200, 302, 404}),
    "account_reset_password_from_key": ({200, 302, 404}, {200, 302, 404}),
    "account_reset_password_from_key_done": ({200}, {200}),
    "account_reset_password_done": ({200}, {200}),
    "workspaces": ({302}, {200}),
    "new-workspace": ({302}, {200}),
    # For those alone who look after the installation; the walk has none of them.
    "studio": ({302}, {404}),
    "studio-workspaces": ({302}, {404}),
    "studio-people": ({302}, {404}),
    "studio-activate": ({302, 404}, {404}),
    "studio-banner": ({302}, {404}),
    # A link of a form, which the walk has none of.
    "endpoint-form": ({404}, {404}),
    "endpoint-form-run": ({404}, {404}),
    # A link of a mail, which the walk has none of.
    "mail-link": ({404}, {404}),
    "api-studio-health": ({401}, {404}),
    "api-studio-workspaces": ({401}, {404}),
    "api-studio-people": ({401}, {404}),
    "api-studio-person": ({401}, {404}),
    "api-studio-banner": ({401}, {404}),
    "api-schema": ({200, 401}, {200}),
    "api-docs": ({200, 401}, {200}),
    "api-root": ({200}, {200}),
    # What every checkout holds, and how to install it: a new host has no key yet.
    "host-installer": ({200}, {200}),
    "host-package": ({200}, {200}),
    # The SDK for pip, which asks as nobody.
    "package-index": ({200}, {200}),
    "package-project": ({200}, {200}),
    "package-file": ({200}, {200}),
    # Its token comes in the body, and the walk has none.
    "host-enrol": ({400, 401}, {400, 401}),
    "api-me": ({401}, {200}),
    "api-workspaces": ({401}, {200, 201, 400, 403}),
}
AGENTS = re.compile("^agent-")
# Keys of those who are no members any more, or never were; what they ask for does not exist for them.
LEFT = ("removed member's token", "removed member's run", "nobody's run")
# Keys that REST knows nothing of, or no more: told so, whatever they ask.
REFUSED = ("revoked token", "expired token", "host key", "enrolment token")
# Forms that readers may look at and contributors send.
SENT_BY: dict[str, Role] = {
    "w/<slug:workspace>/pipelines/<uuid:pipeline_id>/": Role.CONTRIBUTOR,
    "w/<slug:workspace>/endpoints/<uuid:endpoint_id>/": Role.CONTRIBUTOR,
    "w/<slug:workspace>/drafts/<uuid:draft_id>/": Role.CONTRIBUTOR,
}
# Everybody has some of their own at these, and the walk those of the workspace, which need more.
SHARED: dict[str, tuple[Role, tuple[str, ...]]] = {
    "api/v1/workspaces/<slug:workspace>/notifications/rules/<uuid:id>/": (Role.CONTRIBUTOR, ("patch", "delete")),
    "api/v1/workspaces/<slug:workspace>/notifications/deliveries/<uuid:id>/again/": (Role.OWNER, ("post",)),
    "w/<slug:workspace>/settings/notifications/rules/new/": (Role.CONTRIBUTOR, METHODS),
    "w/<slug:workspace>/settings/notifications/rules/<uuid:rule_id>/": (Role.CONTRIBUTOR, METHODS),
    "w/<slug:workspace>/settings/notifications/rules/<uuid:rule_id>/mute/": (Role.CONTRIBUTOR, METHODS),
    "w/<slug:workspace>/settings/notifications/rules/<uuid:rule_id>/delete/": (Role.CONTRIBUTOR, METHODS),
    "w/<slug:workspace>/settings/notifications/deliveries/<uuid:delivery_id>/again/": (Role.OWNER, METHODS),
}
# What stands behind these is made of a path that the walk does not have.
MAY_MISS = re.compile(
    r"compare-code|/content/|/preview/|lock\.txt|/log/|/framed/|register|<str:digest>|PipelineSubmit|PipelineEndpointSubmit|/file/"
    r"|versions/<str:version>/files|artifacts/<\w+:path|files/<\w+:path|tokens/<uuid|/reuse/|/trials/|profile-runs/<uuid:id>/differences"
)
# These are about a step, the others about the whole run.
OF_A_STEP = re.compile("/outputs/|/artifacts/|/framed/|snapshot[.]zip|/reuse/|/log/|/usage/|/launch/")


@dataclass(frozen=True)
class Address:
    """One pattern of the resolver."""

    route: str
    name: str
    view: Any

    @property
    def is_api(self) -> bool:
        return self.route.startswith("api/")

    def needs(self, method: str) -> Role | None:
        """The role that the view declares for a method, or the walk's example needs; None when it declares nothing."""
        role, methods = SHARED.get(self.route, (None, ()))
        declared = self._declared(method)
        return role if declared and method in methods else declared

    def _declared(self, method: str) -> Role | None:
        page = getattr(self.view, "needs", None)
        if isinstance(page, Role):
            if method.upper() not in self.view.methods:
                return None
            return SENT_BY.get(self.route, page) if method == "post" else page
        view = getattr(self.view, "view_class", None) or getattr(self.view, "cls", None)
        declared = getattr(view, "needs", None) or {}
        return declared.get("get" if method == "head" else method) if isinstance(declared, dict) else None

    @property
    def is_declared(self) -> bool:
        return any(self.needs(method) for method in METHODS)

    def methods(self, caller: str) -> tuple[str, ...]:
        """Those that a caller tries here."""
        if not self.is_declared:
            return METHODS
        doors = DOORS if self.is_api else [each for each in DOORS if each not in KEYED]
        others = [method for method in METHODS if method not in self.declared]
        first = len(self.route)
        return (
            *self.declared,
            *(each for place, each in enumerate(others, first) if doors[place % len(doors)] == caller),
        )

    def is_met_by(self, caller: str) -> bool:
        """REST by the keys of members, pages by their sessions; owners try the other way, too."""
        return self.is_api == caller.endswith(("token", "run")) or "owner" in caller or not self.is_declared

    @property
    def declared(self) -> tuple[str, ...]:
        """Those that the view takes; HEAD is answered by what answers GET."""
        return tuple(method for method in METHODS if method != "head" and self.needs(method))

    def act(self, method: str) -> Act:
        """What a method is for a run's token."""
        view = getattr(self.view, "view_class", None) or getattr(self.view, "cls", None)
        acts: dict[str, Act] = getattr(view, "acts", None) or {}
        return acts.get("get" if method == "head" else method, Act.READ)


def addresses(patterns: Any = None, prefix: str = "") -> Iterator[Address]:
    """Every leaf of the resolver, with its whole route."""
    for each in patterns if patterns is not None else get_resolver().url_patterns:
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, prefix + str(each.pattern))
        elif isinstance(each, URLPattern):
            yield Address(prefix + str(each.pattern), each.name or "", each.callback)


class World:
    """A workspace with something behind every address, and all kinds of callers."""

    def __init__(self) -> None:
        site = full_site()
        # A host that every workspace shares asks more than its address says.
        Host.objects.update(workspace=site.workspace)
        self.site = site
        self.filled = Run.objects.filter(parent=None, status="Completed").order_by("id").last()
        self.failed = Run.objects.get(parent=None, status="Failed")
        assert self.filled
        self.step = site.step(self.filled, "train")
        version = ModelVersion.objects.get()
        assert site.post("environments/slim/versions/1/build/").status_code in (200, 201, 202)
        build = EnvironmentBuild.objects.get()
        slim = EnvironmentVersion.objects.get(environment__name="slim")
        attempt = Attempt.objects.filter(run__workspace=site.workspace, host=site.host).order_by("id")[0]
        image = Image.objects.create(
            host_id=site.host.pk, host_name="alpha", tag="duto/env:1", status="building", attempt_id=attempt.pk
        )
        snapshot = site.snapshot(step_py="print('hello')\n")
        own = tokens.create(site.context, "walked", Role.READER)
        keyvault.set_values(site.context, {"walked": "a value"})
        member = Member.objects.get(workspace=site.workspace, role=Role.READER)
        dataset = site.get("datasets/penguins/versions/latest/").json()["id"]
        pipeline = site.get("pipelines/").json()["items"][0]["id"]
        schedule = site.get("schedules/").json()["items"][-1]["id"]
        backfill = site.get(f"schedules/{schedule}/backfills/").json()["items"][0]["id"]
        monitor = site.get("monitors/").json()["items"][0]["id"]
        window = site.get(f"monitors/{monitor}/windows/").json()["items"][0]["id"]
        endpoint = site.get("endpoints/").json()["items"][0]["id"]
        draft = site.get("drafts/").json()["items"][0]["id"]
        step_file = snapshot.files[0]["digest"]
        facts = {
            "rule": str(Rule.objects.get(owner=None).pk),
            "channel": str(Channel.objects.order_by("id")[0].pk),
            "mute": str(Mute.objects.get().pk),
            "delivery": str(Delivery.objects.filter(user=None).order_by("id")[0].pk),
        }
        module = str(Module.objects.get().pk)
        # By what stands before the variable in the route; the first that fits.
        self.values: list[tuple[str, str, str]] = [
            ("", "workspace", "lab"), ("datastores/", "name", "workspaceblobstore"), ("stores/", "name", "workspaceblobstore"), ("datasets/", "name", "penguins"),
            ("secrets/", "name", "walked"), ("sets/", "name", "penguins"), ("unregister/", "name", "penguins"), ("data/read/", "name", "penguins"), ("data/cancel/", "name", "penguins"), ("data/about/", "name", "penguins"), ("data/profile/", "name", "penguins"), ("data/differences/", "name", "penguins"), ("data/start-differences/", "name", "penguins"), ("data/start-profile/", "name", "penguins"), ("data/cancel-profile/", "name", "penguins"), ("staged/", "key", staging.new_key(site.context)), ("hosts/", "name", "alpha"), ("compute/", "name", "cpu"), ("clusters/", "name", "cpu"), ("cluster/", "name", "cpu"), ("nodes/", "node", str(Node.objects.order_by("id")[0].pk)), ("models/", "name", "forest"),
            ("named/", "name", "forest" if version else ""), ("environments/", "name", "slim"), ("experiments/", "name", "Palmer experiment"),
            ("outputs/", "name", "model"), ("images/", "id", str(image.pk)), ("of/environments/", "version", str(slim.pk)), ("images/", "image", str(image.pk)), ("outputs/", "output", "model"), ("versions/", "version", "1"), ("tokens/", "id", str(own.token.pk)),
            ("people/", "user_id", str(site.owner.pk)), ("people/", "id", str(site.owner.pk)), ("members/", "id", str(member.pk)), ("members/", "member_id", str(member.pk)), ("tokens/", "token_id", str(own.token.pk)), ("tokens/", "token", str(own.token.pk)),
            ("dataset-versions/", "id", dataset), ("profile-runs/", "id", str(ProfileRun.objects.order_by("id")[0].pk)), ("environment-builds/", "id", str(build.pk)), ("builds/", "build_id", str(build.pk)),
            ("pipelines/", "id", pipeline), ("pipelines/", "pipeline_id", pipeline), ("PipelineSubmit/", "id", pipeline), ("blobs/", "digest", step_file),
            ("drafts/", "id", draft), ("drafts/", "draft_id", draft), ("steps/", "place", "0"),
            ("backfills/", "backfill", backfill), ("backfill/", "backfill_id", backfill), ("schedules/", "id", schedule), ("schedules/", "schedule_id", schedule),
            ("windows/", "window", window), ("windows/", "window_id", window), ("monitors/", "id", monitor), ("monitors/", "monitor_id", monitor),
            ("rules/", "id", facts["rule"]), ("rules/", "rule_id", facts["rule"]), ("channels/", "id", facts["channel"]), ("channels/", "channel_id", facts["channel"]),
            ("mutes/", "id", facts["mute"]), ("mutes/", "mute_id", facts["mute"]), ("deliveries/", "id", facts["delivery"]), ("deliveries/", "delivery_id", facts["delivery"]),
            ("notifications/", "token", "no-such-link"), ("endpoints/", "id", endpoint), ("endpoints/", "endpoint_id", endpoint), ("PipelineEndpointSubmit/Id/", "id", endpoint), ("PipelineEndpointSubmit/", "version", "0"),
            ("snapshots/", "digest", snapshot.digest), ("models/files/", "version_id", str(version.pk)), ("compare-code/", "other", str(self.filled.pk)),
            ("models/files/", "path", "m.json"), ("", "path", "deep/a.json"), ("start/", "secret", "no-such-secret"), ("forms/", "secret", "no-such-secret"), ("reset/key/", "uidb36", "abc"), ("accounts/", "key", "abc"), ("attempts/", "attempt", str(uuid4())), ("", "epoch", "1"), ("", "transfer", "blob/x"),
            ("builds/", "build", str(uuid4())), ("", "subscription", "s"), ("", "group", "g"), ("runs/", "id", str(self.filled.pk)), ("runs/", "run_id", str(self.filled.pk)),
            ("module-versions/", "id", str(ModuleVersion.objects.get().pk)), ("modules/", "id", module), ("modules/", "module_id", module),
            ("simple/", "project", "duto"), ("simple/", "filename", wheels()["duto"].filename),
        ]  # fmt: skip
        self.callers = self._callers()

    def _callers(self) -> dict[str, Client]:
        site = self.site
        other = create_workspace(User.objects.create_user("bob"), "elsewhere")
        revoked = tokens.create(site.context, "gone", Role.OWNER)
        tokens.revoke(site.context, revoked.token.pk)
        end = now() - timedelta(seconds=1)
        expired = tokens.mint(site.owner, site.workspace, Role.OWNER, "old", expires_at=end)
        # A member who is let go without a word: what counts is asked at each call, whatever rows are left.
        gone = User.objects.create_user("gone")
        Member.objects.create(workspace=site.workspace, user=gone, role=Role.OWNER)
        left = tokens.create(WorkspaceContext(site.workspace, Role.OWNER, user=gone), "t", Role.OWNER)
        Member.objects.filter(user=gone).delete()
        reader = User.objects.get(username="a-reader")
        step = (site.workspace, self.step.pk, self.step.root_id)
        enrolment = enrolments.create(site.context, "")
        endpoint = PipelineEndpoint.objects.get(workspace=site.workspace)
        endpoint_access.open_form(site.context, endpoint)
        made = {
            "nobody": Client(),
            "endpoint's token": bearer(
                endpoint_access.create_token(site.context, endpoint, "t", any_version=True).text
            ),
            "stranger": site.people["stranger"],
            **{role.value: site.people[role.value] for role in RANKED},
            "revoked token": bearer(revoked.text),
            "stranger's token": bearer(tokens.create(other, "t", Role.OWNER).text),
            "run": bearer(tokens.mint_run_token(*step, user=site.owner)),
            "reader's run": bearer(tokens.mint_run_token(*step, user=reader)),
            "removed member": site.visitor(gone),
            "removed member's token": bearer(left.text),
            "removed member's run": bearer(tokens.mint_run_token(*step, user=gone)),
            "nobody's run": bearer(tokens.mint_run_token(*step)),
            "expired token": bearer(expired.text),
            "host key": bearer(KEY),
            "enrolment token": bearer(enrolment.text),
        }
        for role in RANKED:
            user = site.owner if role is Role.OWNER else User.objects.get(username=f"a-{role.value}")
            made[f"{role.value}'s token"] = bearer(
                tokens.create(WorkspaceContext(site.workspace, role, user=user), "t", role).text
            )
        for client in made.values():
            client.raise_request_exception = False
        return made

    def path(self, address: Address, **odd: str) -> str:
        """The address with something real behind it, or with odd values by the kind of variable."""

        def fill(found: re.Match[str]) -> str:
            kind, name = found.group(1), found.group(2)
            if kind in odd:
                return odd[kind]
            before = address.route[: found.start()]
            for place, variable, value in self.values:
                if variable == name and place in before:
                    return value
            raise AssertionError(f"the walk has no value for <{name}> of {address.route}")

        route = re.sub(r"<(\w+):(\w+)>", fill, address.route)
        route = re.sub(r"\^|\$", "", re.sub(r"\(\?P<\w+>[^)]*\)", "abc", route))
        if "environments/named/" in route:
            route = route.replace("forest", "slim")
        if "/resume" in route and self.filled:  # only what failed can be resumed
            route = route.replace(str(self.filled.pk), str(self.failed.pk))
        if OF_A_STEP.search(route) and self.filled:
            route = route.replace(str(self.filled.pk), str(self.step.pk))
        return "/" + route

    def ask(self, caller: str, method: str, path: str) -> Any:
        """One request whose changes are taken back."""
        if path == "/api/v1/docs":  # in full it takes as long as a hundred pages, and who may see a part may see all
            path += "?q=environment"
        point, client = transaction.savepoint(), self.callers[caller]
        cookies = copy.deepcopy(client.cookies)
        try:
            options = (
                {} if method in ("get", "head", "options") else {"content_type": "application/json", "data": b"{}"}
            )
            if method == "post" and "/api/" not in path:
                options = {"data": {}}
            return getattr(client, method)(path, **options)
        finally:
            client.cookies = cookies
            transaction.savepoint_rollback(point)


def bearer(text: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {text}"})


@pytest.fixture
def world(db: None) -> World:
    return World()


def wrong(world: World, address: Address, caller: str, method: str) -> str | None:
    """What is wrong with the answer, if anything."""
    path = world.path(address)
    answer = world.ask(caller, method, path)
    allowed = expected(world, address, caller, method)
    if answer.status_code >= 500 or (allowed and answer.status_code not in allowed):
        return f"{caller}: {method.upper()} {path} [{address.name}] gave {answer.status_code}, not {sorted(allowed) or '< 500'}"
    where = answer.headers.get("Location", "")
    if answer.status_code == 302 and caller == "nobody" and address.is_declared and "/accounts/login/" not in where:
        return f"nobody is led to {where} by {path}"
    return None


def expected(world: World, address: Address, caller: str, method: str) -> set[int]:
    """The statuses that may come; empty for anything but a fault."""
    if AGENTS.match(address.name):
        # The host is asked for attempts and builds that are none of its own.
        return set() if caller == "host key" else {401, 405}
    if address.name in OUTSIDE and not address.is_declared:
        return outside(address, caller, method)
    needs = address.needs(method)
    if method == "options" and address.is_api:
        needs = Role.READER
    if needs is None:
        return {405} | ({401} if address.is_api else set()) | ({403, 404} if address.is_api else set())
    return inside(address, caller, method, needs)


def outside(address: Address, caller: str, method: str) -> set[int]:
    nobody, somebody = OUTSIDE[address.name]
    if address.is_api:
        known = caller not in ("nobody", *REFUSED)
        # Who comes with a bad token is told so, even where none is needed.
        return (somebody | {405, 401} if known else nobody | {405, 401}) | (
            {403} if caller not in ("nobody",) else set()
        )
    with_session = caller in ("stranger", "removed member", *(role.value for role in RANKED))
    return (somebody if with_session else nobody) | {405} if method == "get" else set()


def inside(address: Address, caller: str, method: str, needs: Role) -> set[int]:
    """Of a workspace: 401 or the sign-in page for nobody, 404 for strangers, 403 for a role that is too small."""
    is_token = "token" in caller or "run" in caller or caller in REFUSED
    if caller in ("nobody", *REFUSED) or (is_token and not address.is_api):
        return {401} if address.is_api else {302}
    if caller.startswith(("stranger", "removed member", "nobody")):
        return {404}
    if caller.endswith("run"):
        role = Role.READER if caller == "reader's run" else Role.CONTRIBUTOR
        small = needs.rank > role.rank or not allows(Scope.STANDARD, address.act(method))
        return {403} if small else set()
    role = Role(caller.removesuffix("'s token"))
    return {403} if role.rank < needs.rank else permitted(address, method)


def permitted(address: Address, method: str) -> set[int]:
    if method == "get" and not MAY_MISS.search(address.route):
        return {200}
    return set(range(200, 500)) - {401, 403} - (set() if MAY_MISS.search(address.route) else {404})


def test_every_address_says_who_may_use_it() -> None:
    silent = [
        each.route
        for each in addresses()
        if not each.is_declared and each.name not in OUTSIDE and not AGENTS.match(each.name)
    ]
    assert silent == [], "give these views `needs`, or a line in OUTSIDE"
    names = {each.name for each in addresses()}
    assert OUTSIDE.keys() <= names


def test_who_does_not_belong_here_gets_nothing(world: World) -> None:
    faults = [
        fault
        for caller in ("nobody", "stranger", "stranger's token", "removed member")
        for each in addresses()
        for method in each.methods(caller)
        if (fault := wrong(world, each, caller, method))
    ]
    assert not faults, "\n".join(faults)


def test_a_key_that_does_not_count_here_opens_nothing(world: World) -> None:
    """Pages look at no key at all; REST and the agents' addresses do."""
    keyed = [each for each in addresses() if each.is_api or AGENTS.match(each.name)]
    keys = (*REFUSED, *LEFT)
    met = [(each, method) for each in keyed for method in each.methods("")]
    # A key is looked at before its view is: each view meets some of them.
    faults = [
        fault
        for place, (each, method) in enumerate(met)
        for caller in (keys[place % len(keys)], keys[(place + 3) % len(keys)])
        if (fault := wrong(world, each, caller, method))
    ]
    assert len(met) > 10 * len(keys)
    assert not faults, "\n".join(faults)


def test_the_token_of_an_endpoint_opens_that_alone(world: World) -> None:
    opened = {
        (each.name, method)
        for each in addresses()
        if each.is_api and each.name not in ("api-root", "api-schema")  # for anybody
        for method in METHODS
        if world.ask("endpoint's token", method, world.path(each)).status_code not in (401, 403, 405)
    }
    triggers = ("api-endpoint-trigger", "api-endpoint-version-trigger", "api-named-endpoint-trigger", "")
    assert opened == {
        *((name, "post") for name in triggers), ("api-endpoint-openapi", "get"), ("api-endpoint-openapi", "head")
    }  # fmt: skip


@pytest.mark.parametrize(
    "caller", [f"{role.value}{suffix}" for role in RANKED for suffix in ("", "'s token")] + ["run", "reader's run"]
)
def test_a_member_gets_what_the_role_allows_and_no_more(world: World, caller: str) -> None:
    # Looking comes first: what an action does to files is not taken back with its rows.
    faults = [
        fault
        for method in METHODS
        for each in addresses()
        if each.is_met_by(caller) and method in each.methods(caller) and (fault := wrong(world, each, caller, method))
    ]
    assert not faults, "\n".join(faults)


ODD_NAMES = ["%00", "%FF", "..%2F..", "a/" * 560 + "b", "%F0%9F%90%A7", "%20"]
ODD = [
    "?q=%00&after=%00&limit=-1&offset=x&version=%FF&name=%00&path=../..%00&part=../x",
    "?limit=999999999999999999999&after=AAAA&offset=-9999999999999999999999&attempt=x&from=&tab=../x&step=%F0%9F%90%A7&view=x&line=-1&file=../../x",
]


def test_no_query_is_too_odd(world: World) -> None:
    faults = []
    for address, query in product(addresses(), ODD):
        path = world.path(address) + query
        answer = world.ask("owner", "get", path)
        if answer.status_code >= 500:
            faults.append(f"{path}: {answer.status_code}")
    assert not faults, "\n".join(faults)


def test_no_name_is_too_odd(world: World) -> None:
    faults = []
    named = [each for each in addresses() if re.search(r"<(str|path|file):", each.route)]
    for address, odd in product(named, ODD_NAMES):
        path = world.path(address, str=odd, path=odd, file=odd)
        for method in address.declared or METHODS:
            answer = world.ask("owner", method, path)
            if answer.status_code >= 500:
                faults.append(f"{method} {path[:200]}: {answer.status_code}")
    assert not faults, "\n".join(faults)


def test_a_run_token_writes_to_its_own_tree_only(world: World) -> None:
    foreign = world.site.pipeline("other")
    token = world.callers["run"]
    assert ApiToken.objects.filter(run_id=world.step.pk).exists()
    for place in ("artifacts/x.txt", "cancel/", "complete/", "fail/", "metrics/"):
        method = token.put if place.startswith("artifacts") else token.post
        answer = method(f"/api/v1/workspaces/lab/runs/{foreign.pk}/{place}", b"{}", content_type="application/json")
        assert answer.status_code == 403, (place, answer.content)
    assert token.get(f"/api/v1/workspaces/lab/runs/{foreign.pk}/").status_code == 200
    assert canonical.digest({}) and world.filled is not None
