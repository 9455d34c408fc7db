"""Puts its folder of scripts into the host's table by hand, under a name of its own; another folder is not its to show."""

import os

import nodes

HERE = os.path.dirname(os.path.realpath(__file__))
nodes.EXTENSION_WEB_DIRS["By-Hand"] = os.path.join(HERE, "scripts")
nodes.EXTENSION_WEB_DIRS["elsewhere"] = os.path.dirname(HERE)
NODE_CLASS_MAPPINGS = {}
