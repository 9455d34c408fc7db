/** A frame as scripts see it. */
import type { Loose, Open } from "../loose";

export class LGraphGroup {
  [key: string]: Loose;
  id = -1;
  title: string;
  color: string | undefined = "#3f789e";
  font_size = 24;
  flags: Open = {};
  graph: Loose = null;
  _bounding = new Float32Array([10, 10, 140, 80]);
  _children = new Set<Loose>();

  constructor(title = "Group", id = -1) {
    this.title = title;
    this.id = id;
  }

  get pos(): Float32Array {
    this.#touch();
    return this._bounding.subarray(0, 2);
  }
  set pos(pos: ArrayLike<number>) {
    this._bounding.set([pos[0] ?? 0, pos[1] ?? 0], 0);
    this.#touch();
  }
  get _pos(): Float32Array {
    return this.pos;
  }
  get size(): Float32Array {
    this.#touch();
    return this._bounding.subarray(2, 4);
  }
  set size(size: ArrayLike<number>) {
    this._bounding.set([Math.max(140, size[0] ?? 0), Math.max(80, size[1] ?? 0)], 2);
    this.#touch();
  }
  get _size(): Float32Array {
    return this.size;
  }
  get boundingRect(): Float32Array {
    return this._bounding;
  }
  get titleHeight(): number {
    return this.font_size * 1.4;
  }
  get nodes(): Loose[] {
    this.recomputeInsideNodes();
    return [...this._children];
  }
  get _nodes(): Loose[] {
    return this.nodes;
  }
  get children(): Set<Loose> {
    return this._children;
  }

  /** Nodes whose middle lies in it. */
  recomputeInsideNodes(): void {
    const [x = 0, y = 0, width = 0, height = 0] = this._bounding;
    this._children.clear();
    for (const node of this.graph?._nodes ?? []) {
      const middle = [node.pos[0] + node.size[0] / 2, node.pos[1] + node.size[1] / 2 - 15];
      if (middle[0] >= x && middle[0] <= x + width && middle[1] >= y && middle[1] <= y + height) this._children.add(node);
    }
  }

  move(dx: number, dy: number, skipChildren = false): void {
    const inside = skipChildren ? [] : this.nodes;
    this.pos = [(this._bounding[0] ?? 0) + dx, (this._bounding[1] ?? 0) + dy];
    for (const node of inside) node.pos = [node.pos[0] + dx, node.pos[1] + dy];
  }

  resize(width: number, height: number): void {
    this.size = [width, height];
  }

  addNodes(nodes: readonly Loose[], padding = 10): void {
    if (nodes.length === 0) return;
    const lefts = nodes.map((node) => node.pos[0]);
    const tops = nodes.map((node) => node.pos[1] - 30);
    const rights = nodes.map((node) => node.pos[0] + node.size[0]);
    const bottoms = nodes.map((node) => node.pos[1] + node.size[1]);
    const [x, y] = [Math.min(...lefts) - padding, Math.min(...tops) - padding - this.titleHeight];
    this.pos = [x, y];
    this.size = [Math.max(...rights) + padding - x, Math.max(...bottoms) + padding - y];
  }

  isPointInside(x: number, y: number): boolean {
    const [left = 0, top = 0, width = 0, height = 0] = this._bounding;
    return x >= left && x <= left + width && y >= top && y <= top + height;
  }

  configure(info: Open): void {
    this.id = info.id ?? this.id;
    this.title = info.title ?? this.title;
    if (info.bounding) this._bounding.set(info.bounding);
    this.color = info.color;
    this.#touch();
  }

  serialize(): Open {
    return { id: this.id, title: this.title, bounding: [...this._bounding], color: this.color, font_size: this.font_size, flags: this.flags };
  }

  setDirtyCanvas(front: boolean, back?: boolean): void {
    this.graph?.setDirtyCanvas(front, back);
  }

  #touch(): void {
    this.graph?._touched?.(this);
  }
}
