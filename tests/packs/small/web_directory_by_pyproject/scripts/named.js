export const said = "named in pyproject.toml";
