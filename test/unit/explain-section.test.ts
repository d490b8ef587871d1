import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { readKeys } from "../../src/config/keys.ts";
import { scanIni } from "../../src/config/scan.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { allowLines, commandRemedy, patternRemedy, sharedBy } from "../../src/explain/programs/section.ts";
import type { FileView } from "../../src/limited-shell/files.ts";

const HOST = ["/usr/bin/id", "/usr/bin/rsync", "/usr/lib/openssh/sftp-server"];

const FILE = 0o100755;
const DIRECTORY = 0o040755;
const LINK = 0o120777;
// Of the user's own: a directory, and a link in it.
const HOME = "/home/u";
const LINKED = "/home/u/bin";

/** A jail of `files`. */
function view(files: string[]): FileView {
  return {
    isRegularFile: (path) => files.includes(path),
    isDirectory: () => false,
    exists: (path) => files.includes(path),
    readDirectory: () => undefined,
    homeOf: () => undefined,
    readLink: (path) => (path === LINKED ? "/usr/bin" : undefined),
    identity: () => undefined,
    look: (path) => ({
      uid: path.startsWith(HOME) ? 1000 : 0,
      mode: path === LINKED ? LINK : files.includes(path) ? FILE : DIRECTORY,
    }),
  };
}

/** What is advised where a section refuses a command, in a jail of `files`. */
function remedy(
  command: string,
  paths: string[],
  executables: string[],
  files: string[],
  root = "/j",
): string {
  const policy = { section: "u", values: { paths, executables } };
  return commandRemedy("not-allowed", command, policy, "/f", view(files), root, (path) =>
    HOST.includes(path),
  );
}

const IN = "in section [u] of /f write:\n";

describe("the section that allows a refused command", () => {
  test.each<[string, string, string[], string[], string[], string]>([
    [
      "it is there and not listed",
      "id -u",
      ["/usr/bin"],
      [],
      ["/usr/bin/id"],
      `${IN}executables = /usr/bin/id`,
    ],
    [
      "others stay",
      "id",
      ["/opt/", "/usr/bin/"],
      ["/usr/bin/rsync"],
      ["/usr/bin/id"],
      `${IN}executables = /usr/bin/rsync, /usr/bin/id`,
    ],
    ["it is listed and missing", "id", ["/usr/bin"], ["/usr/bin/id"], [], "jk_cp -j /j /usr/bin/id"],
    [
      "neither",
      "id",
      ["/usr/bin"],
      ["/usr/bin/rsync"],
      [],
      `jk_cp -j /j /usr/bin/id; then ${IN}executables = /usr/bin/rsync, /usr/bin/id`,
    ],
    ["it is in no directory of paths", "id", [], ["/usr/bin/id"], ["/usr/bin/id"], `${IN}paths = /usr/bin`],
    [
      "the first in paths is another",
      "id",
      ["/bin", "/usr/bin"],
      ["/usr/bin/id"],
      ["/bin/id", "/usr/bin/id"],
      `${IN}executables = /usr/bin/id, /bin/id`,
    ],
    [
      "sshd's name for it",
      "internal-sftp",
      [],
      [],
      [],
      `jk_cp -j /j /usr/lib/openssh/sftp-server; then ${IN}executables = /usr/lib/openssh/sftp-server`,
    ],
    [
      "by its path, and paths is not needed",
      "/usr/bin/id",
      [],
      [],
      ["/usr/bin/id"],
      `${IN}executables = /usr/bin/id`,
    ],
    ["below a directory of paths", "bin/id", ["/usr"], [], ["/usr/bin/id"], `${IN}executables = /usr/bin/id`],
    ["a link of the user's leads there", "/home/u/bin/id", ["/usr/bin"], [], ["/home/u/bin/id"], ""],
    ["a link of the user's is in paths", "id", [LINKED], [], [`${LINKED}/id`], ""],
    ["a directory", "/usr/bin", ["/usr/bin"], [], [], ""],
    ["the user has put it there", "/home/u/x", ["/usr/bin"], [], ["/home/u/x"], ""],
    ["it is nowhere", "idd", ["/usr/bin"], [], [], ""],
    ["it starts others", "bash", ["/usr/bin"], [], ["/usr/bin/bash"], ""],
    ["no program", "A=1 id", ["/usr/bin"], [], ["/usr/bin/id"], ""],
  ])("%s", (_, command, paths, executables, files, expected) => {
    expect(remedy(command, paths, executables, files)).toBe(expected);
  });

  test("outside a jail nothing is copied", () => {
    expect(remedy("id", ["/usr/bin"], [], [], "/")).toBe("");
  });

  test("a section without executables keeps its paths", () => {
    const lines = (command: string) => allowLines(command, view(["/usr/bin/id"]), { paths: ["/opt/bin"] });
    expect(lines("id")).toEqual(["paths = /opt/bin, /usr/bin", "executables = /usr/bin/id"]);
    expect(lines("/home/u/bin/id")).toEqual([]);
  });

  test("the account of the section, if it is not only for the user", () => {
    expect(sharedBy("u")).toBe("");
    expect(sharedBy("group g")).toContain("everybody with the primary group g");
    expect(sharedBy("member g")).toContain("everybody in the group g");
    expect(sharedBy("DEFAULT")).toContain("everybody without a section");
  });
});

describe("the pattern for a refused command", () => {
  function line(command: string, keys = "", names: string[] = []): string {
    const [section] = scanIni(toBytes(`[u]\npaths = /usr/bin\n${keys}\n`), "/f", "c").sections;
    const values = readKeys(section, lshKeys);
    const listed = values.executables !== undefined;
    const patterns = names.map((name) => ({ name, programs: [], words: [] }));
    const policy = { section: "u", file: "/f", values, listed, patterns, passedOver: [], notes: [] };
    return patternRemedy(command, policy, view(["/usr/bin/id", "/usr/bin/find", `${LINKED}/id`]));
  }

  test.each<[string, string, string[], string]>([
    ["id -u", "", [], `${IN}command id = id -u`],
    ["/usr/bin/id", "", ["id", "id-2"], `${IN}command id-3 = /usr/bin/id`],
    ["id ..", "", [], `${IN}command id = id ..`],
    ["id -u", "executables = /x", [], `${IN}executables = /x, /usr/bin/id\ncommand id = id -u`],
    // These have a meaning in patterns, or may have one.
    ["id *", "", [], ""],
    ["id {a,b}", "", [], ""],
    ["id ...", "", [], ""],
    ["id 'a b'", "", [], ""],
    ["none", "", [], ""],
    ["find /", "", [], ""],
    [`${LINKED}/id`, "", [], ""],
  ])("%s", (command, keys, names, expected) => {
    expect(line(command, keys, names)).toBe(expected);
  });
});
