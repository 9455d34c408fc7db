"""Where a node runs: one Protocol (`base`), a worker process, a thread."""
