"""Memory: how much there is, what a network needs of it, and where its weights lie when that is not enough."""
