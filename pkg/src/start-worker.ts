/**
 * Starts a Worker whose script is a module at any address. Browsers start none from another origin; but a script of the
 * page's own may import one from there, if its server allows that (CORS).
 */
export function startWorkerAt(url: string, name: string): Worker {
  const same = new URL(url).origin === location.origin;
  // Small, and needed for as long as the Worker has not begun: it is not worth finding out when that is over.
  const importing = (): Blob => new Blob([`import ${JSON.stringify(url)};`], { type: "text/javascript" });
  return new Worker(same ? url : URL.createObjectURL(importing()), { type: "module", name });
}

/**
 * Where the Worker's script is, if a module of this package is used as it is, from another origin: beside it. Where a
 * bundler has put the module into a file of its own making, only the bundler knows, and puts it where the Worker is started.
 */
export function workerElsewhere(module: string | undefined): string | undefined {
  const served = /^https?:.*\/worker-client\.js(\?|$)/.test(module ?? "");
  if (!served || new URL(module ?? "").origin === location.origin) return undefined;
  return new URL("./worker.js", module).href;
}
