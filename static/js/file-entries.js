// What was dropped or chosen, as files with their paths: folders are walked to their ends.

/** [{file, path}] of the files of an input; of a chosen folder with the folder's name before them. */
export const ofInput = (files) => [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/** [{file, path}] of what was dropped. The entries are taken at once: after the event they are gone. */
export async function ofDrop(transfer) {
  const entries = [...transfer.items]
    .map((item) => (item.kind === "file" ? item.webkitGetAsEntry?.() : null))
    .filter(Boolean);
  if (!entries.length) return ofInput(transfer.files);
  return (await Promise.all(entries.map(walk))).flat();
}

async function walk(entry) {
  if (entry.isFile)
    return [
      {
        file: await new Promise((done, failed) => {
          entry.file(done, failed);
        }),
        path: entry.fullPath.replace(/^\//, ""),
      },
    ];
  const reader = entry.createReader(),
    found = [];
  // A reader tells some at a time, and nothing when it is through.
  for (;;) {
    const some = await new Promise((done, failed) => {
      reader.readEntries(done, failed);
    });
    if (!some.length) break;
    found.push(...some);
  }
  return (await Promise.all(found.map(walk))).flat();
}
