import { type ByteString, fromBytes, trim } from "../../../ffi/bytes.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { componentMatcher, hasMagic } from "../pattern.ts";
import type { RootView } from "../root-view.ts";

/** The contents of /etc/ld.so.conf: the directories in their order, and the files that were read. */
export interface LinkerConf {
  directories: ByteString[];
  files: ByteString[];
}

const LARGEST_FILE = 1 << 18;
const DEEPEST_INCLUDE = 10;
const MOST_FILES = 512;
const MOST_DIRECTORIES = 1024;

/** The files that match an absolute glob(7) pattern, sorted, as ldconfig takes them. At most `limit`. */
function expandGlob(view: RootView, pattern: ByteString, limit: number): ByteString[] {
  let found = [""];
  for (const component of pattern.split("/")) {
    if (component === "") continue;
    const matches = hasMagic(component) ? componentMatcher(component) : undefined;
    found = found.flatMap((directory) => {
      if (matches === undefined) return [`${directory}/${component}`];
      const names = view.list(directory === "" ? "/" : directory) ?? [];
      return names.filter(matches).map((name) => `${directory}/${name}`);
    });
    found = found.slice(0, limit);
  }
  return found;
}

/**
 * Reads /etc/ld.so.conf and the files that it includes, by the rules of ldconfig(8): one directory a line, comments
 * from "#", `include PATTERN...` (relative to the including file); `hwcap` lines and "=TYPE" suffixes are ignored. A
 * missing or unreadable file is empty. The number and depth of includes are bounded.
 */
export function readLinkerConf(view: RootView): LinkerConf {
  const reader = new LinkerConfReader(view);
  reader.read("/etc/ld.so.conf", 0);
  return { directories: [...reader.directories], files: [...reader.files] };
}

class LinkerConfReader {
  readonly directories = new Set<ByteString>();
  readonly files = new Set<ByteString>();
  private readonly seen = new Set<ByteString>();

  constructor(private readonly view: RootView) {}

  read(path: ByteString, depth: number): void {
    const real = this.view.realPath(path);
    if (real === undefined || depth > DEEPEST_INCLUDE) return;
    if (this.seen.size >= MOST_FILES || this.seen.has(real)) return;
    const bytes = this.view.readFile(path, LARGEST_FILE);
    if (bytes === undefined) return;
    this.seen.add(real);
    this.files.add(path);
    for (const raw of fromBytes(bytes).split("\n")) {
      const line = trim(raw.replace(/#.*/, ""));
      if (line === "" || /^hwcap[ \t]/.test(line)) continue;
      const patterns = /^include[ \t]+(.*)$/.exec(line)?.[1];
      if (patterns === undefined) this.addDirectory(line);
      else this.include(path, patterns.split(/[ \t]+/), depth);
    }
  }

  private addDirectory(line: ByteString): void {
    const directory = line.replace(/[ \t]*=[^/]*$/, "").replace(/(?<=.)\/+$/, "");
    if (directory.startsWith("/") && this.directories.size < MOST_DIRECTORIES)
      this.directories.add(directory);
  }

  private include(from: ByteString, patterns: readonly ByteString[], depth: number): void {
    for (const pattern of patterns) {
      const absolute = pattern.startsWith("/") ? pattern : `${directoryOf(from)}/${pattern}`;
      for (const name of expandGlob(this.view, absolute, MOST_FILES)) this.read(name, depth + 1);
    }
  }
}
