"""Runs workflows: HTTP, queue, graph, and the backends where nodes run."""
