"""What the Functions host indexes: the broker's functions, by the file that holds them."""

import azure.functions as func

from shared import wiring
from shared.triggers import queues, timers
from shared.triggers.http import groups
from shared.triggers.http.edge import Edge

edge = Edge(wiring.broker, wiring.clock)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for group in groups.with_the_rest():
    app.register_functions(group.blueprint(edge))
app.register_functions(timers.blueprint(wiring.ports))
app.register_functions(queues.blueprint(wiring.ports))
