"""Second factors and log-in by an OpenID Connect provider: an optional extra.

Nothing in here is imported unless a setting asks for it (`settings.IDENTITY`), for it needs what
requirements-login.txt names. A log-in goes through django-allauth's stages: until the last one is
passed nobody is logged in, so there is no half-way session that a page, a socket or the admin
would have to tell from a whole one.
"""
