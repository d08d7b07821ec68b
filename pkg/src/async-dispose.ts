declare global {
  // As the platform's types have them, for those who compile with older ones.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
  interface AsyncDisposable {
    [Symbol.asyncDispose](): PromiseLike<void>;
  }
}

/** The name of what `await using` calls at the end; where there is no such thing yet, one that nobody calls. */
export const asyncDispose: typeof Symbol.asyncDispose =
  (Symbol.asyncDispose as typeof Symbol.asyncDispose | undefined) ??
  (Symbol("asyncDispose") as typeof Symbol.asyncDispose);
