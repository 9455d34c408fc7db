/** Laying nodes out in a worker: the library comes when it is first asked for. */
import type { ElkNode } from "elkjs/lib/elk-api.js";
import workerUrl from "elkjs/lib/elk-worker.min.js?url";
import ELK from "elkjs/lib/elk-api.js";

let elk: InstanceType<typeof ELK> | undefined;

export async function layOut(graph: ElkNode): Promise<ElkNode> {
  elk ??= new ELK({ workerUrl, workerFactory: (url) => new Worker(url ?? workerUrl) });
  return elk.layout(graph);
}
