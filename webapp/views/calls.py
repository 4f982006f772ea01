"""Night calls: where they go, whether they arrive, and a test of it."""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from deploy_tasks.errors import InvalidInput, OrderRefused
from deploy_tasks.models import MOMENTS, Pager
from webapp import access
from webapp.access import Right, takes
from webapp.calls import pagers as kept
from webapp.calls import reports

#: Calls on the page.
SHOWN = 40
MINE, ALL = "mine", "all"


class PagerForm(forms.Form):
    """What `pagers.Wanted` takes; the address is never sent back to the page."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=64)
    whose = forms.ChoiceField(label=gettext_lazy("Of"))
    url = forms.CharField(
        label=gettext_lazy("Address"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "placeholder": "https://…"}),
    )
    secret = forms.CharField(
        label=gettext_lazy("Signing secret"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES)
    moments = forms.MultipleChoiceField(
        label=gettext_lazy("When"),
        choices=[(moment.value, moment.label) for moment in MOMENTS],
        initial=[moment.value for moment in MOMENTS],
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._games = {
            game.name: game for game in access.games(user, Right.MAINTAIN).order_by("name")
        }
        choices = [(f"game:{name}", name) for name in self._games]
        if access.may(user, Right.MAINTAIN, None):
            choices.insert(0, (ALL, _("all games")))
        whose = self.fields["whose"]
        assert isinstance(whose, forms.ChoiceField)
        whose.choices = [*choices, (MINE, _("only me, of what I may see"))]

    def add(self, user: User) -> Pager | None:
        """None where that is refused; the form says why."""
        given = self.cleaned_data
        whose = given["whose"]
        wanted = kept.Wanted(
            name=given["name"],
            url=given["url"],
            secret=given["secret"],
            game=self._games.get(whose.removeprefix("game:")),
            mine=whose == MINE,
            moments=given["moments"],
            language=given["language"],
        )
        try:
            return kept.add(wanted, by=user)
        except InvalidInput as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)
        except OrderRefused as refusal:
            self.add_error("name", refusal.message)
        return None


@takes(Right.SEE)
def calls(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    form = PagerForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid() and (pager := form.add(user)):
        messages.success(request, _("Added: %(pager)s. Now send it a test.") % {"pager": pager})
        return redirect("calls")
    rows = [
        {
            "pager": told,
            "always": len(told["moments"]) == len(MOMENTS),
            "may_test": kept.may(user, Right.OPERATE, row),
            "may_change": kept.may(user, Right.MAINTAIN, row),
        }
        for told, row in zip(reports.pagers(user), kept.visible(user), strict=True)
    ]
    made = [reports.call(one) for one in reports.visible_calls(user)[:SHOWN]]
    pending = any(one["due_at"] and not one["error"] for one in made)
    told = {"rows": rows, "calls": made, "form": form, "pending": pending}
    return render(request, "calls.html", told)


@takes(Right.OPERATE)
@require_POST
def test(request: HttpRequest, name: str) -> HttpResponse:
    kept.test(_pager(request, name), by=cast(User, request.user))
    messages.success(request, _("A worker calls %(pager)s.") % {"pager": name})
    return redirect("calls")


@takes(Right.MAINTAIN)
@require_POST
def remove(request: HttpRequest, name: str) -> HttpResponse:
    kept.remove(_pager(request, name), by=cast(User, request.user))
    return redirect("calls")


def _pager(request: HttpRequest, name: str) -> Pager:
    return get_object_or_404(kept.visible(request.user), name=name)
