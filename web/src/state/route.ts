import { signal } from "@preact/signals";

/** The page's views: watching a model think, choosing one, and training one. */
export type View = "watch" | "models" | "train";

/** Any other hash, such as that of a link within the page, leaves the view as it is. */
function viewOf(hash: string): View | undefined {
  if (/^#train(\?|$)/.test(hash)) return "train";
  if (hash === "#models") return "models";
  return hash === "" || hash === "#" || hash === "#watch" ? "watch" : undefined;
}

export const view = signal<View>(viewOf(window.location.hash) ?? "watch");

window.addEventListener("hashchange", () => {
  view.value = viewOf(window.location.hash) ?? view.value;
});

/** Shows a view, as its tab does. */
export function show(next: View): void {
  window.location.hash = next;
}
