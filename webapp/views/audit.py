"""Who did what, when."""

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_tasks.models import AuditEntry
from webapp import access

PAGE = 100


@login_required
def audit(request: HttpRequest) -> HttpResponse:
    """Entries name hosts of every game, so it takes a role in all of them. ``?q=`` filters: a
    part of who, what was done, or to what."""
    access.require(request.user, access.Right.SEE, None)
    entries, q = AuditEntry.objects.order_by("-pk"), request.GET.get("q", "").strip()
    if q:
        entries = entries.filter(
            Q(actor_name__icontains=q) | Q(action__icontains=q) | Q(object__icontains=q)
        )
    page = Paginator(entries, PAGE).get_page(request.GET.get("page"))
    return render(request, "audit.html", {"page": page, "q": q})
