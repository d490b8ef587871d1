import * as fs from "node:fs";
import { join } from "node:path";

/** The common parameters of all packages. Paths are absolute. */
export interface Job {
  root: string;
  /** The folder with bin/ and entry/ for the package's architecture. */
  dist: string;
  /** The date of every file, in seconds since the epoch, so that two builds are the same. */
  epoch: number;
  /** The folder for packages and temporary files. */
  output: string;
  /** Compress little, for tests. */
  fast: boolean;
}

/** Calls `use` with an empty folder in the output, and removes it afterwards. */
export async function inScratch<T>({ output }: Job, use: (folder: string) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(join(output, ".scratch-"));
  try {
    fs.chmodSync(folder, 0o755);
    return await use(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Moves packages into the output, and returns their paths, sorted. */
export function deliver({ output }: Job, folder: string, pattern: RegExp): string[] {
  const names = fs.readdirSync(folder).filter((name) => pattern.test(name));
  if (names.length === 0) throw new Error(`no ${pattern} was created`);
  return names.sort().map((name) => {
    fs.renameSync(join(folder, name), join(output, name));
    return join(output, name);
  });
}

/** Runs a program, and resolves to its output. Throws an error with all output if it fails. */
export async function run(
  words: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const child = Bun.spawn(words, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", HOME: "/nonexistent", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if ((await child.exited) !== 0) throw new Error(`${words[0]} failed:\n${errors}${output}`);
  return output;
}

/** The path of a program. Throws an error that names its package if it is missing. */
export function require(program: string, debianPackage: string): string {
  const path = Bun.which(program);
  if (path === null) throw new Error(`${program} is missing: apt-get install ${debianPackage}`);
  return path;
}
