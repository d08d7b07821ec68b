// Finding a browser on PATH.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The first of the names that is a program on PATH, with its folder. */
export function findProgram(names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  for (const name of names) {
    const found = folders.map((folder) => join(folder, name)).find(isProgram);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
