"""What the Functions host indexes: the broker's functions, by the file that holds them."""

import azure.functions as func

from shared import wiring
from shared.triggers import http_contract, http_leases, http_operator, http_roles, queues, reconcile_timer, timers
from shared.triggers.edge import Edge

edge = Edge(wiring.broker, wiring.clock)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

app.register_functions(http_leases.api.blueprint(edge))
app.register_functions(http_roles.api.blueprint(edge))
app.register_functions(http_operator.api.blueprint(edge))
app.register_functions(http_contract.api.blueprint(edge))
app.register_functions(timers.blueprint(wiring.outside))
app.register_functions(reconcile_timer.blueprint(wiring.outside))
app.register_functions(queues.blueprint(wiring.outside))
app.register_functions(http_contract.rest.blueprint(edge))
