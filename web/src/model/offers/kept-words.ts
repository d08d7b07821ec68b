/** What to call a kept model: its organisation's name is in the way where the model's says it all. */
export function keptName(source: string): string {
  const short = /^hf:[^/]+\/(.+)$/.exec(source)?.[1];
  if (short !== undefined) return short;
  if (isFolder(source)) return "a folder";
  const parts = source.split("/").filter(Boolean);
  return parts.at(-1) ?? source;
}

/** Whether a kept model came from a folder, of which the browser knows what was in it but not where it is. */
export function isFolder(source: string): boolean {
  return source.startsWith("files:");
}

/** "today", "yesterday", or the date. */
export function dayWords(date: Date, now: Date): string {
  const day = (d: Date) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  const days = Math.round((day(now) - day(date)) / 86_400_000);
  if (days === 0) return "today";
  if (days === 1) return "yesterday";
  return date.toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}
