// Definitions of nodes whose Python is not here: a page that tests sets `window.definitions` before.
import { app } from "../../scripts/app.js";

app.registerExtension({
  name: "definitions",
  addCustomNodeDefs(defs) {
    for (const [name, [category, input, output]] of Object.entries(window.definitions ?? {})) {
      defs[name] = { name, display_name: name, category, description: "", python_module: "custom_nodes.definitions", input, output, output_name: output, output_is_list: output.map(() => false), output_node: output.length === 0 };
    }
    window.lite = LiteGraph;
  },
});
