import { type Changes, FIELDS } from "./fields.ts";

/** What a link to the Train view says: a preset and how the run differs from it. */
export interface Shared {
  /** Name of the preset; undefined is the first. */
  preset: string | undefined;
  changes: Changes;
}

/** The key of a path in a link: its last part, which is enough to tell the fields apart. */
const keyOf = (path: string) => path.split(".").at(-1)!;

/** The hash of the address that shows this run to somebody else; only what differs from the preset is in it. */
export function shareHash({ preset, changes }: Shared): string {
  const query = new URLSearchParams();
  if (preset !== undefined) query.set("preset", preset);
  for (const { path } of FIELDS) {
    const text = changes[path];
    if (text !== undefined) query.set(keyOf(path), text.trim());
  }
  const text = query.toString();
  return text === "" ? "#train" : `#train?${text}`;
}

/** Reads such a hash; undefined if it is of another view. What it does not know it leaves out. */
export function readHash(hash: string): Shared | undefined {
  const match = /^#train(?:\?(.*))?$/.exec(hash);
  if (!match) return undefined;
  const query = new URLSearchParams(match[1] ?? "");
  const changes: Record<string, string> = {};
  for (const { path } of FIELDS) {
    const text = query.get(keyOf(path));
    // A link is somebody else's words: nothing longer than a number belongs there.
    if (text !== null) changes[path] = text.slice(0, 32);
  }
  return { preset: query.get("preset") ?? undefined, changes };
}
