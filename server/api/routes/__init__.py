"""Routes, one module per subject; each has a `ROUTES` table."""
