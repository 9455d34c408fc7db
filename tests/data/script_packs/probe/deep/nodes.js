// From a folder further down: elements in nodes, values of its own, drawing over a node, a wrapped flow.
import { app } from "../../../scripts/app.js";

const graphToPrompt = app.graphToPrompt;
app.graphToPrompt = async function () {
  const made = await graphToPrompt.apply(this, arguments);
  made.workflow.extra = { ...made.workflow.extra, probed: true };
  return made;
};

app.registerExtension({
  name: "probe.nodes",
  nodeCreated(node) {
    if (node.comfyClass !== "Number") return;
    const slider = document.createElement("input");
    slider.type = "range";
    slider.max = "10";
    slider.setAttribute("aria-label", "probe slider");
    const widget = node.addDOMWidget("level", "range", slider, { getValue: () => slider.value, setValue: (value) => (slider.value = value), getMinHeight: () => 30, getMaxHeight: () => 30 });
    slider.addEventListener("input", () => (widget.value = slider.value));
    node.widgets.find(({ name }) => name === "value").serializeValue = () => 7;
    node.widgets.find(({ name }) => name === "on").type = "converted-widget";
    node.onDrawForeground = (context) => { node.drawn = (node.drawn ?? 0) + 1; context.fillText("probe", 4, -10); };
    node.onSerialize = (o) => { o.properties.probed = node.widgets.length; };
  },
});
