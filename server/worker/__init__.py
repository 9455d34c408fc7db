"""What runs inside a worker: nodes, their values, and the door to the server."""
