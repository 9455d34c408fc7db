import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const bad = (name) => () => { throw new Error(`${name} throws`); };
app.registerExtension({ name: "throws", init: bad("init"), beforeRegisterNodeDef: bad("beforeRegisterNodeDef"), nodeCreated: bad("nodeCreated"), setup: async () => bad("setup")(), loadedGraphNode: bad("loadedGraphNode"), getNodeMenuItems: bad("getNodeMenuItems") });
app.registerExtension({
  name: "throws.later",
  nodeCreated(node) {
    node.onConfigure = bad("onConfigure");
    node.onConnectionsChange = bad("onConnectionsChange");
    node.onDrawForeground = bad("onDrawForeground");
    node.addCustomWidget({ name: "bad", type: "bad", value: 1, draw: bad("draw"), mouse: bad("mouse") });
  },
});
LGraphCanvas.prototype.drawNode = () => {};
void api;
