// The script of a trainer's Worker: a run behind the messages of protocol.ts.
import type { Port } from "../channel.js";
import { DirectTrainer } from "./direct-trainer.js";
import { serveTrainer } from "./worker-server.js";

// `self` is typed as a page's; a dedicated Worker's has a Port's methods.
serveTrainer(self as unknown as Port, (onNotice) => new DirectTrainer(onNotice));

// See ../worker.ts.
self.addEventListener("unhandledrejection", (event) => {
  throw event.reason;
});
