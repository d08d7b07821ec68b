import { type Shape, shapeOf } from "./offers/shape.ts";

/** A folder of models/ as it was when the page was built. */
export interface PresentModel {
  name: string;
  /** Its config.json, without the task. */
  config: unknown;
  /** Of its weights. */
  bytes: number;
  licence: string | undefined;
  /** Its quantisation.json, if there is one. */
  quantisation: unknown;
}

/** A model that comes with the page, and what to tell of it before it is opened. */
export interface Shipped {
  name: string;
  /** The folder, relative to the page. */
  from: string;
  title: string;
  says: string;
}

/** The same with what its files said when the page was built; absent where they were not there. */
export interface Described extends Shipped {
  shape: Shape | undefined;
  bytes: number | undefined;
  licence: string | undefined;
  quantisation: unknown;
}

const ALL: readonly Shipped[] = [
  {
    name: "shell-game",
    from: "./models/shell-game/",
    title: "The shell game",
    says: "Three cups change places. Where is the ball?",
  },
  {
    name: "who-is-who",
    from: "./models/who-is-who/",
    title: "Who is who",
    says: "Who is the boss of the friend of Alice?",
  },
];

/** Licences as they are written, by their names in a README. */
const LICENCES: Readonly<Record<string, string>> = { mit: "MIT", "apache-2.0": "Apache-2.0" };

/**
 * The models to offer, the one that is opened first in front; it is offered in any case, since the page is about it.
 *
 * @param present the folders that were there when the page was built
 */
export function shippedModels(present: readonly PresentModel[]): readonly Described[] {
  return ALL.flatMap((shipped, i) => {
    const found = present.find(({ name }) => name === shipped.name);
    if (i > 0 && found === undefined) return [];
    const { bytes, licence, quantisation } = found ?? {};
    const known = licence && (LICENCES[licence] ?? licence);
    return { ...shipped, shape: shapeOf(found?.config), bytes, licence: known, quantisation };
  });
}
