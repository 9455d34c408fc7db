"""What each node does. `spec` is the contract with the server; the other rooms stand behind it."""
