"""The entrance: where to go first, the one-time link, the theme."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.errors import Conflict, Invalid, StudioError
from workspaces.models import Invitation, User, Workspace
from workspaces.services import invitations
from workspaces.services.accounts import holder_of, redeem, set_password
from workspaces.web.decorators import LAST

THEMES = ("system", "light", "dark")


class PasswordForm(forms.Form):
    """A password, twice, since nobody sees what they type."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "autofocus": True, "class": "input"}),
        help_text=gettext_lazy("At least 8 characters, and not a common one."),
    )
    again = forms.CharField(
        label=gettext_lazy("Once more"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "class": "input"}),
    )

    def clean(self) -> dict[str, str]:
        values: dict[str, str] = super().clean() or {}
        if "again" in values and values.get("password") != values["again"]:
            self.add_error("again", _("The two are not the same. Type the password once more."))
        return values


class NewcomerForm(PasswordForm):
    """Who comes by a link that names nobody chooses a name, too."""

    username = forms.CharField(
        label=gettext_lazy("User name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": True, "class": "input"}),
        help_text=gettext_lazy("Letters, digits and @ . + - _"),
    )
    field_order = ("username", "password", "again")


@require_GET
def root(request: HttpRequest) -> HttpResponse:
    """To the workspace that was open last, or to the sign-in page."""
    if not request.user.is_authenticated:
        return redirect(settings.LOGIN_URL)
    names = list(Workspace.objects.filter(members__user=request.user).order_by("name").values_list("name", flat=True))
    if not names:
        facts = {
            "title": _("No workspace yet"),
            "text": _("You are a member of no workspace. Ask an owner to add %(name)s.")
            % {"name": request.user.get_username()},
        }
        return render(request, "refusal.html", {"refusal": facts})
    last = request.session.get(LAST)
    return redirect("home", last if last in names else names[0])


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def first_start(request: HttpRequest, secret: str) -> HttpResponse:
    """A one-time link: an account's own, or an invitation. It is used up by the POST: previewers only GET."""
    invitation = invitations.of_link(secret)
    return _account_link(request, secret) if invitation is None else _invited(request, secret, invitation)


def _invited(request: HttpRequest, secret: str, invitation: Invitation) -> HttpResponse:
    """Join with the account that is signed in, or with a new one. Looking does not tell whether there is one."""
    is_open = not invitation.username
    user, form = request.user, (NewcomerForm if is_open else PasswordForm)(request.POST or None)
    is_mine = isinstance(user, User) and (is_open or user.get_username() == invitation.username)
    try:
        if request.method == "POST" and isinstance(user, User) and is_mine:
            invitations.accept(secret, user)
            return redirect("home", invitation.workspace.name)
        if request.method == "POST" and form.is_valid():
            values = form.cleaned_data
            made = invitations.accept_as_new(secret, values["password"], values.get("username", ""))
            login(request, made, backend="django.contrib.auth.backends.ModelBackend")
            return redirect("home", invitation.workspace.name)
    except (Invalid, Conflict) as error:
        if is_mine:  # there is no field that could tell it
            return _refused(request, error)
        form.add_error("username" if is_open and error.code in ("exists", "bad_name") else "password", error.message)
    except StudioError as error:
        return _spent(request, error)
    facts = {
        "form": form, "invitation": invitation, "is_mine": is_mine, "is_open": is_open, "me": user.get_username(),
        "other": "" if is_mine else user.get_username(),
        # Who is signed in as somebody else is led to the sign-out first.
        "sign_in": f"{resolve_url('account_logout' if isinstance(user, User) else settings.LOGIN_URL)}?{urlencode({'next': request.path})}",
    }  # fmt: skip
    return render(request, "workspaces/invitation.html", facts)


def _account_link(request: HttpRequest, secret: str) -> HttpResponse:
    """Asks for a password and signs in."""
    form = PasswordForm(request.POST or None)
    try:
        user = holder_of(secret)
        if request.method == "POST" and form.is_valid():
            # Together: a password that is refused must not have spent the link.
            with transaction.atomic():
                set_password(redeem(secret), form.cleaned_data["password"])
            user.refresh_from_db()
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            return HttpResponseRedirect("/")
    except Invalid as error:
        form.add_error("password", error.message)
    except StudioError as error:
        return _spent(request, error)
    return render(request, "workspaces/first_start.html", {"form": form, "name": user.get_username()})


def _refused(request: HttpRequest, error: StudioError) -> HttpResponse:
    facts = {"code": error.status, "title": _("You cannot join now"), "text": error.message}
    return render(request, "refusal.html", {"refusal": facts}, status=error.status)


def _spent(request: HttpRequest, error: StudioError) -> HttpResponse:
    facts = {"code": error.status, "title": _("This link is spent"), "text": error.message}
    return render(request, "refusal.html", {"refusal": facts}, status=error.status)


@csrf_exempt  # it does nothing, and its page has no form that could bring a token
def forgotten(request: HttpRequest, **names: str) -> HttpResponse:
    """What to do about a forgotten password: the same for everybody, whatever is asked."""
    return render(request, "account/password_reset.html")


def no_such_page(request: HttpRequest, **names: str) -> HttpResponse:
    """What leans on mail, or is for strangers."""
    facts = {
        "code": 404,
        "title": _("Not here"),
        "text": _("There is no sign-up, and this studio mails no way in. An owner of a workspace adds people to it."),
    }
    return render(request, "refusal.html", {"refusal": facts}, status=404)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Keep the choice with the account, so that it holds in every browser."""
    chosen = request.POST.get("theme", "")
    if request.user.is_authenticated and chosen in THEMES:
        request.user.theme = chosen
        request.user.save(update_fields=["theme"])
    return HttpResponse(status=204)
