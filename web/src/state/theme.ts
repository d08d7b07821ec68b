import { computed, effect, signal } from "@preact/signals";
import type { Theme } from "../layout/colours.ts";

const KEY = "looplm-theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(system.matches);
system.addEventListener("change", (event) => (systemDark.value = event.matches));

function kept(): Theme | undefined {
  const value = document.documentElement.dataset["theme"];
  return value === "light" || value === "dark" ? value : undefined;
}

/** What the person chose; undefined follows the system. */
const chosen = signal<Theme | undefined>(kept());

export const theme = computed<Theme>(() => chosen.value ?? (systemDark.value ? "dark" : "light"));

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

export function toggleTheme(): void {
  chosen.value = theme.value === "light" ? "dark" : "light";
  try {
    localStorage.setItem(KEY, chosen.value);
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
}

/** Whether the person asked their system for less motion. */
export function calm(): boolean {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}
