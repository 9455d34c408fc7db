import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = fileURLToPath(new URL("../../src", import.meta.url));

/** Rooms of `src` that the files of a room import from. */
function importsOf(room: string): Set<string> {
  const files = readdirSync(join(src, room), { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const rooms = files.flatMap((file) => {
    const text = readFileSync(join(src, room, file), "utf8");
    return [...text.matchAll(/from "([^"]+)"/g)].map(([, path = ""]) =>
      path.startsWith(".") ? (normalize(join(room, dirname(file), path)).split(sep)[0] ?? "") : path,
    );
  });
  return new Set(rooms);
}

test("the document knows nothing but itself, and no package", () => {
  expect([...importsOf("graph")]).toEqual(["graph"]);
});

test("the client knows the document's values, and no package", () => {
  expect([...importsOf("client")].sort()).toEqual(["client", "graph"]);
});
