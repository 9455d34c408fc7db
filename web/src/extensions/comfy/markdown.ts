/** Markdown as HTML for scripts that put it into pages themselves. What stands in it is escaped. */
import { type Inline, readMarkdown } from "../../widgets/markdown";

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[letter] ?? letter);
}

function inline(parts: readonly Inline[]): string {
  const tags = { text: "", bold: "strong", italic: "em", code: "code", link: "a" } as const;
  return parts.map((part) => (part.kind === "link" ? `<a href="${escaped(part.href)}" target="_blank" rel="noopener">${escaped(part.text)}</a>` : part.kind === "text" ? escaped(part.text) : `<${tags[part.kind]}>${escaped(part.text)}</${tags[part.kind]}>`)).join("");
}

export function renderMarkdown(source: string): string {
  return readMarkdown(source).map((block) => {
    if (block.kind === "rule") return "<hr>";
    if (block.kind === "code") return `<pre><code>${escaped(block.text)}</code></pre>`;
    if (block.kind === "heading") return `<h${block.level}>${inline(block.parts)}</h${block.level}>`;
    return block.kind === "item" ? `<p>${block.mark} ${inline(block.parts)}</p>` : `<p>${inline(block.parts)}</p>`;
  }).join("");
}
