/** Tensors by name from a safetensors file: { shape, data }; F32 as Float32Array, I64 as numbers. */
export function parseSafetensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const bytes = buffer.slice(8 + length + offsets[0], 8 + length + offsets[1]);
    if (dtype === "F32") tensors[name] = { shape, data: new Float32Array(bytes) };
    else if (dtype === "I64") tensors[name] = { shape, data: Array.from(new BigInt64Array(bytes), Number) };
    else throw new Error(`${name}: this test reads no ${dtype}`);
  }
  return tensors;
}
