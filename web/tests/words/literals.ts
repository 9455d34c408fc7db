/** Finds texts for people that stand in the sources instead of in a catalogue. */
import { parse } from "svelte/compiler";
import ts from "typescript";
import { en } from "../../src/words/en";

/** Attributes that people read or hear. */
const SPOKEN = new Set(["aria-label", "aria-description", "aria-roledescription", "aria-valuetext", "aria-placeholder", "title", "placeholder", "alt", "label"]);
/** Attributes whose values are names in code. */
const CODE = /^(class|style|id|type|role|href|src|name|for|key|data-.*|aria-(?!label|desc|role|value|placeholder).*|kind|accept|autocomplete|inputmode|tabindex|rel|target|method|fill|stroke.*|d|viewBox|side)$/;
/** The name of the thing, and terms that no language translates. */
const KEPT = /^(·? ?Weft|×|LoRA|VAE|CLIP|ControlNet|Esc|Ctrl|Alt|Shift|Subgraph|Exif)$/;
/** Keys, and names of nodes and properties in files. */
const NAMES = /^((Mod|Alt|Shift|Enter|Tab|Escape|Delete|Backspace|Control|Meta|Key|Del)([+|].*)?|Note|Reroute|Canny|Infinity|Node name for S&R|weft boundary|upload extra resources|no such slot|no widget|types differ|would loop)$/;
/** Selectors and CSS. */
const CODE_TEXT = /^(button|textarea|input)[, ]|^inset\(/;

/** Two words, or one that begins as sentences do. */
function isProse(text: string): boolean {
  const words = text.trim();
  if (KEPT.test(words) || NAMES.test(words) || CODE_TEXT.test(words) || isStep(words) || /^[\w-]*[.#[/@:][\w-]/.test(words) || /^[A-Z][a-z]+[A-Z]|^[A-Z_]+$/.test(words)) return false;
  return /^\p{Lu}\p{Ll}+([^\p{L}\d_-]|$)/u.test(words) || /(^|[^\p{L}-])\p{L}{2,},? \p{L}{2,}/u.test(words);
}

/** Documents name their steps in English; who shows them looks for the words. */
function isStep(text: string): boolean {
  return `steps.${text.toLowerCase().replaceAll(" ", "-")}` in en || /^(Set .*|Align)$/.test(text);
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";

/** In a component: "line: text" of each. */
export function literalsOfComponent(source: string): string[] {
  const found: string[] = [];
  const report = (node: Node, text: string): void => void found.push(`${source.slice(0, node.start).split("\n").length}: ${text.trim()}`);
  const tree = parse(source, { modern: true }) as unknown as Node;
  const walk = (node: Node, markup: boolean, attribute: string | undefined): void => {
    if (node.type === "Comment" || node.type === "StyleSheet" || /^(Import|Export.*From|TSType|TSInterface|TSLiteral)/.test(node.type)) return;
    if (node.type === "CallExpression" && isNode(node.callee) && ["t", "pieces"].includes(String(node.callee.name))) {
      for (const each of (node.arguments as Node[]).slice(1)) walk(each, false, attribute);
      return;
    }
    if (node.type === "CallExpression") markup = false; // what a call is given is a name, unless it reads like prose
    if (node.type === "BinaryExpression" && /[=!]==/.test(String(node.operator))) return;
    if (node.type === "Attribute") attribute = String(node.name);
    if (/^(StyleDirective|ClassDirective)$/.test(node.type)) return;
    if (node.type === "RenderTag") attribute = "class"; // what a snippet is given are names in code
    if (node.type === "NewExpression" && isNode(node.callee) && node.callee.name === "Error") return;
    if (node.type === "Text") {
      const text = String(node.data);
      const spoken = attribute === undefined ? /\p{L}{2,}/u.test(text) : SPOKEN.has(attribute) && /\p{L}{2}/u.test(text);
      if (spoken && !KEPT.test(text.trim())) report(node, text);
    }
    const value = node.type === "Literal" ? node.value : node.type === "TemplateElement" ? (node.value as { cooked: string }).cooked : undefined;
    if (typeof value === "string" && !(attribute !== undefined && CODE.test(attribute))) {
      const loose = markup && (attribute === undefined || SPOKEN.has(attribute)) && !KEPT.test(value.trim()) && !CODE_TEXT.test(value);
      if (isProse(value) || (loose && /\p{L} |\p{L}{3,}/u.test(value))) report(node, value);
    }
    for (const [key, child] of Object.entries(node)) {
      const inside = (markup && node.type !== "CallExpression") || key === "fragment";
      if (key === "css" || key === "typeAnnotation" || key === "typeParameters") continue;
      if (Array.isArray(child)) for (const each of child) { if (isNode(each)) walk(each, inside, attribute); }
      else if (isNode(child)) walk(child, inside, attribute);
    }
  };
  walk(tree, false, undefined);
  return found;
}

/** In a module: "line: text" of each. Our own mistakes (`throw new Error` with no class of its own) are not for people. */
export function literalsOfModule(source: string): string[] {
  const file = ts.createSourceFile("x.ts", source, ts.ScriptTarget.ES2023, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isTypeNode(node)) return;
    if (ts.isCallExpression(node) && /^(t|pieces)$/.test(node.expression.getText())) return void node.arguments.slice(1).forEach(visit);
    if (ts.isNewExpression(node) && /^(Range)?Error$/.test(node.expression.getText())) return;
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) {
      if (isProse(node.text)) found.push(`${file.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${node.text.trim()}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
