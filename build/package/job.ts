import * as fs from "node:fs";
import { join } from "node:path";

/** What all packages are made from and by. Paths are absolute. */
export interface Job {
  root: string;
  /** The folder with bin/ and entry/ of the machine that the package is for. */
  dist: string;
  /** Seconds since the epoch: what every file is dated with, so that two builds are the same. */
  epoch: number;
  /** Where packages go; what is needed on the way lies there too. */
  output: string;
  /** Compresses little, for tests. */
  fast: boolean;
}

/** Calls `use` with an empty folder in the output, which is gone after it. */
export async function inScratch<T>({ output }: Job, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(join(output, ".scratch-"));
  try {
    fs.chmodSync(folder, 0o755);
    return await use(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Moves what was made into the output, and returns where it is now, sorted. */
export function deliver({ output }: Job, folder: string, pattern: RegExp): string[] {
  const names = fs.readdirSync(folder).filter((name) => pattern.test(name));
  if (names.length === 0) throw new Error(`no ${pattern} was made`);
  return names.sort().map((name) => {
    fs.renameSync(join(folder, name), join(output, name));
    return join(output, name);
  });
}
