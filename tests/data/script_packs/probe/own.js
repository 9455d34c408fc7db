// The canvas's own interface, each part of it once.
import { register, version, weft } from "/weft/v1.js";

window.own = { version, weft };
register({
  name: "probe.own",
  version: 1,
  widgets: {
    PROBESTARS: {
      height: 30,
      mount(host, widget) {
        const field = document.createElement("input");
        field.type = "range";
        field.max = "5";
        field.setAttribute("aria-label", "stars");
        field.value = widget.value;
        field.addEventListener("input", () => widget.set(Number(field.value)));
        host.append(field);
        return widget.onChange((value) => (field.value = value));
      },
    },
  },
  looks: { ProbeStars: (host, node) => { host.insertAdjacentHTML("beforeend", `<b class="probe-look">#${node.id}</b>`); } },
  commands: [{ id: "count", label: "Count the nodes of the probe", run: ({ tell, nodes }) => tell(`${nodes().length} of the probe`) }],
  panels: [{ id: "notes", title: "Notes of the probe", mount: (host) => { host.textContent = "Here they are."; } }],
  themes: [{ weft_palette: 1, name: "Probe at night", base: "dark", roles: { accent: "#58c4dd" } }],
  setup: ({ nodes }) => { window.own.setup = Array.isArray(nodes()); },
  sounds: [],
});
