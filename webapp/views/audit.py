"""Who did what, when."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_tasks.models import AuditEntry
from webapp import access

PAGE = 100


@login_required
def audit(request: HttpRequest) -> HttpResponse:
    """Entries name hosts of every game, so it takes a role in all of them."""
    access.require(request.user, access.Right.SEE, None)
    entries = Paginator(AuditEntry.objects.order_by("-pk"), PAGE)
    return render(request, "audit.html", {"page": entries.get_page(request.GET.get("page"))})
