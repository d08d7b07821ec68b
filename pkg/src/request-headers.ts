/** The headers that one load sends. */
interface SentHeaders {
  /** Where the address of a file that they go with begins. */
  folder: string;
  headers: Record<string, string>;
}

/** Of the loads that are going on: they may be secret, so nothing outlives its load, and nothing is written down. */
const sent = new Set<SentHeaders>();

/** Runs a load whose requests for the files of a folder carry the headers; `folder` ends in a slash, or in a query. */
export async function sendingHeaders<R>(
  folder: string,
  headers: Record<string, string>,
  load: () => Promise<R>,
): Promise<R> {
  const entry = { folder: folder.replace(/\?.*$/, ""), headers };
  sent.add(entry);
  try {
    return await load();
  } finally {
    sent.delete(entry);
  }
}

/** What a request for a file carries. Of two loads of one folder at once, the later one has the last word. */
export function headersFor(url: string): Headers {
  const of = [...sent].filter(({ folder }) => url.startsWith(folder)).map(({ headers }) => headers);
  return new Headers(Object.assign({}, ...of) as Record<string, string>);
}
