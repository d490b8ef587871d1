import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { lookUp } from "../../src/jail/fs/look.ts";
import { moveInPlace } from "../../src/jail/fs/place.ts";
import { release, walk } from "../../src/jail/fs/walk.ts";
import { isAsRecorded } from "../../src/jail/record/as-recorded.ts";
import type { ManifestEntry } from "../../src/jail/record/manifest.ts";
import type { Loader } from "../../src/libraries/closure.ts";
import type { Dependency } from "../../src/libraries/dependency.ts";
import type { Entry } from "../../src/populate/entry.ts";
import { ChangeOrder } from "../../src/update/plan/order.ts";
import { decideRemovals } from "../../src/update/plan/removals.ts";
import { inJail, pathSet } from "../../src/update/plan/scope.ts";
import { blockedByUsers, jailState, mayReplace } from "../../src/update/state.ts";
import { codeOf, makeJail, seen, type TestJail, USER } from "./jail-helper.ts";

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

/** Puts a file there as a copy is: with a time from before it was made. */
function copy(path: string, content = "content"): void {
  writeFileSync(jail.path + path, content);
  utimesSync(jail.path + path, 1000, 1000);
}

/** What the record says of something that is there. */
function recordOf(path: string): ManifestEntry {
  const stat = lookUp(jail.root, path)?.stat;
  if (stat === undefined) throw new Error(`${path}: not there`);
  const link = lstatSync(jail.path + path).isSymbolicLink();
  const directory = lstatSync(jail.path + path).isDirectory();
  return {
    path,
    type: link ? "link" : directory ? "directory" : "file",
    sections: ["s"],
    mode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    ...(link ? { target: readlinkSync(jail.path + path) } : { size: stat.size, mtime: stat.mtime }),
  };
}

const records = (...paths: string[]) => new Map(paths.map((path) => [path, recordOf(path)]));
const none = new Map<string, ManifestEntry>();
const origin = (path: string, known = none) => jailState(jail.root, known, none).at(path)?.origin;

describe("the origin of a file", () => {
  test("is decided by the record, the owner and the times", () => {
    copy("/usr/copied");
    writeFileSync(`${jail.path}/usr/made`, "x");
    copy("/usr/theirs");
    chownSync(`${jail.path}/usr/theirs`, USER, USER);
    const known = records("/usr/copied");
    expect(origin("/usr/copied", known)).toBe("as-put");
    expect(origin("/usr/copied")).toBe("unrecorded");
    expect(origin("/usr/made")).toBe("made-here");
    expect(origin("/usr/theirs")).toBe("user");
    expect(origin("/usr/nothing")).toBeUndefined();
    writeFileSync(`${jail.path}/usr/copied`, "changed");
    expect(origin("/usr/copied", known)).toBe("changed");
  });

  test("a symbolic link is its text; a file behind a link is in another place", () => {
    symlinkSync("/usr", `${jail.path}/link`);
    copy("/usr/f");
    expect(origin("/link", records("/link"))).toBe("as-put");
    expect(origin("/link/f", records("/usr/f"))).toBeUndefined();
    const other = { ...recordOf("/link"), target: "/etc" };
    expect(origin("/link", new Map([["/link", other]]))).toBe("changed");
  });

  test("a configuration file older than the jail belongs to the administrator", () => {
    writeFileSync(`${jail.path}/etc/motd`, "mine");
    expect(origin("/etc/motd", records("/etc/motd"))).toBe("made-here");
    copy("/etc/copied");
    expect(origin("/etc/copied", records("/etc/copied"))).toBe("as-put");
  });

  test("files that may be replaced", () => {
    copy("/usr/f");
    const standing = jailState(jail.root, none, none).at("/usr/f");
    if (standing === undefined) throw new Error("not there");
    const may = (path: string, kind: typeof standing.origin, prune = false) =>
      mayReplace(path, { ...standing, origin: kind }, prune);
    expect([may("/usr/f", "as-put"), may("/usr/f", "changed"), may("/usr/f", "unrecorded")]).toEqual([
      true,
      true,
      true,
    ]);
    expect([may("/usr/f", "made-here"), may("/usr/f", "user"), may("/etc/f", "changed")]).toEqual([
      false,
      false,
      false,
    ]);
    expect(may("/etc/f", "user", true)).toBe(true);
  });

  test("a planned file counts too", () => {
    copy("/usr/f");
    const meant = records("/usr/f");
    expect(jailState(jail.root, none, meant).at("/usr/f")?.origin).toBe("as-put");
    const entry = recordOf("/usr/f");
    const stat = lookUp(jail.root, "/usr/f")?.stat;
    if (stat === undefined) throw new Error("not there");
    expect(isAsRecorded({ ...entry, uid: USER }, stat, undefined)).toBe(false);
    expect(isAsRecorded({ ...entry, size: 1 }, stat, undefined)).toBe(false);
    expect(isAsRecorded({ ...entry, type: "directory" }, stat, undefined)).toBe(false);
  });
});

describe("removals", () => {
  const decide = (known: Map<string, ManifestEntry>, candidates: readonly string[], prune = false) => {
    const state = jailState(jail.root, known, none);
    const list = candidates.map((path) => ({ path, record: known.get(path) }));
    return decideRemovals(state, list, () => false, prune);
  };

  test("links first, libraries last, directories from the bottom up", () => {
    mkdirSync(`${jail.path}/usr/d/e`, { recursive: true });
    for (const path of ["/usr/d/e/lib.so.1", "/usr/d/e/tool"]) copy(path);
    symlinkSync("tool", `${jail.path}/usr/d/e/alias`);
    const paths = ["/usr/d/e/lib.so.1", "/usr/d/e/tool", "/usr/d/e/alias", "/usr/d", "/usr/d/e"];
    const { removals } = decide(records(...paths), paths);
    expect(removals.map(({ path }) => path)).toEqual([
      "/usr/d/e/alias",
      "/usr/d/e/tool",
      "/usr/d/e/lib.so.1",
      "/usr/d/e",
      "/usr/d",
    ]);
  });

  test("no changed file, and no directory with remaining files", () => {
    mkdirSync(`${jail.path}/usr/d`);
    for (const path of ["/usr/d/one", "/usr/d/other"]) copy(path);
    const paths = ["/usr/d/one", "/usr/d/other", "/usr/d"];
    const known = records(...paths);
    writeFileSync(`${jail.path}/usr/d/one`, "changed");
    const { removals, kept } = decide(known, paths);
    expect(removals.map(({ path }) => path)).toEqual(["/usr/d/other"]);
    expect(kept).toEqual([{ path: "/usr/d/one", reason: "was changed in the jail" }]);
    expect(decide(known, paths, true).removals.length).toBe(3);
    expect(decide(known, ["/usr/d/gone"]).forgotten).toEqual([]);
  });

  test("of a jail without a record, copied files and the links that dangle without them", () => {
    copy("/usr/lib.so.1.1");
    symlinkSync("lib.so.1.1", `${jail.path}/usr/lib.so.1`);
    symlinkSync("/etc", `${jail.path}/usr/own`);
    writeFileSync(`${jail.path}/usr/made`, "x");
    const { removals, kept } = decide(none, ["/usr/lib.so.1.1", "/usr/lib.so.1", "/usr/own", "/usr/made"]);
    expect(removals.map(({ path }) => path)).toEqual(["/usr/lib.so.1", "/usr/lib.so.1.1"]);
    expect(kept.map(({ path }) => path)).toEqual(["/usr/made", "/usr/own"]);
  });
});

describe("paths", () => {
  test("are those of the jail, in any spelling", () => {
    expect(inJail("/srv/j", "/srv/j/usr/bin/")).toBe("/usr/bin");
    expect(inJail("/srv/j", "/usr//./bin/../lib")).toBe("/usr/lib");
    expect(inJail("/srv/j", "/srv/j")).toBe("/");
    expect(inJail("/srv/j", "/srv/j2/x")).toBe("/srv/j2/x");
  });

  test("are known by their other names, and by component", () => {
    mkdirSync(`${jail.path}/usr/bin`);
    symlinkSync("usr/bin", `${jail.path}/bin`);
    const set = pathSet(jail.root, ["/bin/x", "/home/"]);
    expect(["/usr/bin/x", "/usr/bin/x/y", "/home", "/home/u"].every(set.has)).toBe(true);
    expect(["/usr/bin/xy", "/usr/bin", "/homework"].some(set.has)).toBe(false);
    expect(pathSet(jail.root, ["/"]).has("/anything")).toBe(true);
    expect(pathSet(jail.root, ["/bin"]).has("/usr/bin/x")).toBe(true);
  });

  test("that a user has made unreachable", () => {
    symlinkSync("/etc", `${jail.path}/home/u/link`);
    writeFileSync(`${jail.path}/home/u/file`, "x");
    writeFileSync(`${jail.path}/usr/file`, "x");
    const obstacle = blockedByUsers(jail.root);
    const blocked = ["/home/u/link/x", "/home/u/file/x", "/home/u/file/d/e"];
    expect(blocked.map(obstacle)).toEqual([true, true, true]);
    expect(["/usr/x", "/usr/file/x", "/home/u/x", "/home/u/new/x"].map(obstacle)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});

describe("order", () => {
  const entry = (path: string, more: Partial<Entry> = {}): Entry => ({
    ...{ type: "file", path, source: path, action: "create", mode: 0o755, uid: 0, gid: 0, stripped: false },
    ...{ keeps: 0, size: 1, atime: undefined, mtime: undefined, because: [], ...more },
  });

  test("dependencies come before the files that need them, and links after them", () => {
    const list = [
      entry("/bin/tool"),
      entry("/bin/alias", { type: "symlink", target: "tool" }),
      entry("/lib/liba.so", { type: "symlink", target: "liba.so.1" }),
      entry("/lib/liba.so.1"),
      entry("/lib/libb.so"),
      entry("/etc/conf", { mode: 0o644 }),
      entry("/etc", { type: "directory" }),
    ];
    const needs: Record<string, string[]> = {
      "/bin/tool": ["/lib/liba.so", "/lib/libb.so"],
      "/lib/liba.so.1": ["/lib/libb.so"],
    };
    const byPath = new Map(list.map((each) => [each.path, each]));
    const loader: Loader = {
      dependencies: (path): Dependency[] =>
        (needs[path] ?? []).map((name) => ({ path: name, neededBy: path, kind: "needed", name })),
      problems: () => [],
      configuredDirectories: () => [],
      libraryDirectories: () => [],
      configurationFiles: () => [],
    };
    const order = new ChangeOrder((path) => byPath.get(path), new Set(), loader);
    const changes = list.map((each) => ({
      change: { action: "create", entry: each, hardlink: false, existing: undefined, within: [] } as const,
    }));
    const sorted = order.sorted(changes).map(({ change }) => change.entry.path);
    const at = (path: string) => sorted.indexOf(path);
    expect(at("/etc")).toBe(0);
    expect(at("/lib/libb.so")).toBeLessThan(at("/lib/liba.so.1"));
    expect(at("/lib/liba.so.1")).toBeLessThan(at("/lib/liba.so"));
    expect(at("/lib/liba.so")).toBeLessThan(at("/bin/tool"));
    expect(at("/bin/tool")).toBeLessThan(at("/bin/alias"));
    expect(at("/etc/conf")).toBeLessThan(at("/bin/tool"));
    const [tool] = list;
    expect(tool && order.needs(tool).size).toBe(3);
  });
});

describe("a prepared file", () => {
  const move = (from: string, to: string, how: "replace" | "exchange" | "new") =>
    moveInPlace(jail.root, from, to, how, {
      made: seen(jail.root, from),
      present: how === "new" ? undefined : lookUp(jail.root, to)?.stat,
    });

  test("takes its place, permanently or in exchange", () => {
    writeFileSync(`${jail.path}/usr/old`, "old");
    writeFileSync(`${jail.path}/usr/.new`, "new");
    expect(move("/usr/.new", "/usr/old", "replace")).toBe("replaced");
    expect(readFileSync(`${jail.path}/usr/old`, "utf8")).toBe("new");
    mkdirSync(`${jail.path}/usr/d/e`, { recursive: true });
    symlinkSync("old", `${jail.path}/usr/.link`);
    move("/usr/.link", "/usr/d", "exchange");
    expect(readlinkSync(`${jail.path}/usr/d`)).toBe("old");
    expect(readdirSync(`${jail.path}/usr/.link`)).toEqual(["e"]);
    // The directory that had the name is not taken for what the link leads to now.
    mkdirSync(`${jail.path}/usr/real`);
    mkdirSync(`${jail.path}/usr/name`);
    release(walk(jail.root, "/usr/name"));
    symlinkSync("real", `${jail.path}/usr/.name`);
    move("/usr/.name", "/usr/name", "exchange");
    const directory = walk(jail.root, "/usr/name");
    expect(directory.path).toBe("/usr/real");
    release(directory);
  });

  test("does not replace a file that came there meanwhile", () => {
    writeFileSync(`${jail.path}/usr/.new`, "new");
    writeFileSync(`${jail.path}/usr/there`, "there");
    expect(move("/usr/.new", "/usr/there", "new")).toBe("kept");
    mkdirSync(`${jail.path}/usr/.directory`);
    expect(move("/usr/.directory", "/usr/there", "new")).toBe("kept");
    expect(readFileSync(`${jail.path}/usr/there`, "utf8")).toBe("there");
    expect(move("/usr/.new", "/usr/fresh", "new")).toBe("created");
    expect(existsSync(`${jail.path}/usr/.new`)).toBe(false);
  });

  test("is not moved in place of another, nor another in its place", () => {
    for (const name of ["a", "b", "there", "other"]) writeFileSync(`${jail.path}/usr/${name}`, name);
    const [made, other] = [seen(jail.root, "/usr/a"), seen(jail.root, "/usr/b")];
    const present = seen(jail.root, "/usr/there");
    for (const how of ["replace", "exchange"] as const) {
      const mistaken = () => moveInPlace(jail.root, "/usr/a", "/usr/there", how, { made: other, present });
      expect([how, codeOf(mistaken)]).toEqual([how, "ESTALE"]);
      expect(moveInPlace(jail.root, "/usr/a", "/usr/other", how, { made, present })).toBe("kept");
      expect(moveInPlace(jail.root, "/usr/a", "/usr/new", how, { made, present })).toBe("kept");
    }
    for (const name of ["a", "b", "there", "other"])
      expect(readFileSync(`${jail.path}/usr/${name}`, "utf8")).toBe(name);
  });

  test("is not moved if a user could have exchanged it", () => {
    writeFileSync(`${jail.path}/home/u/.new`, "new");
    expect(codeOf(() => move("/home/u/.new", "/home/u/f", "replace"))).toBe("EPERM");
  });
});
