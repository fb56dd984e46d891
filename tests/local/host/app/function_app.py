"""A small function app for the host's own tests: one function for each thing that the host must get right."""

from __future__ import annotations

import azure.functions as func
from web import web  # type: ignore[import-not-found]  # the host puts the app's own folder on the path
from work import work  # type: ignore[import-not-found]  # the same

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(web)
app.register_functions(work)
