import { createError } from "../errors.js";

const ORIGIN = "https://huggingface.co";

/** Characters of an organisation's or a model's name; no name begins with a dot. */
const NAME = "[A-Za-z0-9_-][A-Za-z0-9_.-]*";

const SHORT = new RegExp(`^hf:(${NAME})/(${NAME})(?:@(.+))?$`);
const PAGE = new RegExp(
  `^(?:https?://)?(?:www\\.)?(?:huggingface\\.co|hf\\.co)/(${NAME})/(${NAME})(?:/tree/([^?#]+?))?/?(?:[?#].*)?$`,
);
const FOLDER = new RegExp(`^${ORIGIN}/(${NAME})/(${NAME})/resolve/([^/?#]+)/$`);

/** Addresses of huggingface.co whose first part is no organisation. */
const NO_ORGANISATION = ["api", "blog", "collections", "datasets", "docs", "models", "papers", "spaces"];

/**
 * The folder on huggingface.co that `"hf:organisation/name[@revision]"` or the address of a model's page means; undefined
 * where the text is neither. Throws `invalid-argument` for a wrong `hf:`.
 */
export function huggingFaceFolder(source: string): string | undefined {
  const [, organisation, name, revision = "main"] = SHORT.exec(source) ?? pageOf(source) ?? [];
  if (organisation === undefined || name === undefined) {
    if (!source.startsWith("hf:")) return undefined;
    throw createError(
      "invalid-argument",
      `source: ${source} must be "hf:organisation/name" or "hf:organisation/name@revision"`,
      { argument: "source" },
    );
  }
  return `${ORIGIN}/${organisation}/${name}/resolve/${encodeURIComponent(revision)}/`;
}

/** The short form of a folder's address, where it is one of huggingface.co; else the address. */
export function shortSource(address: string): string {
  const [, organisation, name, encoded] = FOLDER.exec(address) ?? [];
  if (organisation === undefined || name === undefined || encoded === undefined) return address;
  const revision = decodeURIComponent(encoded);
  return `hf:${organisation}/${name}${revision === "main" ? "" : `@${revision}`}`;
}

/** Whether the address names a commit of huggingface.co: what is there never changes. */
export function isPinned(address: string): boolean {
  return /^[0-9a-f]{40}$/.test(FOLDER.exec(address)?.[3] ?? "");
}

function pageOf(source: string): string[] | undefined {
  const match = PAGE.exec(source);
  if (match === null || NO_ORGANISATION.includes(match[1] ?? "")) return undefined;
  const revision = match[3];
  return revision === undefined ? [...match] : [...match.slice(0, 3), decodeURIComponent(revision)];
}
