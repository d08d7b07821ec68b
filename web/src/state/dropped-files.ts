/** The files of whatever was dropped, folders opened all the way down. */
export async function droppedFiles(data: DataTransfer): Promise<File[]> {
  // Both lists must be read before the first await: the transfer is emptied when the event is over.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const plain = [...data.files];
  if (entries.length === 0) return plain;
  return (await Promise.all(entries.map(filesOf))).flat();
}

async function filesOf(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return [withPath(file, entry.fullPath.replace(/^\//, ""))];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  // A reader hands out a folder in portions (100 in Chromium) until it returns none.
  for (;;) {
    const portion = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (portion.length === 0) return found;
    for (const inner of portion) found.push(...(await filesOf(inner)));
  }
}

/**
 * Notes on a file where it lies in the dropped folder, as browsers do for a folder that was chosen: the package finds
 * the model by it.
 */
function withPath(file: File, path: string): File {
  return path.includes("/") ? Object.defineProperty(file, "webkitRelativePath", { value: path }) : file;
}

/** What to call a model made of these files: their folder, or the first of them. */
export function nameOfFiles(files: readonly File[]): string {
  const first = files[0];
  return first?.webkitRelativePath.split("/")[0] || first?.name || "folder";
}
