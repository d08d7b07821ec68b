// The Worker's script: an engine behind the messages of protocol.ts.
import type { Port } from "./channel.js";
import { DirectEngine } from "./direct-engine.js";
import { WorkerServer } from "./worker-server.js";

// `self` is typed as a page's; a dedicated Worker's has a Port's methods.
new WorkerServer(self as unknown as Port, new DirectEngine());

// A promise nobody waits for that fails means a call that never gets its answer: the page must hear of it. Thrown out of
// the handler it becomes the Worker's error event.
self.addEventListener("unhandledrejection", (event) => {
  throw event.reason;
});
