"""The recipe that trained the starter model: `python -m nodes.starter.recipe WORK_FOLDER` runs it end to end."""
