import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import type { RootView } from "../root-view.ts";

/** What /etc/ld.so.conf says: the directories in their order, and the files that were read. */
export interface LinkerConf {
  directories: ByteString[];
  files: ByteString[];
}

const LARGEST_FILE = 1 << 18;
const DEEPEST_INCLUDE = 10;
const MOST_FILES = 512;
const MOST_DIRECTORIES = 1024;

/** A component of a glob(7) pattern as a regular expression; undefined where it holds no wildcard. */
function wildcard(component: ByteString): RegExp | undefined {
  if (!/[*?[]/.test(component)) return undefined;
  let source = component.startsWith(".") ? "" : "(?!\\.)";
  for (let i = 0; i < component.length; i++) {
    const c = component[i] ?? "";
    const close = c === "[" ? component.indexOf("]", i + 2) : -1;
    if (c === "*") source += "[^]*";
    else if (c === "?") source += "[^]";
    else if (close > 0) {
      const set = component.slice(i + 1, close).replace(/[\\\]^[]/g, "\\$&");
      source += `[${set.startsWith("!") ? `^${set.slice(1)}` : set}]`;
      i = close;
    } else source += c.replace(/[\\^$.|+(){}[\]*?/-]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    // a range that runs backwards matches nothing
    return /$^/;
  }
}

/** The files that match an absolute glob(7) pattern, sorted, as ldconfig takes them. At most `limit`. */
function expandGlob(view: RootView, pattern: ByteString, limit: number): ByteString[] {
  let found = [""];
  for (const component of pattern.split("/")) {
    if (component === "") continue;
    const expression = wildcard(component);
    found = found.flatMap((directory) => {
      if (expression === undefined) return [`${directory}/${component}`];
      const names = view.list(directory === "" ? "/" : directory) ?? [];
      return names.filter((name) => expression.test(name)).map((name) => `${directory}/${name}`);
    });
    found = found.slice(0, limit);
  }
  return found;
}

/**
 * Reads /etc/ld.so.conf and what it includes, by the rules of ldconfig(8): one directory a line, comments from
 * "#", `include PATTERN...` (relative to the including file), `hwcap` lines and "=TYPE" suffixes ignored. A
 * missing or unreadable file counts for nothing; includes are bounded in number and depth.
 */
export function readLinkerConf(view: RootView, file: ByteString = "/etc/ld.so.conf"): LinkerConf {
  const directories = new Set<ByteString>();
  const files = new Set<ByteString>();
  const seen = new Set<ByteString>();

  function read(path: ByteString, depth: number): void {
    const real = view.realPath(path);
    if (real === undefined || depth > DEEPEST_INCLUDE || seen.size >= MOST_FILES || seen.has(real)) return;
    const bytes = view.readFile(path, LARGEST_FILE);
    if (bytes === undefined) return;
    seen.add(real);
    files.add(path);
    for (const raw of fromBytes(bytes).split("\n")) {
      const line = raw.replace(/#.*/, "").trim();
      if (line === "" || /^hwcap[ \t]/.test(line)) continue;
      const include = /^include[ \t]+(.*)$/.exec(line);
      if (include === null) {
        const directory = line.replace(/[ \t]*=[^/]*$/, "").replace(/(?<=.)\/+$/, "");
        if (directory.startsWith("/") && directories.size < MOST_DIRECTORIES) directories.add(directory);
        continue;
      }
      for (const pattern of (include[1] ?? "").split(/[ \t]+/)) {
        const absolute = pattern.startsWith("/")
          ? pattern
          : `${path.slice(0, path.lastIndexOf("/"))}/${pattern}`;
        for (const name of expandGlob(view, absolute, MOST_FILES)) read(name, depth + 1);
      }
    }
  }

  read(file, 0);
  return { directories: [...directories], files: [...files] };
}
