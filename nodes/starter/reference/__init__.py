"""The page `weft docs samplers`: every sampler and schedule, told and drawn with the starter model."""
