import { computed, effect, signal } from "@preact/signals";
import { type Preset, type TrainConfig, Trainer } from "looplm";
import { explain, type Explanation } from "../../model/errors.ts";
import { type Changes, configured, FIELDS, problemsOf, TEXT, withChange } from "../../model/train/fields.ts";
import { readHash, shareHash } from "../../model/train/share.ts";
import { view } from "../route.ts";

/** The quick one: it stands first and is chosen until a person chooses another. */
const FIRST = "first-look";

export const presets = signal<readonly Preset[]>([]);
export const presetsError = signal<Explanation | undefined>(undefined);

const chosen = signal<string | undefined>(undefined);
/** What a person has changed about the chosen preset. */
export const changes = signal<Changes>({});
/** What the trainer itself refused, at the field it named. */
const refused = signal<{ path: string; problem: string } | undefined>(undefined);

/** The chosen preset; undefined until they are there. */
export const preset = computed<Preset | undefined>(
  () => presets.value.find((p) => p.name === chosen.value) ?? presets.value[0],
);
/** What is wrong, by the field's path. */
export const problems = computed<Record<string, string>>(() => {
  if (!preset.value) return {};
  const found = problemsOf(preset.value.config, changes.value);
  const told = refused.value;
  return told && !found[told.path] ? { ...found, [told.path]: told.problem } : found;
});
/** The run that Train begins; undefined while a field is wrong. */
export const config = computed<TrainConfig | undefined>(() =>
  preset.value && Object.keys(problems.value).length === 0
    ? configured(preset.value.config, changes.value)
    : undefined,
);
/** The hash of a link to this run: the preset and what differs from it. */
export const hash = computed(() =>
  shareHash({
    preset: preset.value && preset.value !== presets.value[0] ? preset.value.name : undefined,
    changes: changes.value,
  }),
);

let loading: Promise<void> | undefined;

/** Asks the package for its presets, once; after a failure, again. */
export function loadPresets(): Promise<void> {
  loading ??= (async () => {
    presetsError.value = undefined;
    try {
      const all = await Trainer.presets();
      presets.value = [...all].sort((a, b) => Number(b.name === FIRST) - Number(a.name === FIRST));
    } catch (thrown) {
      loading = undefined;
      presetsError.value = explain(thrown);
    }
  })();
  return loading;
}

/** Takes a preset as it is. */
export function choosePreset(name: string): void {
  chosen.value = name;
  changes.value = {};
  refused.value = undefined;
}

export function setField(path: string, text: string): void {
  if (!preset.value) return;
  refused.value = undefined;
  changes.value = withChange(preset.value.config, changes.value, path, text);
}

/** Takes back all changes to the preset. */
export function asPreset(): void {
  changes.value = {};
  refused.value = undefined;
}

/** Shows at its field what the trainer refused; false if the page has no such field. */
export function refuse(path: string | undefined, problem: string): boolean {
  const places = [...FIELDS.map((field) => field.path), TEXT];
  const at = places.find((place) => place === path || place.endsWith(`.${path}`));
  if (at !== undefined) refused.value = { path: at, problem };
  return at !== undefined;
}

/** Takes over what the address says, and from then on says in the address what is set up here. */
export function followAddress(): void {
  const read = () => {
    const shared = readHash(window.location.hash);
    if (!shared || shareHash(shared) === hash.peek()) return;
    chosen.value = shared.preset;
    changes.value = shared.changes;
    refused.value = undefined;
  };
  read();
  window.addEventListener("hashchange", read);
  effect(() => {
    const next = hash.value;
    // Before the presets are there the address knows more than the page.
    if (view.value !== "train" || presets.value.length === 0 || window.location.hash === next) return;
    window.history.replaceState(window.history.state, "", next);
  });
}
