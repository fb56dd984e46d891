"""What the Functions host indexes: the broker's functions, by the file that holds them."""

import azure.functions as func

from shared import wiring
from shared.triggers import queues, reconcile_timer, timers
from shared.triggers.http import configuration, contract, leases, operator
from shared.triggers.http.edge import Edge

edge = Edge(wiring.broker, wiring.clock)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

app.register_functions(leases.api.blueprint(edge))
app.register_functions(configuration.api.blueprint(edge))
app.register_functions(operator.api.blueprint(edge))
app.register_functions(contract.api.blueprint(edge))
app.register_functions(timers.blueprint(wiring.ports))
app.register_functions(reconcile_timer.blueprint(wiring.ports))
app.register_functions(queues.blueprint(wiring.ports))
app.register_functions(contract.rest.blueprint(edge))
