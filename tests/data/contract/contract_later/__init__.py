"""Between packs the last loaded wins."""


class Second:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    CATEGORY = "second"

    def go(self):
        return (2,)


NODE_CLASS_MAPPINGS = {"ContractTwice": Second}
