import { createError } from "../errors.js";
import type { FileStream } from "../wasm/looplm.js";
import { ask, type Answer } from "./http.js";
import { stillSame, type FileVersion } from "./manifest.js";
import { checkedRange, RangesRefused, SourceChanged } from "./ranges.js";
import { Retries, retrying, TransientError, type Pause } from "./retry.js";

/**
 * A file from its first byte to its last, in one request. If the connection is lost, what is still to come is asked for;
 * from a server that gives no ranges the file again, and what was read before is passed over.
 */
export class WholeFile implements FileStream {
  /** Bytes, where the server says. */
  readonly size: number | undefined;
  /** Which version it is. */
  readonly version: FileVersion;
  readonly #url: string;
  readonly #signal: AbortSignal;
  readonly #retries: Retries;
  #answer: Answer | undefined;
  /** The part of a chunk that is still to be given. */
  #rest: Uint8Array | undefined;
  #read = 0;
  #ranges = true;

  private constructor(answer: Answer, signal: AbortSignal, pause: Pause) {
    this.#answer = answer;
    this.#url = answer.url;
    this.#signal = signal;
    this.#retries = new Retries(signal, pause);
    this.size = answer.size;
    this.version = versionOf(answer);
  }

  /**
   * Asks for a file; undefined if `isMissing` says of the answer that there is none. Throws `SourceChanged` if it is not
   * of the version `known`.
   */
  static async open(
    url: string,
    known: FileVersion | undefined,
    signal: AbortSignal,
    pause: Pause,
    isMissing: (answer: Answer) => boolean,
  ): Promise<WholeFile | undefined> {
    const answer = await retrying(() => ask(url, signal), signal, pause);
    if (!isMissing(answer)) {
      check(answer, known);
      return new WholeFile(answer, signal, pause);
    }
    answer.close();
    return undefined;
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      // Lost after all had come: nothing is missing.
      if (this.#answer === undefined && this.#read === this.size) return null;
      try {
        this.#answer ??= await this.#again();
        const chunk = this.#rest ?? (await this.#next(this.#answer));
        this.#rest = undefined;
        if (chunk !== null) {
          this.#read += chunk.byteLength;
          this.#retries.reset();
        }
        return chunk;
      } catch (thrown) {
        this.close();
        await this.#retries.after(thrown);
      }
    }
  }

  close(): void {
    this.#answer?.close();
    this.#answer = undefined;
  }

  /** Another answer, from where the last one was lost, or read up to there. */
  async #again(): Promise<Answer> {
    const { size } = this;
    const range = this.#ranges && this.#read > 0 && size !== undefined;
    const rest = { offset: this.#read, end: size ?? 0 };
    const answer = await ask(this.#url, this.#signal, range ? rest : undefined);
    try {
      if (range && answer.status === 206) {
        const { total } = checkedRange(answer, rest);
        if (!stillSame(this.version, { ...answer.version, bytes: total })) throw new SourceChanged(this.#url);
        answer.continues(rest.offset);
        return answer;
      }
      check(answer, this.version);
      while (answer.received < this.#read) {
        const chunk = await this.#next(answer);
        if (chunk === null) throw new SourceChanged(this.#url);
        const over = answer.received - this.#read;
        if (over > 0) this.#rest = chunk.subarray(chunk.byteLength - over);
      }
    } catch (thrown) {
      answer.close();
      if (!(thrown instanceof RangesRefused)) throw thrown;
      this.#ranges = false;
      return this.#again();
    }
    return answer;
  }

  async #next(answer: Answer): Promise<Uint8Array | null> {
    const chunk = await answer.read();
    const { size } = this;
    const { received } = answer;
    if (size !== undefined && received > size) throw answer.tooLong();
    if (chunk === null && size !== undefined && received < size) throw new TransientError(answer.lost(size));
    return chunk;
  }
}

/** Closes and throws, unless the answer is all of a file, and of the version that is known. */
function check(answer: Answer, known: FileVersion | undefined): void {
  const { url, status } = answer;
  if (status === 200 && (known === undefined || stillSame(known, versionOf(answer)))) return;
  answer.close();
  // 416: it is shorter than it was.
  if (status === 200 || status === 416) throw new SourceChanged(url);
  throw createError("network", `${url} answered HTTP ${status} when it was asked for the whole file`, {
    url,
    status,
  });
}

function versionOf(answer: Answer): FileVersion {
  return { ...answer.version, ...(answer.size === undefined ? {} : { bytes: answer.size }) };
}
