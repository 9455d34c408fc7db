/** A link as scripts see it, and the table of links, which answers as a map and by index. */
import type { Loose, Open } from "../loose";

export class LLink {
  [key: string]: Loose;
  color: string | null = null;

  constructor(
    public id: number,
    public type: Loose,
    public origin_id: Loose,
    public origin_slot: number,
    public target_id: Loose,
    public target_slot: number,
  ) {}

  get origin_type(): Loose {
    return this.type;
  }

  asSerialisable(): Open {
    const { id, type, origin_id, origin_slot, target_id, target_slot } = this;
    return { id, type, origin_id, origin_slot, target_id, target_slot };
  }

  serialize(): Loose[] {
    return [this.id, this.origin_id, this.origin_slot, this.target_id, this.target_slot, this.type];
  }

  /** Both its ends, in a graph. */
  resolve(graph: Open): Open {
    const outputNode = graph.getNodeById(this.origin_id) ?? undefined;
    const inputNode = graph.getNodeById(this.target_id) ?? undefined;
    const ends: Open = { link: this, outputNode, inputNode, output: outputNode?._outputs[this.origin_slot], input: inputNode?._inputs[this.target_slot] };
    if (this.origin_id === -10) ends.subgraphInput = graph.inputs?.[this.origin_slot];
    if (this.target_id === -20) ends.subgraphOutput = graph.outputs?.[this.target_slot];
    return ends;
  }

  disconnect(graph: Open): void {
    graph.removeLink(this.id);
  }
}

/** A map whose numbers can also be read, written and deleted as keys of an object. */
export function indexable<Value>(map: Map<number, Value>): Map<number, Value> & Record<number, Value> {
  const number = (key: string | symbol): number | undefined => (typeof key === "string" && /^-?\d+$/.test(key) ? Number(key) : undefined);
  return new Proxy(map, {
    get(target, key) {
      const id = number(key);
      if (id !== undefined) return target.get(id);
      const value: Loose = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
    set(target, key, value) {
      const id = number(key);
      if (id !== undefined) target.set(id, value);
      else Reflect.set(target, key, value, target);
      return true;
    },
    has: (target, key) => {
      const id = number(key);
      return id === undefined ? Reflect.has(target, key) : target.has(id);
    },
    deleteProperty(target, key) {
      const id = number(key);
      return id === undefined ? Reflect.deleteProperty(target, key) : (target.delete(id), true);
    },
    ownKeys: (target) => [...target.keys()].map(String),
    getOwnPropertyDescriptor(target, key) {
      const id = number(key);
      if (id === undefined || !target.has(id)) return undefined;
      return { value: target.get(id), writable: true, enumerable: true, configurable: true };
    },
  }) as Map<number, Value> & Record<number, Value>;
}
