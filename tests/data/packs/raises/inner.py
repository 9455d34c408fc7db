TABLE = {}["nothing"]
