/** Random commands: a step is a few numbers, read against the document as it stands. */
import fc from "fast-check";
import {
  type Command,
  type DocumentState,
  type Graph,
  GraphDocument,
  type JsonValue,
  type Link,
  type Node,
  ROOT,
  addGroup,
  addNode,
  connect,
  copy,
  disconnect,
  duplicate,
  groupNodes,
  hideThreads,
  insertOnLink,
  labelSlot,
  misfit,
  moveGroups,
  moveLinkEnd,
  moveNodes,
  paste,
  raiseNodes,
  removeAndHeal,
  removeGroups,
  removeNodes,
  replaceNode,
  resizeNode,
  setCollapsed,
  setColor,
  setForm,
  setGroup,
  setMode,
  setPinned,
  setProperty,
  setTitle,
  setWidget,
  unpackSubgraph,
  widgetsOf,
} from "../../src/graph";

const TYPES = [
  "CheckpointLoaderSimple",
  "CLIPTextEncode",
  "KSampler",
  "EmptyLatentImage",
  "VAEDecode",
  "SaveImage",
  "LoadImage",
  "BatchImagesNode",
  "ResizeImageMaskNode",
  "ComfySwitchNode",
  "LoraLoader",
  "Note",
  "PrimitiveNode",
  "Reroute",
  "NoSuchNode",
];

/** Those that another node can be replaced by. */
const REAL = TYPES.slice(0, 11);

/** A step. */
export type Dice = readonly [kind: number, a: number, b: number, c: number];
const dice: fc.Arbitrary<Dice> = fc.tuple(fc.nat(99), fc.nat(9999), fc.nat(9999), fc.nat(9999));
export const sequences = fc.array(dice, { minLength: 1, maxLength: 40, size: "max" });

function pick<T>(items: readonly T[], number: number): T | undefined {
  return items[number % Math.max(1, items.length)];
}

export function commandFor(document: GraphDocument, [kind, a, b, c]: Dice): Command<unknown> | undefined {
  const graph = document.graph();
  const nodes = [...graph.nodes.values()];
  const node = pick(nodes, a);
  const some = nodes.filter((_, index) => (b >> (index % 13)) & 1).map(({ id }) => id);
  const link = pick([...graph.links.values()], b);
  const group = pick([...graph.groups.values()], c);
  if (!node || kind < 20) return addNode(ROOT, pick(TYPES, a) ?? "Note", [b % 2000, c % 2000]);
  if (kind < 45) return wire(graph, node, pick(nodes, b), c);
  const commands: (Command<unknown> | undefined)[] = [
    removeNodes(ROOT, some.slice(0, 3)),
    removeAndHeal(ROOT, [node.id]),
    moveNodes(ROOT, some, [b % 50, c % 50]),
    resizeNode(ROOT, node.id, [100 + (b % 400), 50 + (c % 400)]),
    setTitle(ROOT, node.id, ["", "A title", "名前"][c % 3] ?? ""),
    setMode(ROOT, some, [0, 2, 4][c % 3] ?? 0),
    setCollapsed(ROOT, [node.id], c % 2 === 0),
    setPinned(ROOT, [node.id], c % 2 === 0),
    setColor(ROOT, some, c % 2 === 0 ? "#223344" : undefined),
    setProperty(ROOT, node.id, "p", c % 2 === 0 ? c : undefined),
    raiseNodes(ROOT, [node.id]),
    setSome(document, node, b, c),
    setSome(document, node, c, b),
    link && disconnect(ROOT, [link.id]),
    link && insertOnLink(ROOT, node.id, link.id),
    addGroup(ROOT, [a % 900, b % 900, 300, 300]),
    some.length > 0 ? groupNodes(ROOT, some) : undefined,
    group && setGroup(ROOT, group.id, { title: `g${c}`, color: c % 2 === 0 ? "#abc" : undefined }),
    group && moveGroups(ROOT, [group.id], [5, 7]),
    duplicate(ROOT, some.slice(0, 4)),
    paste(
      ROOT,
      copy(document.state, ROOT, some.slice(0, 4), document.defs, group ? [group.id] : []),
      c % 2 === 0 ? [b, c] : undefined,
    ),
    group && removeGroups(ROOT, [group.id]),
    replaceNode(ROOT, node.id, pick(REAL, b) ?? "KSampler"),
    hideThreads(ROOT, [{ node: node.id }], c % 2 === 0),
    link && relink(graph, link, node, c),
    setForm({ inputs: some.map((id) => ({ node: id, name: `f${c % 3}` })), outputs: some.slice(0, 1) }),
    document.state.graphs.has(node.type) ? unpackSubgraph(ROOT, node.id) : undefined,
    labelled(document, c),
  ];
  return pick(commands, kind);
}

function wire(graph: Graph, source: Node, target: Node | undefined, c: number): Command<unknown> | undefined {
  const output = c % Math.max(1, source.outputs.length);
  const from = { node: source.id, slot: output };
  const fits = target?.inputs.filter((slot) => !misfit(graph, from, { node: target.id, input: slot.name })) ?? [];
  const input = pick(fits, c >> 3);
  return target && input && connect(ROOT, from, { node: target.id, input: input.name });
}

function relink(graph: Graph, link: Link, node: Node, c: number): Command<unknown> | undefined {
  const fits = node.inputs.filter((slot) => !misfit(graph, link.from, { node: node.id, input: slot.name }));
  const input = pick(fits, c);
  return input && moveLinkEnd(ROOT, link.id, { node: node.id, input: input.name });
}

/** An input of the newest subgraph gets another name. */
function labelled({ state }: GraphDocument, c: number): Command<unknown> | undefined {
  const [id, graph] = [...state.graphs].at(-1) ?? [];
  return id === undefined || id === ROOT || !graph || graph.inputs.length === 0 ? undefined : labelSlot(id, "input", c % graph.inputs.length, `label ${c % 4}`);
}

function setSome(document: GraphDocument, node: Node, b: number, c: number): Command | undefined {
  const entry = pick(widgetsOf(document.defs, document.state, ROOT, node), b);
  if (!entry) return undefined;
  const { widget } = entry;
  const choices: readonly JsonValue[] =
    widget.kind === "combo"
      ? widget.options
      : widget.kind === "dynamic-combo"
        ? widget.options.map(({ key }) => key)
        : [c, 2n ** 63n + BigInt(c), "text", true];
  const value = pick(choices, c);
  return value === undefined ? undefined : setWidget(ROOT, node.id, entry.key, value);
}

export function play(document: GraphDocument, steps: readonly Dice[]): void {
  for (const step of steps) {
    const command = commandFor(document, step);
    if (command) document.execute(command);
  }
}

/** Everything in order, so that drawing order counts. */
export function plain({ graphs }: DocumentState): unknown {
  return [...graphs].map(([id, graph]) => [
    id,
    { ...graph, nodes: [...graph.nodes], links: [...graph.links], groups: [...graph.groups] },
  ]);
}
