"""The forms of rules, channels and mutes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.clock import now
from core.forms import TextArea, Unmarked
from notifications.models import Channel, Rule

# For how long things are muted, by hours.
MUTES = [
    ("1", gettext_lazy("1 hour")),
    ("8", gettext_lazy("8 hours")),
    ("24", gettext_lazy("1 day")),
    ("168", gettext_lazy("1 week")),
    ("720", gettext_lazy("30 days")),
]


class RuleForm(forms.Form):
    """A rule. What it is about is one field: the workspace, what one has started, or a pipeline, endpoint or monitor by its id."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    about = forms.ChoiceField(label=gettext_lazy("About"), choices=[])
    events = forms.MultipleChoiceField(
        label=gettext_lazy("When"), choices=Rule.Event.choices, widget=forms.CheckboxSelectMultiple
    )
    late_minutes = forms.IntegerField(
        label=gettext_lazy("Late after"), min_value=1, max_value=100_000, required=False,
        help_text=gettext_lazy("minutes; empty: longer than 95 of 100 of its runs before"),
    )  # fmt: skip
    wait_minutes = forms.IntegerField(
        label=gettext_lazy("Waits too long after"), min_value=1, max_value=100_000, initial=15,
        help_text=gettext_lazy("minutes in the queue of a cluster"),
    )  # fmt: skip
    digest_minutes = forms.IntegerField(
        label=gettext_lazy("At most one message in"), min_value=0, max_value=100_000, initial=5,
        help_text=gettext_lazy("minutes; what happens meanwhile is told together"),
    )  # fmt: skip
    channels = forms.MultipleChoiceField(
        label=gettext_lazy("Channels"), choices=[], widget=forms.CheckboxSelectMultiple,
        error_messages={"required": gettext_lazy("Choose a channel: without one a rule tells nobody.")},
    )  # fmt: skip
    by_email = forms.BooleanField(label=gettext_lazy("By e-mail"), required=False)
    by_browser = forms.BooleanField(
        label=gettext_lazy("By the browser, while a page of the studio is open"), required=False
    )
    is_active = forms.BooleanField(label=gettext_lazy("Active"), required=False, initial=True)

    def __init__(
        self, about: list[tuple[str, str]], channels: list[tuple[str, str]], is_own: bool, *args: Any, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.is_own = is_own
        choice: Any = self.fields["about"]
        choice.choices = about
        boxes: Any = self.fields["channels"]
        boxes.choices = channels
        for name in ("channels",) if is_own else ("by_email", "by_browser"):
            del self.fields[name]

    def asked(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it."""
        values = {**self.cleaned_data, "is_own": self.is_own}
        scope, _colon, key = values.pop("about").partition(":")
        return {**values, "scope": scope, **({scope: key} if key else {})}


def initial_of(rule: Rule) -> dict[str, Any]:
    """What the form shows of a rule that there is."""
    key = rule.pipeline_id or rule.endpoint_id or rule.monitor_id
    names = ("name", "events", "late_minutes", "wait_minutes", "digest_minutes", "by_email", "by_browser", "is_active")
    return {
        **{name: getattr(rule, name) for name in names},
        "about": f"{rule.scope}:{key}" if key else rule.scope,
        "channels": [str(each.pk) for each in rule.channels.all()] if rule.pk else [],
    }


class ChannelForm(forms.Form):
    """A channel: of mail its recipients, of the others an address of the web, which is shown never again."""

    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=Channel.Kind.choices)
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    recipients = TextArea(label=gettext_lazy("Addresses"), required=False, help_text=gettext_lazy("one a line"))
    url = forms.CharField(
        label=gettext_lazy("Address of the webhook"), required=False, max_length=2000,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "https://"}),
        help_text=gettext_lazy("It is encrypted, and no page shows it again."),
    )  # fmt: skip

    def __init__(self, channel: Channel | None, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        # Each is shown where the kind asks for it.
        for name in ("recipients", "url") if channel is None else ("recipients",):
            self.fields[name].bound_field_class = Unmarked
        if channel is not None:
            del self.fields["kind"]
            del self.fields["url" if channel.kind == Channel.Kind.EMAIL else "recipients"]
            if "url" in self.fields:
                self.fields["url"].help_text = _("empty: it stays the one at %(host)s") % {"host": channel.host}

    def asked(self) -> dict[str, Any]:
        """Of a valid form, as the service takes it."""
        values = dict(self.cleaned_data)
        if "recipients" in values:
            values["recipients"] = [each.strip() for each in values["recipients"].replace(",", "\n").splitlines()]
            if values.get("kind", Channel.Kind.EMAIL) != Channel.Kind.EMAIL and not any(values["recipients"]):
                del values["recipients"]
        return values


class MuteForm(forms.Form):
    """For how long."""

    hours = forms.ChoiceField(label=pgettext_lazy("duration", "For"), choices=MUTES)

    def until(self) -> Any:
        return now() + timedelta(hours=int(self.cleaned_data["hours"]))


class PipelineMuteForm(MuteForm):
    """Which pipeline, and for how long."""

    pipeline = forms.ChoiceField(label=gettext_lazy("Pipeline"), choices=[])
    field_order = ("pipeline", "hours")

    def __init__(self, pipelines: list[tuple[str, str]], data: Any = None) -> None:
        super().__init__(data, auto_id="id_mute_%s")
        choice: Any = self.fields["pipeline"]
        choice.choices = pipelines


class AddressForm(forms.Form):
    """Where one's own messages go."""

    address = forms.EmailField(label=gettext_lazy("E-mail"), max_length=254)
