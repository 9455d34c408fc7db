import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type EventName, Events, type Socket } from "../../src/client";
import { readBinary } from "../../src/client/binary";
import { readMessage, socketUrl } from "../../src/client/events";

class Line implements Socket {
  binaryType: BinaryType = "blob";
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly sent: string[] = [];
  constructor(readonly url: string) {}
  send = (text: string): void => void this.sent.push(text);
  close = (): void => this.onclose?.(new Event("close") as CloseEvent);
  tell = (data: unknown): void => this.onmessage?.({ data } as MessageEvent);
}

let lines: Line[];
let events: Events;
let heard: [EventName, unknown][];
const kept = new Map<string, string>();
const storage = {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
};

function make(): Events {
  return new Events({
    base: "http://host:1/app/",
    storage,
    connect: (url) => {
      const line = new Line(url);
      lines.push(line);
      return line;
    },
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  kept.clear();
  lines = [];
  heard = [];
  events = make();
  for (const name of ["status", "executing", "preview", "text", "connection", "reconnected", "other"] as const)
    events.on(name, (data) => heard.push([name, data]));
});
afterEach(() => {
  events.close();
  vi.useRealTimers();
});

describe("the line", () => {
  test("says first what we can, under the window's own name", () => {
    events.open();
    lines[0]?.onopen?.(new Event("open"));
    expect(lines[0]?.url).toBe(`ws://host:1/app/ws?clientId=${events.clientId}`);
    expect(JSON.parse(lines[0]?.sent[0] ?? "")).toMatchObject({
      type: "feature_flags",
      data: { supports_preview_metadata: true },
    });
    expect(lines[0]?.binaryType).toBe("arraybuffer");
  });

  test("keeps its name across a reload, or takes the one that the server gives", () => {
    expect(make().clientId).toBe(events.clientId);
    events.open();
    lines[0]?.tell('{"type":"status","data":{"status":{"exec_info":{"queue_remaining":0}},"sid":"given"}}');
    expect([events.clientId, make().clientId]).toEqual(["given", "given"]);
  });

  test("comes back after a loss, ever more slowly, and says so once it is there", () => {
    events.open();
    lines[0]?.onopen?.(new Event("open"));
    lines[0]?.close();
    expect(events.connection).toBe("lost");
    vi.advanceTimersByTime(300);
    expect(lines.length).toBe(2);
    lines[1]?.close();
    vi.advanceTimersByTime(300);
    expect(lines.length).toBe(2);
    vi.advanceTimersByTime(300);
    lines[2]?.onopen?.(new Event("open"));
    expect(heard.filter(([name]) => name === "reconnected").length).toBe(0);
    lines[2]?.tell(hello("life", 7, false));
    expect(heard.filter(([name]) => name === "reconnected").length).toBe(1);
    expect(heard.filter(([name]) => name === "connection").map(([, data]) => data)).toEqual([
      "connecting",
      "open",
      "lost",
      "open",
    ]);
  });

  test("that we close stays closed", () => {
    events.open();
    events.close();
    vi.advanceTimersByTime(60000);
    expect([lines.length, events.connection]).toEqual([1, "closed"]);
  });
});

const hello = (server: string, seq: number, resumed: boolean): string =>
  JSON.stringify({ type: "weft_hello", data: { server, seq, resumed, reason: "" } });
const asked = (line: Line | undefined): unknown => JSON.parse(line?.sent[0] ?? "").data.weft_events;

/** The line is lost, and comes back. */
function comeBack(): Line | undefined {
  lines.at(-1)?.close();
  vi.advanceTimersByTime(300);
  lines.at(-1)?.onopen?.(new Event("open"));
  return lines.at(-1);
}

describe("numbers", () => {
  beforeEach(() => {
    events.open();
    lines[0]?.onopen?.(new Event("open"));
  });

  test("are asked for, and the last one seen is named on coming back", () => {
    expect(asked(lines[0])).toBe(true);
    lines[0]?.tell(hello("life", 7, false));
    lines[0]?.tell('{"type":"execution_start","data":{"prompt_id":"p"},"seq":9}');
    lines[0]?.tell('{"type":"pack.thing","data":{},"seq":12}');
    lines[0]?.tell('{"type":"node_progress","data":{"prompt_id":"p","node":"1","display_node":"1","value":1,"max":2}}');
    expect(asked(comeBack())).toEqual({ server: "life", seq: 12 });
  });

  test("since the mark are asked for again when the page is loaded again", () => {
    lines[0]?.tell(hello("life", 7, false));
    events.mark();
    lines[0]?.tell('{"type":"execution_start","data":{"prompt_id":"p"},"seq":9}');
    const reloaded = make();
    reloaded.open();
    lines[1]?.onopen?.(new Event("open"));
    expect(asked(lines[1])).toEqual({ server: "life", seq: 7 });
    reloaded.close();
  });

  test("of a server that tells all that was missed need no further asking", () => {
    lines[0]?.tell(hello("life", 7, false));
    const line = comeBack();
    line?.tell(hello("life", 7, true));
    expect(heard.at(-1)).toEqual(["reconnected", { clientId: events.clientId, missed: false }]);
    line?.tell('{"type":"execution_start","data":{"prompt_id":"p"},"seq":8}');
    expect(asked(comeBack())).toEqual({ server: "life", seq: 8 });
  });

  test("of a server that was restarted count anew, and what was missed must be asked for", () => {
    lines[0]?.tell(hello("life", 700, false));
    comeBack()?.tell(hello("another", 3, false));
    expect(heard.at(-1)).toEqual(["reconnected", { clientId: events.clientId, missed: true }]);
    expect(asked(comeBack())).toEqual({ server: "another", seq: 3 });
  });

  test("a server that knows none of them is asked for what was missed after a while", () => {
    comeBack();
    expect(heard.some(([name]) => name === "reconnected")).toBe(false);
    vi.advanceTimersByTime(3000);
    expect(heard.at(-1)).toEqual(["reconnected", { clientId: events.clientId, missed: true }]);
  });
});

describe("messages", () => {
  test("reach who listens for them, until they stop", () => {
    events.open();
    const nodes: unknown[] = [];
    const stop = events.on("executing", ({ node }) => nodes.push(node));
    lines[0]?.tell('{"type":"executing","data":{"node":"4","prompt_id":"p"}}');
    stop();
    lines[0]?.tell('{"type":"executing","data":{"node":"5","prompt_id":"p"}}');
    expect(nodes).toEqual(["4"]);
  });

  test("of packs are handed on as they are", () => {
    events.open();
    lines[0]?.tell('{"type":"pack.thing","data":{"a":1}}');
    expect(heard.at(-1)).toEqual(["other", { type: "pack.thing", data: { a: 1 } }]);
  });

  test.each([
    "",
    "nonsense",
    "[]",
    '{"type":5,"data":{}}',
    '{"type":"executing","data":{}}',
    '{"type":"status","data":{"status":3}}',
    '{"type":"progress","data":{"prompt_id":"p"}}',
    '{"type":"weft_hello","data":{"server":"s"}}',
    '{"type":"node_finished","data":{"prompt_id":"p","node":"1","display_node":"1"}}',
  ])("%j is passed over", (text) => {
    expect(readMessage(text)).toBeUndefined();
  });
});

describe("binary messages", () => {
  const words = (...numbers: number[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(numbers.length * 4));
    numbers.forEach((number, index) => view.setUint32(index * 4, number));
    return new Uint8Array(view.buffer);
  };
  const join = (...parts: (Uint8Array | string)[]): ArrayBuffer => {
    const bytes = parts.map((part) => (typeof part === "string" ? new TextEncoder().encode(part) : part));
    return Uint8Array.from(bytes.flatMap((part) => [...part])).buffer;
  };

  test("carry a picture: its kind, or all about it", () => {
    expect(readBinary(join(words(1, 2), "PNG"))?.data).toMatchObject({ mime: "image/png", node: undefined });
    const told = JSON.stringify({ node_id: "3", prompt_id: "p", display_node_id: "12:3", image_type: "image/jpeg" });
    const message = readBinary(join(words(4, told.length), told, "JPG"));
    expect(message).toMatchObject({
      type: "preview",
      data: { node: "3", displayNode: "12:3", prompt: "p", mime: "image/jpeg" },
    });
    expect(message?.type === "preview" && new TextDecoder().decode(message.data.bytes)).toBe("JPG");
  });

  test("carry a text for a node", () => {
    expect(readBinary(join(words(3, 2), "12", "hello"))).toEqual({ type: "text", data: { node: "12", text: "hello" } });
  });

  test("cut short or of other kinds are passed over", () => {
    expect([
      readBinary(join(words(4))),
      readBinary(join(words(4, 99), "{}")),
      readBinary(join(words(4, 2), "{,")),
      readBinary(join(words(7, 1, 1))),
    ]).toEqual([undefined, undefined, undefined, undefined]);
  });
});

test("the websocket lies beside the page, and is safe where the page is", () => {
  expect(socketUrl("https://host/x", "a b")).toBe("wss://host/x/ws?clientId=a+b");
});
