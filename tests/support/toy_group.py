"""A group of calls that the product does not have: what adding a route takes is this file, and its ``api`` in the groups.

A policy gives the call once its path is in ``ASKED``: see ``tests/triggers/test_asked.py``.
"""

from __future__ import annotations

from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, Answer, Field, Record

api = Api("toys")
TOY = Record[str]("Toy", "A toy.", Field("toy", TEXT, lambda it: it, "Its name."))


@api.call("GET", "toys/{toy}", needs=("toys/{toy}", "read"), operation="read_toy", answers=(Answer(200, "The toy.", TOY),))
async def read_toy(request: VerifiedRequest) -> Reply:
    """Read a toy."""
    return of_json(200, TOY.write(request.http.route_params["toy"]))
