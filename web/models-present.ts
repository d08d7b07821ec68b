import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { PresentModel } from "./src/model/shipped.ts";

const json = (path: string): unknown =>
  existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as unknown) : undefined;

/** `license:` at the head of a model's README, as Hugging Face has it. */
function licenceOf(readme: string): string | undefined {
  if (!existsSync(readme)) return undefined;
  const [, head = ""] = /^---\n([\s\S]*?)\n---/.exec(readFileSync(readme, "utf8")) ?? [];
  return /^license:\s*(\S+)/m.exec(head)?.[1];
}

/** The folders that hold a whole model, and what their files say of it: the page offers no other. */
export function modelsPresent(folder: string): PresentModel[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const [config, weights] = ["config.json", "model.safetensors"].map((file) => join(folder, name, file));
    if (!config || !weights || !existsSync(config) || !existsSync(weights)) return [];
    const shape = Object(json(config)) as Record<string, unknown>;
    // It may be long, and whoever opens the model reads it then.
    delete shape["looplm_task"];
    return {
      name,
      config: shape,
      bytes: statSync(weights).size,
      licence: licenceOf(join(folder, name, "README.md")),
      quantisation: json(join(folder, name, "quantisation.json")),
    };
  });
}
