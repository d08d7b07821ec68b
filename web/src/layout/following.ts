/** When to go along with a text that grows. Lengths are CSS pixels. */

/** Within so much of the end counts as at the end: about a line. */
const NEAR = 30;
/** What comes at once pushes what is below it down by no more than this. */
const PUSHED = 90;

/** Whether a box that scrolls is at its end, where a reader wants to see what comes. */
export function atEnd(box: { scrollTop: number; clientHeight: number; scrollHeight: number }): boolean {
  return box.scrollTop + box.clientHeight >= box.scrollHeight - NEAR;
}

/** Whether something has just been pushed out below, rather than scrolled away from. */
export function pushedOut(bottom: number, viewport: number): boolean {
  return bottom > viewport && bottom < viewport + PUSHED;
}
