import { describe, expect, test } from "bun:test";
import { commandRemedy } from "../../src/explain/programs/section.ts";
import type { FileView } from "../../src/limited-shell/file-view.ts";

const HOST = ["/usr/bin/id", "/usr/bin/rsync", "/usr/lib/openssh/sftp-server"];

const ROOTS = { uid: 0, mode: 0o100755 };

/** What is advised where a section refuses a command, in a jail of `files`. */
function remedy(
  command: string,
  paths: string[],
  executables: string[],
  files: string[],
  root = "/j",
): string {
  const view: FileView = {
    isRegularFile: (path) => files.includes(path),
    isDirectory: () => false,
    exists: (path) => files.includes(path),
    readDirectory: () => undefined,
    homeOf: () => undefined,
    readLink: () => undefined,
    identity: () => undefined,
    look: (path) =>
      files.includes(path) ? { ...ROOTS, uid: path.startsWith("/home") ? 1000 : 0 } : undefined,
  };
  const policy = { section: "u", values: { paths, executables } };
  return commandRemedy("not-allowed", command, policy, "/f", view, root, (path) => HOST.includes(path));
}

const IN = "in section [u] of /f write:\n";

describe("what allows a refused command", () => {
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
      `jk_cp -j /j /usr/lib/openssh/sftp-server; then ${IN}paths = /usr/lib/openssh\nexecutables = /usr/lib/openssh/sftp-server`,
    ],
    ["the user has put it there", "/home/u/x", ["/usr/bin"], [], ["/home/u/x"], ""],
    ["it is nowhere", "idd", ["/usr/bin"], [], [], ""],
    ["it starts others", "bash", ["/usr/bin"], [], ["/usr/bin/bash"], ""],
    ["no program", "A=1 id", ["/usr/bin"], [], ["/usr/bin/id"], ""],
  ])("%s", (_, command, paths, executables, files, expected) => {
    expect(remedy(command, paths, executables, files)).toBe(expected);
  });

  test("outside of a jail nothing is copied", () => {
    expect(remedy("id", ["/usr/bin"], [], [], "/")).toBe("");
  });
});
