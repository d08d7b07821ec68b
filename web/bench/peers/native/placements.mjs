// Where the nodes of onnxruntime's graph run, as its log says while it loads the model.
import { spawnSync } from "node:child_process";

const HEADING = /odes?(?:\(s\))? placed on \[(\w+?)(?:ExecutionProvider)?\]\. Number of nodes: (\d+)/;
const NODE = /VerifyEachNodeIsAssignedToAnEp\]\s+(\w+) \(/;

/** By provider, how many nodes, and how many of each operator where it is not the only provider. */
export function placements(command, args, cwd) {
  const { stdout, stderr } = spawnSync(command, [...args, "--placements"], {
    cwd,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  const found = {};
  let provider;
  for (const line of (stdout + stderr).split("\n")) {
    const heading = line.match(HEADING);
    if (heading) {
      provider = found[heading[1]] = { nodes: Number(heading[2]), operators: {} };
      continue;
    }
    const operator = line.match(NODE)?.[1];
    if (operator && provider) provider.operators[operator] = (provider.operators[operator] ?? 0) + 1;
  }
  return found;
}

/** "266 nodes on WebGpu, 8 on CPU" */
export function summary(found) {
  const counts = Object.entries(found).map(([provider, { nodes }]) => `${nodes} on ${provider}`);
  return counts.join(", ").replace(" on", " nodes on");
}
