"""The composition root: builds the broker at the first call, once a worker, each part when it is first needed.

Azure's libraries are imported within the functions of this package, never at the top of a file. A sweep that finds nothing due
needs none but that of Table Storage, a read needs neither Graph's nor Resource Manager's, and together they cost a cold start
more than a second.

Nothing here awaits: on a worker's one event loop no two calls can build at the same time. What raised is tried again.
"""
