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
    return [
      await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)),
    ];
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

/** What to call a model made of these files: their folder, or the first of them. */
export function nameOfFiles(files: readonly File[]): string {
  const first = files[0];
  return first?.webkitRelativePath.split("/")[0] || first?.name || "folder";
}
