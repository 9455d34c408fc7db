// Tells which hooks were called, in which order; the rest of the probe hangs on the same object.
import { app, ComfyApp } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { ComfyWidgets } from "../../scripts/widgets.js";
import { $el, ComfyDialog } from "../../scripts/ui.js";
import { applyTextReplacements } from "../../scripts/utils.js";
import { setWidgetConfig } from "../../extensions/core/widgetInputs.js";
import { ClipspaceDialog } from "../../extensions/core/clipspace.js";

const calls = [];
const note = (name) => calls.push(name);
window.probe = { app, api, calls, statuses: [], ComfyApp, ComfyWidgets, $el, ComfyDialog, applyTextReplacements, setWidgetConfig, ClipspaceDialog };
window.probe.atTop = { litegraph: typeof LiteGraph.createNode, node: typeof LGraphNode, canvas: typeof LGraphCanvas, graph: app.graph === undefined, comfyAPI: window.comfyAPI.app.app === app };
api.addEventListener("status", ({ detail }) => window.probe.statuses.push(detail));

class Counter extends LGraphNode {
  static category = "probe";
  constructor(title) {
    super(title ?? "Counter");
    this.isVirtualNode = true;
    this.addOutput("out", "STRING");
    this.addInput("in", "STRING");
  }
}

app.registerExtension({
  name: "probe.hooks",
  commands: [{ id: "probe.greet", label: "Greet from the probe", function: () => note("command") }],
  settings: [{ id: "probe.loud", name: "Loud", type: "boolean", defaultValue: true, onChange: (value, old) => note(`setting ${value} ${old}`) },
    ...[
      { type: "number", defaultValue: 3, attrs: { min: 0, max: 9, step: 1 } },
      { type: "slider", defaultValue: 0.5, attrs: { min: 0, max: 1, step: 0.1 } },
      { type: "combo", defaultValue: "b", options: () => ["a", { text: "The b", value: "b" }] },
      { type: "text", defaultValue: "words", category: ["probe", "Written", "text"] },
      { type: "color", defaultValue: "ff0000" },
      { type: "hidden", defaultValue: 1 },
    ].map((each) => ({ ...each, id: `probe.${each.type}`, name: `Probed ${each.type}`, onChange: (value, old) => old !== undefined && note(`${each.type} ${value} ${old}`) })),
    { id: "probe.own", name: "Its own", defaultValue: "none", type: (name, set, value) => $el("tr", [$el("td", { textContent: name }), $el("td", [$el("button", { textContent: `Was ${value}`, onclick: () => set("pressed") })])]) },
  ],
  async init() { note("init"); },
  async addCustomNodeDefs(defs) {
    note("addCustomNodeDefs");
    defs.ProbeEcho = { name: "ProbeEcho", display_name: "Echo", category: "probe", description: "", python_module: "custom_nodes.probe", input: { required: { text: ["STRING", {}], dial: ["PROBEDIAL", { default: 4 }] } }, output: ["STRING"], output_name: ["text"], output_is_list: [false], output_node: false };
    defs.ProbeStars = { ...defs.ProbeEcho, name: "ProbeStars", display_name: "Stars", input: { required: { stars: ["PROBESTARS", { default: 2 }] } } };
  },
  getCustomWidgets() {
    note("getCustomWidgets");
    return {
      PROBEDIAL(node, name, [, options]) {
        const widget = {
          name, type: "probedial", value: options.default, options: {}, drawn: 0,
          draw(context, _node, width, y, height) { this.drawn += 1; context.fillStyle = "#c33"; context.fillRect(10, y, width - 20, height); },
          mouse(event, [x, y], _node) { if (event.type === "pointerdown") { this.value += 1; this.at = [x, y - this.last_y]; } return true; },
          computeSize: (width) => [width, 24],
        };
        node.addCustomWidget(widget);
        return { widget };
      },
    };
  },
  async beforeRegisterNodeDef(nodeType, nodeData) {
    if (nodeData.name !== "Say") return;
    note("beforeRegisterNodeDef");
    const created = nodeType.prototype.onNodeCreated;
    nodeType.prototype.onNodeCreated = function () {
      created?.apply(this, arguments);
      this.addWidget("button", "Shout", null, () => { this.widgets[0].value = this.widgets[0].value.toUpperCase(); });
    };
    nodeType.prototype.onConnectionsChange = function (side, slot, connected) { note(`onConnectionsChange ${side} ${slot} ${connected}`); };
    nodeType.prototype.onExecuted = function () { note("onExecuted"); };
  },
  registerCustomNodes() { note("registerCustomNodes"); LiteGraph.registerNodeType("Probe/Counter", Counter); },
  async setup() { note("setup"); },
  nodeCreated(node) { note(`nodeCreated ${node.comfyClass} ${node.widgets?.length ?? 0} ${node.graph === null}`); },
  loadedGraphNode(node) { note(`loadedGraphNode ${node.type}`); },
  async beforeConfigureGraph() { note("beforeConfigureGraph"); },
  async afterConfigureGraph() { note("afterConfigureGraph"); },
  async refreshComboInNodes() { note("refreshComboInNodes"); },
  getNodeMenuItems: (node) => [{ content: `Probe <b>${node.type}</b>`, callback: () => note(`menu ${node.type}`) }],
  getCanvasMenuItems: () => [null, { content: "Probe the canvas", callback: () => note("menu canvas") }],
});
