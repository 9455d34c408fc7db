"""The graph as a value, and a run as a state machine: no torch, no I/O, no threads."""
