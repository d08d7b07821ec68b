export type Theme = "light" | "dark";
type Rgb = readonly [number, number, number];

/** Step hues, amber to plum: the first step is light and quick, the last dark and deep. */
const ANCHORS: Record<Theme, readonly Rgb[]> = {
  light: ["#f4b942", "#e8743b", "#b83b5e", "#6a2c70"].map(parse),
  dark: ["#f2b655", "#ee8a57", "#d45d80", "#a765b0"].map(parse),
};
const CARD: Record<Theme, Rgb> = { light: parse("#ffffff"), dark: parse("#1e1c19") };
const INKS = ["#050404", "#ffffff"] as const;

function parse(hex: string): Rgb {
  const n = Number.parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

function toHex(rgb: Rgb): string {
  return "#" + rgb.map((v) => Math.round(v).toString(16).padStart(2, "0")).join("");
}

function mix(from: Rgb, to: Rgb, amount: number): Rgb {
  const at = (i: 0 | 1 | 2) => from[i] + (to[i] - from[i]) * amount;
  return [at(0), at(1), at(2)];
}

function hueRgb(theme: Theme, step: number, steps: number): Rgb {
  const anchors = ANCHORS[theme];
  const place = steps <= 1 ? 0 : (Math.min(Math.max(step, 1), steps) - 1) / (steps - 1);
  const scaled = place * (anchors.length - 1);
  const low = Math.min(Math.floor(scaled), anchors.length - 2);
  return mix(anchors[low]!, anchors[low + 1]!, scaled - low);
}

/** The hue of a step, counted from 1, of `steps`. */
export function stepHue(theme: Theme, step: number, steps: number): string {
  return toHex(hueRgb(theme, step, steps));
}

/** Relative luminance as WCAG 2 defines it. */
function luminance(rgb: Rgb): number {
  const linear = (v: number) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * linear(rgb[0]) + 0.7152 * linear(rgb[1]) + 0.0722 * linear(rgb[2]);
}

/** WCAG contrast ratio of two colours, 1 to 21. */
export function contrast(a: string, b: string): number {
  const [x, y] = [luminance(parse(a)), luminance(parse(b))];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

export interface CellColours {
  background: string;
  text: string;
}

/** A cell's fill: the step's hue, the fuller the surer; and whichever ink reads better on it (always AA). */
export function cellColours(theme: Theme, step: number, steps: number, probability: number): CellColours {
  const sure = Math.min(Math.max(probability, 0), 1);
  const background = toHex(mix(CARD[theme], hueRgb(theme, step, steps), 0.08 + 0.92 * sure));
  const [dark, light] = INKS;
  return { background, text: contrast(background, dark) >= contrast(background, light) ? dark : light };
}

/** The shade behind a token of running text that left at `step`. */
export function tokenShade(theme: Theme, step: number, steps: number): CellColours {
  return cellColours(theme, step, steps, theme === "light" ? 0.38 : 0.42);
}
