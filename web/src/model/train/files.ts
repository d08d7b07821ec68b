import { zip } from "fflate";

/** A model's files by name, as the trainer exports them. */
export type ModelFiles = Readonly<Record<string, Uint8Array>>;

/** The model's folder as a zip: unpacked, it is what Hugging Face, the command line and this page open. */
export function zipModel(name: string, files: ModelFiles): Promise<Uint8Array<ArrayBuffer>> {
  const folder = fileName(name);
  // Weights do not get smaller; the rest does.
  const entries = Object.entries(files).map(
    ([file, bytes]) =>
      [`${folder}/${file}`, [bytes, { level: file.endsWith(".safetensors") ? 0 : 6 }]] as const,
  );
  return new Promise((resolve, reject) =>
    zip(Object.fromEntries(entries) as Parameters<typeof zip>[0], (error, data) =>
      error ? reject(error) : resolve(data as Uint8Array<ArrayBuffer>),
    ),
  );
}

/** The same files as a person's folder would hand them over. */
export function asFiles(files: ModelFiles): File[] {
  return Object.entries(files).map(([name, bytes]) => new File([bytes as Uint8Array<ArrayBuffer>], name));
}

/** A name that every file system takes. */
export function fileName(name: string): string {
  return name.replace(/[^\w.-]+/g, "-").replace(/^[-.]+|[-.]+$/g, "") || "model";
}
