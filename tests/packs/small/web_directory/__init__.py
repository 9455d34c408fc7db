"""WEB_DIRECTORY is served below /extensions/<pack>."""
WEB_DIRECTORY = "./js"
NODE_CLASS_MAPPINGS = {}
