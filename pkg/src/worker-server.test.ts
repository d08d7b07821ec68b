import { expect, test } from "vitest";
import type { Port } from "./channel.js";
import type { Engine } from "./engine.js";
import type { EngineReply, EngineRequest } from "./protocol.js";
import type { ForwardResult } from "./types.js";
import { WorkerServer } from "./worker-server.js";

/** A server with nothing but `forward`, and what it posts. */
function server(forward: (signal: AbortSignal) => Promise<ForwardResult>) {
  let listener: (event: MessageEvent) => void = () => undefined;
  const posted: { reply: EngineReply; transfer: Transferable[] }[] = [];
  const port: Port = {
    addEventListener: (_type, added) => void (listener = added),
    postMessage: (message, transfer) => void posted.push({ reply: message as EngineReply, transfer }),
  };
  const engine = { forward: (_ids: unknown, _config: unknown, signal: AbortSignal) => forward(signal) };
  new WorkerServer(port, engine as unknown as Engine);
  const send = (data: EngineRequest): void => listener(new MessageEvent("message", { data }));
  return { posted, send };
}

const FORWARD: EngineRequest = {
  type: "call",
  id: 3,
  name: "forward",
  args: { ids: Uint32Array.of(1), config: {} },
};

test("moves whole buffers, once each, and copies views of a part", async () => {
  const whole = new Float32Array(8);
  const part = new Float32Array(8).subarray(2, 4);
  const result = {
    ids: Uint32Array.of(1),
    steps: 1,
    exitSteps: [1],
    exitLambda: whole,
    exitPdf: whole,
    logits: part,
  };
  const { posted, send } = server(async () => result);
  send(FORWARD);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(posted).toEqual([
    { reply: { type: "result", id: 3, value: result }, transfer: [result.ids.buffer, whole.buffer] },
  ]);
});

test("an abort reaches the call it names, and no other", async () => {
  const { posted, send } = server(
    (signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("stop")))),
  );
  send(FORWARD);
  send({ type: "abort", id: 4 });
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(posted).toEqual([]);
  send({ type: "abort", id: 3 });
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(posted).toMatchObject([{ reply: { type: "error", id: 3, error: { code: "internal" } } }]);
});
