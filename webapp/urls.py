"""Pages, the API and the health checks."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.urls.resolvers import URLPattern, URLResolver
from django.views.i18n import JavaScriptCatalog

from webapp.health import healthz, readyz
from webapp.views import audit, dashboard, games, jobs

urlpatterns: list[URLPattern | URLResolver] = [
    path("", dashboard.dashboard, name="dashboard"),
    path("jobs/", jobs.jobs, name="jobs"),
    path("jobs/<int:job_id>/", jobs.job, name="job"),
    path("games/", games.games, name="games"),
    path("audit/", audit.audit, name="audit"),
    path("login", LoginView.as_view(template_name="login.html"), name="login"),
    path("logout", LogoutView.as_view(), name="logout"),
    # The sentences of the JavaScript modules, in the reader's language.
    path("words.js", JavaScriptCatalog.as_view(), name="words"),
    path("admin/", admin.site.urls),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
