const ORIGIN = "https://huggingface.co/";
/** "organisation/name", and what may follow: a revision. */
const SHORT = /^hf:([\w-][\w.-]*\/[\w-][\w.-]*)(?:@(.+))?$/;
const PAGE =
  /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\/([\w-][\w.-]*\/[\w-][\w.-]*)(?:\/(?:tree|resolve)\/([^?#/]+))?\/?(?:[?#].*)?$/;

/** The short name of a model on Hugging Face, if the address is its page, its folder or its short name already. */
function shortName(address: string): string | undefined {
  const [, name, revision] = SHORT.exec(address) ?? PAGE.exec(address) ?? [];
  if (name === undefined || /^(api|datasets|docs|spaces|models)\//.test(name)) return undefined;
  return `hf:${name}${revision === undefined || revision === "main" ? "" : `@${decodeURIComponent(revision)}`}`;
}

/** What the browser's cache lists a model under: its short name, or its folder's address in full. */
export function cacheName(address: string, base: string): string {
  const short = shortName(address);
  if (short !== undefined || !URL.canParse(address, base)) return short ?? address;
  const url = new URL(address, base);
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url.href;
}

/** Where the config.json of a model is; undefined where the address is none. */
export function configAddress(address: string, base: string): string | undefined {
  const name = cacheName(address, base);
  const [, model, revision = "main"] = SHORT.exec(name) ?? [];
  if (model !== undefined) return `${ORIGIN}${model}/resolve/${encodeURIComponent(revision)}/config.json`;
  return URL.canParse("config.json", name) ? new URL("config.json", name).href : undefined;
}

/** What to call a model by its address: the last part of it. */
export function nameOfAddress(address: string): string {
  const parts = address.replace(/[?#].*$/, "").split("/");
  return parts.filter(Boolean).at(-1) ?? address;
}
