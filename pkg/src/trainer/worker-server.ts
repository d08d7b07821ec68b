import { serveCalls } from "../call-server.js";
import type { Port } from "../channel.js";
import type { TrainerEngine, TrainerNotice } from "./engine.js";
import type { TrainerCall, TrainerCalls } from "./protocol.js";
import type { GateProgress } from "./types.js";

/** Answers the calls that come through a port with an engine. The Worker's half of the protocol. */
export function serveTrainer(
  port: Port,
  engineWith: (onNotice: (notice: TrainerNotice) => void) => TrainerEngine,
): void {
  const notify = serveCalls<TrainerCalls, GateProgress, TrainerNotice>(port, (call, signal, onProgress) =>
    answer(engine, call, signal, onProgress),
  );
  const engine = engineWith(notify);
}

async function answer(
  engine: TrainerEngine,
  call: TrainerCall,
  signal: AbortSignal,
  onProgress: (progress: GateProgress) => void,
): Promise<TrainerCalls[keyof TrainerCalls]["result"]> {
  switch (call.name) {
    case "presets":
      return engine.presets(call.args.wasmUrl);
    case "create":
      return engine.create(call.args, signal);
    case "run":
      return engine.run(call.args.updates);
    case "halt":
      engine.halt(call.args.how);
      return undefined;
    case "checkpoint":
      return engine.checkpoint();
    case "evaluate":
      return engine.evaluate();
    case "trainGate":
      return engine.trainGate(call.args.config, onProgress, signal);
    case "export":
      return engine.export();
    case "dispose":
      await engine.dispose();
      return undefined;
  }
}
