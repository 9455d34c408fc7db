"""Modules under the names that packs import. Their shapes are the field's, not ours."""

NOT_ALIASED = frozenset(
    {"nodes_face", "server_face"}
)  # set on our own packages of those names, see `install`
