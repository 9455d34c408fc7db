/** The Markdown that notes use: headings, lists, code, bold, italic, links. Text stays text: no HTML is read. */

export type Inline =
  | { readonly kind: "text" | "bold" | "italic" | "code"; readonly text: string }
  | { readonly kind: "link"; readonly text: string; readonly href: string };

export type Block =
  | { readonly kind: "heading"; readonly level: 1 | 2 | 3; readonly parts: readonly Inline[] }
  | { readonly kind: "item"; readonly mark: string; readonly parts: readonly Inline[] }
  | { readonly kind: "paragraph"; readonly parts: readonly Inline[] }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "rule" };

export type Item = Extract<Block, { kind: "item" }>;
export type Group = Exclude<Block, Item> | { readonly kind: "list"; readonly items: readonly Item[] };

/** Items that follow each other are one list. */
export function grouped(blocks: readonly Block[]): Group[] {
  const groups: Group[] = [];
  let items: Item[] = [];
  for (const block of blocks) {
    if (block.kind !== "item") {
      items = [];
      groups.push(block);
    } else if (items.length > 0) items.push(block);
    else {
      items = [block];
      groups.push({ kind: "list", items });
    }
  }
  return groups;
}

export function readMarkdown(source: string): Block[] {
  const blocks: Block[] = [];
  const lines = source.split(/\r?\n/);
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? "";
    if (line.trimStart().startsWith("```")) {
      const end = lines.findIndex((other, index) => index > at && other.trimStart().startsWith("```"));
      const last = end < 0 ? lines.length : end;
      blocks.push({ kind: "code", text: lines.slice(at + 1, last).join("\n") });
      at = last;
    } else if (line.trim() !== "") blocks.push(readLine(line));
  }
  return blocks;
}

function readLine(line: string): Block {
  const heading = /^(#{1,6})\s+(.*)$/.exec(line);
  if (heading) return { kind: "heading", level: Math.min(3, heading[1]?.length ?? 1) as 1 | 2 | 3, parts: readInline(heading[2] ?? "") };
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) return { kind: "rule" };
  const item = /^\s*([-*+]|\d+[.)])\s+(.*)$/.exec(line);
  if (item) return { kind: "item", mark: /\d/.test(item[1] ?? "") ? (item[1] ?? "") : "•", parts: readInline(item[2] ?? "") };
  return { kind: "paragraph", parts: readInline(line.replace(/^>\s?/, "")) };
}

const INLINE = /\*\*(.+?)\*\*|__(.+?)__|`([^`]+)`|\[([^\]]+)\]\((\S+?)\)|(https?:\/\/[^\s)]+)|\*([^*\s][^*]*)\*|\b_([^_]+)_\b/g;

function readInline(text: string): Inline[] {
  const parts: Inline[] = [];
  let last = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > last) parts.push({ kind: "text", text: text.slice(last, found.index) });
    last = found.index + found[0].length;
    const [, bold, bolder, code, label, href, bare, italic, slanted] = found;
    if (bold ?? bolder) parts.push({ kind: "bold", text: bold ?? bolder ?? "" });
    else if (code) parts.push({ kind: "code", text: code });
    else if (label && href) parts.push(/^(https?:|mailto:)/.test(href) ? { kind: "link", text: label, href } : { kind: "text", text: label });
    else if (bare) parts.push({ kind: "link", text: bare, href: bare });
    else parts.push({ kind: "italic", text: italic ?? slanted ?? "" });
  }
  if (last < text.length) parts.push({ kind: "text", text: text.slice(last) });
  return parts;
}
