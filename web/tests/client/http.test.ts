import { describe, expect, test } from "vitest";
import { Client, HttpError, type PromptRequest } from "../../src/client";

interface Asked {
  readonly url: string;
  readonly init: RequestInit | undefined;
}

/** A server of one answer. */
function server(status: number, body: string): { client: Client; asked: Asked[] } {
  const asked: Asked[] = [];
  const client = new Client({
    base: "http://host:8188/app",
    fetch: async (input, init) => {
      asked.push({ url: String(input), init });
      return new Response(status === 204 ? null : body, { status });
    },
  });
  return { client, asked };
}

const request: PromptRequest = {
  client_id: "c",
  prompt: { "1": { class_type: "X", inputs: { seed: 2n ** 63n } } },
  extra_data: { extra_pnginfo: { workflow: {} } },
};

describe("a prompt", () => {
  test("is sent with every digit of its seeds", async () => {
    const { client, asked } = server(200, '{"prompt_id":"p","number":3,"node_errors":{}}');
    expect(await client.queuePrompt(request)).toEqual({ accepted: true, prompt_id: "p", number: 3, node_errors: {} });
    expect(asked[0]?.url).toBe("http://host:8188/app/api/prompt");
    expect(asked[0]?.init?.body).toContain('"seed":9223372036854775808');
  });

  test("that is refused comes back with its faults", async () => {
    const { client } = server(
      400,
      '{"error":{"type":"t","message":"m","details":"","extra_info":{}},"node_errors":{"1":{"errors":[],"dependent_outputs":[],"class_type":"X"}}}',
    );
    expect(await client.queuePrompt(request)).toMatchObject({
      accepted: false,
      error: { message: "m" },
      node_errors: { "1": { class_type: "X" } },
    });
  });
});

test("a workflow to begin with does not lie under /api", async () => {
  const { client, asked } = server(200, '{"nodes":[]}');
  expect(await client.template("guidance")).toEqual({ nodes: [] });
  expect(asked[0]?.url).toBe("http://host:8188/app/templates/guidance.json");
});

describe("an error", () => {
  test("says what the server said", async () => {
    await expect(server(409, '{"error":"exists"}').client.writeUserFile("a", "")).rejects.toMatchObject({
      message: "exists",
      status: 409,
    });
    await expect(server(500, "<html>").client.queue()).rejects.toThrow("refused: queue (500)");
    await expect(server(400, "plain words").client.queuePrompt(request)).rejects.toThrow("plain words");
  });

  test("of the line says so", async () => {
    const client = new Client({ base: "http://host/", fetch: async () => Promise.reject(new TypeError("down")) });
    const error = await client.queue().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HttpError);
    expect(error).toMatchObject({ status: 0, cause: new TypeError("down") });
  });
});

describe("jobs", () => {
  const sent = (asked: readonly Asked[]): unknown => JSON.parse(String(asked[0]?.init?.body));

  test("are moved beside another, and come back in their new order", async () => {
    const { client, asked } = server(200, '{"moved":["b","a"]}');
    expect(await client.moveJobs(["b", "a"], { before: "c" })).toEqual(["b", "a"]);
    expect(asked[0]?.url).toBe("http://host:8188/app/api/jobs/move");
    expect(sent(asked)).toEqual({ job_ids: ["b", "a"], before: "c" });
  });

  test("are tried again for this window, some or all that failed", async () => {
    const some = server(200, '{"jobs":[{"prompt_id":"n","number":4,"retry_of":"a"}]}');
    expect(await some.client.retryJobs(["a"], "me")).toMatchObject([{ prompt_id: "n", retry_of: "a" }]);
    expect(sent(some.asked)).toEqual({ job_ids: ["a"], client_id: "me" });
    const all = server(200, '{"jobs":[]}');
    expect(await all.client.retryJobs(undefined, "me")).toEqual([]);
    expect(sent(all.asked)).toEqual({ all: true, client_id: "me" });
  });
});

test("names in addresses are escaped", async () => {
  const { client, asked } = server(200, "{}");
  expect(client.viewUrl({ filename: "a&b #1.png", subfolder: "x/y", type: "output" }, { preview: "webp;90" })).toBe(
    "http://host:8188/app/api/view?filename=a%26b+%231.png&subfolder=x%2Fy&type=output&preview=webp%3B90",
  );
  await client.readUserFile("workflows/a b.json");
  expect(asked[0]?.url).toBe("http://host:8188/app/api/userdata/workflows%2Fa%20b.json");
});

test("a folder that is not there holds nothing", async () => {
  expect(await server(404, "").client.listUserFiles("workflows")).toEqual([]);
});

test("an upload says where the file lies", async () => {
  const { client, asked } = server(200, '{"name":"a (1).png","subfolder":"","type":"input"}');
  expect(await client.upload(new Blob(["x"]), "a.png")).toEqual({
    filename: "a (1).png",
    subfolder: "",
    type: "input",
  });
  const form = asked[0]?.init?.body;
  expect(form instanceof FormData && [form.get("type"), (form.get("image") as File).name]).toEqual(["input", "a.png"]);
});
