"""An inventory file from the browser: the same rules and errors as on the command line."""

from typing import Any, cast

from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deploy_tasks import inventory
from deploy_tasks.errors import InvalidInput, InvalidInputs
from deploy_tasks.inventory import Changes
from webapp import access, uploads
from webapp.access import Right
from webapp.admin.site import site


class ManyFiles(forms.FileField):
    """Any number of files, none too."""

    widget = type("ManyFilesInput", (forms.ClearableFileInput,), {"allow_multiple_selected": True})

    def clean(self, data: Any, initial: Any = None) -> Any:
        return [super(ManyFiles, self).clean(one, initial) for one in data or []]


class ImportForm(forms.Form):
    inventory = forms.FileField(
        label=gettext_lazy("Inventory file"), allow_empty_file=True, max_length=255
    )
    others = ManyFiles(
        label=gettext_lazy("Files that it names"),
        required=False,
        allow_empty_file=True,
        help_text=gettext_lazy(
            "Keys, secrets, recipes and artifacts, found by their names: keys/fleet is the file"
            " fleet."
        ),
    )
    replace_host_keys = forms.BooleanField(
        label=gettext_lazy("Host keys were changed on purpose: replace the pinned ones"),
        required=False,
    )


def import_inventory(request: HttpRequest) -> HttpResponse:
    """A file may say everything of every game, so it takes an administrator of all of them."""
    access.require(request.user, Right.ADMINISTER, None)
    form = ImportForm(request.POST or None, request.FILES or None)
    changes, findings = None, []
    if form.is_valid():
        try:
            changes = _import(form, cast(User, request.user))
        except InvalidInput as refused:
            findings = [refused]
        except InvalidInputs as wrong:
            findings = wrong.findings
    context = {
        **site.each_context(request),
        "title": _("Import an inventory file"),
        "form": form,
        "changes": changes,
        "findings": findings,
    }
    status = 422 if findings else 200
    return render(request, "admin/import.html", context, status=status)


def _import(form: ImportForm, by: User) -> Changes:
    given = form.cleaned_data
    file: UploadedFile[bytes] = given["inventory"]
    with uploads.readable([file, *given["others"]]) as files:
        return inventory.import_upload(
            next(iter(files)), files, by=by, replace_host_keys=given["replace_host_keys"]
        )
