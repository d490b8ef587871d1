import * as fs from "node:fs";
import { dirname, join } from "node:path";
import { require, run } from "./run.ts";

/** A member of an ar archive: its name, at most 15 characters, and its content. */
export interface Member {
  name: string;
  content: Uint8Array;
}

/** The bytes of an ar(5) archive as deb(5) has it: all members root's and of one date, in seconds since the epoch. */
export function arArchive(members: readonly Member[], epoch: number): Uint8Array {
  const text = (content: string) => Buffer.from(content, "latin1");
  const parts: Uint8Array[] = [text("!<arch>\n")];
  for (const { name, content } of members) {
    const fields = [
      name.padEnd(16),
      String(epoch).padEnd(12),
      "0".padEnd(6),
      "0".padEnd(6),
      "100644".padEnd(8),
      String(content.length).padEnd(10),
    ];
    parts.push(text(`${fields.join("")}\`\n`), content);
    // Each header stands at an even offset.
    if (content.length % 2 === 1) parts.push(text("\n"));
  }
  return Buffer.concat(parts);
}

/**
 * Packs files of a folder (absolute names, as they will be installed) in the order that is given, after all of their
 * directories, with root as owner and one date. Names of one inode become hard links to the first of them. Returns the
 * path of `output`, a tar(5) in GNU's format.
 */
export function tarInOrder(
  folder: string,
  paths: readonly string[],
  { output, epoch }: { output: string; epoch: number },
): string {
  const above = new Set<string>();
  for (const path of paths) {
    for (let place = dirname(path); !above.has(place); place = dirname(place)) above.add(place);
  }
  const list = `${output}.list`;
  fs.writeFileSync(list, [...[...above].sort(), ...paths].map((path) => `.${path}\0`).join(""));
  const fixed = ["--owner=root:0", "--group=root:0", `--mtime=@${epoch}`, "--format=gnu"];
  try {
    run(["tar", "-C", folder, "--no-recursion", "--null", ...fixed, "-T", list, "-cf", output]);
  } finally {
    fs.rmSync(list, { force: true });
  }
  return output;
}

/** Compresses a file with xz, or quickly with gzip, and returns what came out and the ending of its name. */
export function compress(file: string, fast: boolean): { content: Uint8Array; ending: "xz" | "gz" } {
  // One thread, without a name or a date: the same input gives the same bytes.
  const words = fast ? ["gzip", "-1n"] : ["xz", "-9e", "--threads=1"];
  const ending = fast ? "gz" : "xz";
  const packed = `${file}.${ending}`;
  require(words[0] ?? "", fast ? "gzip" : "xz-utils");
  fs.rmSync(packed, { force: true });
  run([...words, file]);
  try {
    return { content: fs.readFileSync(packed), ending };
  } finally {
    fs.rmSync(packed);
  }
}

/** Writes a file with a mode that does not depend on the umask. */
export function put(folder: string, name: string, content: string | Uint8Array, mode = 0o644): void {
  fs.mkdirSync(folder, { recursive: true, mode: 0o755 });
  fs.writeFileSync(join(folder, name), content);
  fs.chmodSync(join(folder, name), mode);
}
