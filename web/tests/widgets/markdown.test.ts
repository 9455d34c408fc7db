import { describe, expect, it } from "vitest";
import { grouped, readMarkdown } from "../../src/widgets/markdown";

describe("notes", () => {
  it("take items that follow each other as one list", () => {
    const groups = grouped(readMarkdown("# Title\n- a\n- b\n\nwords\n1. c\n---\n2. d"));
    expect(groups.map((group) => (group.kind === "list" ? group.items.map((item) => item.mark) : group.kind))).toEqual(["heading", ["•", "•"], "paragraph", ["1."], "rule", ["2."]]);
  });
});
