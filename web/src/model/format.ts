/** 1536 -> "1.5 KiB". Only what is whole reads as whole. */
export function bytes(n: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return `${Number.isInteger(n) || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[i]}`;
}

/** 55104 -> "55,104"; 1430000000 -> "1.43 billion". */
export function count(n: number): string {
  if (n >= 1e9) return `${(n / 1e9).toPrecision(3)} billion`;
  if (n >= 1e7) return `${(n / 1e6).toPrecision(3)} million`;
  return n.toLocaleString("en");
}

/** 0.857 -> "86 %". Only what is exactly 0 or 1 reads as 0 or 100. */
export function percent(p: number): string {
  if (p > 0 && p < 0.005) return "<1 %";
  if (p < 1 && p >= 0.995) return ">99 %";
  return `${Math.round(p * 100)} %`;
}

/** The same for a screen reader: "86 percent". */
export function spokenPercent(p: number): string {
  return percent(p).replace("<", "under ").replace(">", "over ").replace(" %", " percent");
}

/** plural(1, "step") -> "1 step"; `ending`: what the plural adds. */
export function plural(n: number, noun: string, ending = "s"): string {
  return `${n} ${noun}${n === 1 ? "" : ending}`;
}

/**
 * A token's text for a small box: the space most words begin with left out, white space made visible where it is all
 * there is.
 */
export function tokenLabel(text: string): string {
  if (text === "") return "∅";
  const shown = text.trim() === "" ? text.replaceAll(" ", "␣") : text.replace(/^ /, "");
  return shown.replaceAll("\n", "⏎").replaceAll("\t", "⇥");
}
