import { type View, view } from "../state/route.ts";
import { theme, toggleTheme } from "../state/theme.ts";

const REPOSITORY = "https://github.com/looplm/looplm";

function Mark() {
  return (
    <svg
      class="mark"
      viewBox="0 0 32 32"
      fill="none"
      stroke-width="3.4"
      stroke-linecap="round"
      aria-hidden="true"
    >
      <path d="M16 4a12 12 0 0 1 12 12" stroke="#f4b942" />
      <path d="M28 16a12 12 0 0 1-12 12" stroke="#e8743b" />
      <path d="M16 28A12 12 0 0 1 4 16" stroke="#b83b5e" />
      <path d="M4 16a7 7 0 0 1 14 0" stroke="#8a4a92" />
      <circle cx="18" cy="17.5" r="2.6" fill="var(--gate)" />
    </svg>
  );
}

const VIEWS: Record<View, { tab: string; lede: string }> = {
  watch: {
    tab: "Watch",
    lede: "A looped model sends every token through the same few layers again and again; after each step a gate says how likely it is that the token has been thought over enough, and here you see every step of it.",
  },
  models: {
    tab: "Models",
    lede: "Every model runs on this machine’s own GPU, in this tab: nothing you write leaves it. Nothing is downloaded before you press its button, and what is downloaded stays in this browser until you delete it.",
  },
  train: {
    tab: "Train",
    lede: "Train a looped model from nothing on this machine’s GPU, and watch what every further loop adds: easy samples are solved in one step, hard ones need them all. Then teach the gate to tell them apart.",
  },
};

function Views() {
  return (
    <nav class="views" aria-label="Views">
      {Object.entries(VIEWS).map(([name, { tab }]) => (
        <a key={name} href={`#${name}`} aria-current={view.value === name ? "page" : undefined}>
          {tab}
        </a>
      ))}
    </nav>
  );
}

/** Name, what this is, the views, links, and the theme switch. */
export function Header() {
  const dark = theme.value === "dark";
  return (
    <header class="top">
      <div class="top-row">
        <h1>
          <Mark />
          looplm
        </h1>
        <p class="tagline">a small model that thinks in loops, in this tab</p>
        <Views />
        <nav class="project" aria-label="Project">
          <a href={`${REPOSITORY}#readme`}>Docs</a>
          <a href={REPOSITORY}>Source</a>
          <a href="https://arxiv.org/abs/2510.25741">Paper</a>
          <button
            type="button"
            class="theme"
            onClick={toggleTheme}
            aria-label={`Switch to the ${dark ? "light" : "dark"} theme`}
            title={`Switch to the ${dark ? "light" : "dark"} theme`}
          >
            <svg viewBox="0 0 20 20" aria-hidden="true">
              <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" />
              <path d={dark ? "M10 3a7 7 0 0 0 0 14z" : "M10 3a7 7 0 0 1 0 14z"} fill="currentColor" />
            </svg>
          </button>
        </nav>
      </div>
      <p class="lede">{VIEWS[view.value].lede}</p>
    </header>
  );
}
