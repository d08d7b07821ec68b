// What the Workers of a page hold, past what playwright looks at: by the browser's own protocol.

/**
 * Begins to listen for Workers in a session of a page. The function returned gives `Runtime.getHeapUsage` of each that is there.
 */
export async function heapOfWorkers(session) {
  const workers = new Set();
  const waiting = new Map();
  let sent = 0;
  const end = (worker) => {
    workers.delete(worker);
    for (const [id, asked] of waiting) {
      if (asked.worker !== worker) continue;
      waiting.delete(id);
      asked.resolve(undefined);
    }
  };
  session.on("Target.attachedToTarget", ({ sessionId }) => workers.add(sessionId));
  session.on("Target.detachedFromTarget", ({ sessionId }) => end(sessionId));
  session.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { id, result } = JSON.parse(message);
    waiting.get(id)?.resolve(result);
    waiting.delete(id);
  });
  await session.send("Target.setAutoAttach", {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  const ask = (worker) =>
    new Promise((resolve) => {
      const id = ++sent;
      waiting.set(id, { worker, resolve });
      const message = JSON.stringify({ id, method: "Runtime.getHeapUsage" });
      // A Worker that has just ended takes no message.
      session.send("Target.sendMessageToTarget", { sessionId: worker, message }).catch(() => end(worker));
    });
  return async () => (await Promise.all([...workers].map(ask))).filter((usage) => usage !== undefined);
}
