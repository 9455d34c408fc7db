"""node_helpers.conditioning_set_values, and conditioning as lists of tensor and dict."""
import node_helpers
import nodes
import torch


class Conditioning:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        first = [[torch.ones(1, 3, 4), {"pooled_output": torch.ones(1, 4), "marks": [1]}]]
        changed = node_helpers.conditioning_set_values(first, {"guidance": 3.5})
        more = node_helpers.conditioning_set_values(first, {"marks": [2]}, append=True)
        zero = nodes.ConditioningZeroOut().zero_out(first)[0]
        average = nodes.ConditioningAverage().addWeighted(first, zero, 0.25)[0]
        both = nodes.ConditioningCombine().combine(first, zero)[0]
        area = nodes.ConditioningSetArea().append(first, 64, 32, 8, 16, 0.5)[0]
        said = [
            changed[0][1]["guidance"],
            "guidance" in first[0][1],
            more[0][1]["marks"],
            float(zero[0][0].abs().sum() + zero[0][1]["pooled_output"].abs().sum()),
            float(average[0][0].mean()),
            len(both),
            list(area[0][1]["area"]),
            area[0][1]["strength"],
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"conditioning_changed": Conditioning}
