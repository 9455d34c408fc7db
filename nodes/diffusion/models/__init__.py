"""Models from files: what a file holds (detect), how it is read (files, names), and the loaded networks (load)."""
