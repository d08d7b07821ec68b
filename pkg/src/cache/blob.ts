/**
 * A blob's bytes. `spare` is a buffer that may be used for them, and is given up: many blobs one after another then leave
 * nothing behind. Blobs whose size is wrong (a file that is being changed) give what they have.
 */
export async function readBlob(blob: Blob, spare?: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>> {
  const { size } = blob;
  const reader = spare === undefined || spare.byteLength < size ? undefined : byteReader(blob);
  if (spare === undefined || reader === undefined) return new Uint8Array(await blob.arrayBuffer());
  let buffer = spare;
  let filled = 0;
  while (filled < size) {
    const { value } = await reader.read(new Uint8Array(buffer, filled, size - filled));
    if (value === undefined || value.byteLength === 0) break;
    buffer = value.buffer;
    filled += value.byteLength;
  }
  // All that was asked for is there, or there is no more.
  reader.cancel().catch(() => undefined);
  return new Uint8Array(buffer, 0, filled);
}

function byteReader(blob: Blob): ReadableStreamBYOBReader | undefined {
  try {
    return blob.stream().getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}
