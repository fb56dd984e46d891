"""A group of calls that the product does not have: what adding a route takes is this file, and its ``api`` in the groups."""

from __future__ import annotations

from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.routes import Api

api = Api()


@api.call("GET", "toys/{toy}", needs=("toys/{toy}", "read"), operation="read_toy")
async def read_toy(request: VerifiedRequest) -> Reply:
    """Read a toy."""
    return of_json(200, {"toy": request.http.route_params["toy"]})
