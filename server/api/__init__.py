"""HTTP and the websocket: the only code of the server that speaks them."""
