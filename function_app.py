"""What the Functions host indexes: the broker's functions, by the file that holds them."""

import azure.functions as func

from shared.triggers import events, queues, timers
from shared.triggers.http import groups
from shared.triggers.http.edge import Edge
from shared.wiring import root

edge = Edge(root.broker, root.clock)
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

for group in groups.with_the_rest():
    app.register_functions(group.blueprint(edge))
app.register_functions(timers.blueprint(root.ports))
app.register_functions(queues.blueprint(root.ports))
app.register_functions(events.blueprint(root.ports))
