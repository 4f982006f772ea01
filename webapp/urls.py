"""Pages, the API and the health checks."""

from django.conf import settings
from django.urls import path, re_path
from django.urls.resolvers import URLPattern, URLResolver
from django.views.i18n import set_language

from webapp import admin
from webapp.access import Open, takes
from webapp.api import api
from webapp.health import healthz, readyz
from webapp.views import (
    account,
    artifacts,
    audit,
    calls,
    dashboard,
    games,
    host_list,
    hosts,
    job_list,
    jobs,
    own_password,
    start,
)
from webapp.views.catalogue import catalogue
from webapp.views.login import log_in, log_out

anybody = takes(Open.ANYBODY)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", dashboard.dashboard, name="dashboard"),
    path("jobs/", job_list.jobs, name="jobs"),
    path("jobs/new", start.new, name="job-new"),
    path("jobs/new/plan", start.plan, name="job-plan"),
    path("jobs/new/check", start.check, name="job-check"),
    path("jobs/new/hosts", start.hosts, name="job-hosts"),
    path("jobs/<int:job_id>/", jobs.job, name="job"),
    path("jobs/<int:job_id>/steps", jobs.steps, name="job-steps"),
    path("hosts/", host_list.hosts, name="hosts"),
    path("hosts/<name:name>/", hosts.host, name="host"),
    path("hosts/<name:name>/test", hosts.test, name="host-test"),
    path("hosts/<name:name>/approve-key", hosts.approve_key, name="host-approve-key"),
    path("games/", games.games, name="games"),
    path("calls/", calls.calls, name="calls"),
    path("calls/<name:name>/test", calls.test, name="pager-test"),
    path("calls/<name:name>/remove", calls.remove, name="pager-remove"),
    path("audit/", audit.audit, name="audit"),
    path("audit/export.<slug:form>", audit.export, name="audit-export"),
    path("login", log_in, name="login"),
    path("first/<uidb64>/<token>", own_password.own_password, name="own-password"),
    path("account/", account.account, name="account"),
    path("account/password", account.password, name="password"),
    path("account/tokens/<int:token_id>/revoke", account.revoke, name="token-revoke"),
    path("logout", log_out, name="logout"),
    # The sentences of the JavaScript modules, in the reader's language.
    path("catalogue.js", catalogue, name="catalogue"),
    path("language", anybody(set_language), name="set_language"),
    re_path(r"^artifacts/(?P<sha256>[0-9a-f]{64})$", artifacts.artifact, name="artifact"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
if settings.IDENTITY:
    from webapp.identity.urls import urlpatterns as of_identity

    urlpatterns += of_identity
