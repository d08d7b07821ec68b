/** A model that comes with the page, and what to tell of it before it is opened. */
export interface Shipped {
  name: string;
  /** The folder, relative to the page. */
  from: string;
  title: string;
  says: string;
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

/**
 * The models to offer, the one that is opened first in front; it is offered in any case, since the page is about it.
 *
 * @param present names of the folders that were there when the page was built
 */
export function shippedModels(present: readonly string[]): readonly Shipped[] {
  return ALL.filter(({ name }, i) => i === 0 || present.includes(name));
}
