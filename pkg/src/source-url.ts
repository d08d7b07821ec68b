/** The address of a folder, always written the same way: with a slash at the end of its path, and without a fragment. */
export function folderAddress(base: string): string {
  const url = new URL(base);
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url.href;
}

/** The address of a file in a folder. */
export function fileAddress(folder: string, path: string): string {
  const base = new URL(folder);
  const url = new URL(path.split("/").map(encodeURIComponent).join("/"), base);
  url.search = base.search;
  return url.href;
}

/** Development servers of single-page applications answer a missing file with 200 and their start page. */
export function isStartPage(response: Response, path: string): boolean {
  return (
    response.ok &&
    !/\.html?$/i.test(path) &&
    /^text\/html\b/i.test(response.headers.get("content-type") ?? "")
  );
}
