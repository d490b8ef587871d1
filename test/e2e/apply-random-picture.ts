/** What `jailkit apply` has made of a machine, in a form in which two machines can be compared. */
import type { Machine } from "../machine/machine.ts";
import { OTHER_LINES } from "./apply-random-others.ts";
import { JAILS, NAMES } from "./apply-random-scene.ts";

const lines = (m: Machine, file: string) => (m.exists(file) ? m.read(file).split("\n").filter(Boolean) : []);
/** The name of a jail's file in jk_socketd.d. */
export const dropInOf = (path: string) => `${path.slice(1).replace("/", "-")}.ini`;
const isOurs = (line: string) => NAMES.some((name) => line.startsWith(`${name}:`));

/** Accounts without password fields and uids, which are not the same on two machines, and comments that nobody declares. */
const accounts = (m: Machine, file: string, text = "") =>
  lines(m, file)
    .filter((line) => isOurs(line))
    .map((line) => {
      const [name = "", , , gid = "", comment = "", home = "", shell = ""] = line.split(":");
      const section = text.split(/^(?=\[)/m).find((one) => one.startsWith(`[user ${name}]`));
      const isDeclared = section?.includes("\ncomment = ") === true;
      return [name, gid, isDeclared ? comment : "", home, shell].join(":");
    })
    .sort();

/** Groups with members of ours. */
const members = (m: Machine, file: string) =>
  lines(m, file)
    .flatMap((line) => {
      const [name, , , all = ""] = line.split(":");
      return all === "" ? [] : [`${name}: ${all.split(",").sort().join(",")}`];
    })
    .sort();

/** Sections of an ini file, in any order. */
const sections = (m: Machine, file: string) =>
  lines(m, file)
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .split(/^(?=\[)/m)
    .map((one) => one.trim())
    .filter(Boolean)
    .sort();

const files = (m: Machine, directory: string) =>
  Object.fromEntries(
    (m.exists(directory) ? m.list(directory) : [])
      .toSorted()
      .map((name) => [name, sections(m, `${directory}/${name}`)]),
  );

/** Homes with their owner by name, and keys. */
const homes = (m: Machine, jail: string) =>
  Object.fromEntries(
    accounts(m, `${jail}/etc/passwd`).map((line) => {
      const name = line.split(":")[0] ?? "";
      const home = `${jail}${line.split(":")[3]}`;
      const stat = m.stat(home);
      const owner = m.run(["stat", "-c", "%U %a", home]).stdout.trim();
      return [
        name,
        stat === undefined ? "no home" : { owner, keys: lines(m, `${home}/.ssh/authorized_keys`).sort() },
      ];
    }),
  );

/** Every path in a jail, on its own file system, but homes. */
const tree = (m: Machine, jail: string) =>
  m
    .run(["find", jail, "-xdev", "-path", `${jail}/home/*`, "-prune", "-o", "-printf", "%P %y %m\\n"])
    .stdout.split("\n")
    // A mount point stays, and so do links to directories that were live, a file of rights without a section, and the
    // directory of homes after those who lived there.
    .filter(
      (line) =>
        // Of a run that was killed, as jk_check tells.
        !/(?:^|\/)\.jk-/.test(line) &&
        !/^(?:proc|opt(?:\/tool)?|lib\w*|sbin|etc\/jailkit(?:\/jk_lsh\.ini)?) |^home d 755$/.test(line),
    )
    .sort();

const jail = (m: Machine, path: string, text: string) => ({
  accounts: accounts(m, `${path}/etc/passwd`, text),
  members: members(m, `${path}/etc/group`),
  rights: sections(m, `${path}/etc/jailkit/jk_lsh.ini`),
  homes: homes(m, path),
  tree: tree(m, path),
});

/**
 * The picture. `loose`: jails without a word about proc or the log socket, from which somebody has taken what their sections
 * need: it is neither declared nor refused.
 */
export function pictureOf(m: Machine, loose: readonly string[], text: string) {
  const isFirm = (line: string) => !loose.some((path) => line.includes(`${path}/proc `));
  const { jails } = JSON.parse(m.must(["jailkit", "list", "--json"]).stdout);
  const mounts = m.run(["findmnt", "-rno", "TARGET,FSTYPE,VFS-OPTIONS"]).stdout.split("\n");
  return {
    accounts: accounts(m, "/etc/passwd", text),
    members: members(m, "/etc/group").filter((line) => NAMES.some((name) => line.includes(name))),
    records: jails
      .map(({ path, state, sections, files, live }: Record<string, string & string[]>) => ({
        ...{ path, state, sections: [...(sections ?? [])].sort(), files: [...(files ?? [])].sort(), live },
      }))
      .sort((a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1)),
    fstab: lines(m, "/etc/fstab")
      .filter((line) => line.includes("/srv/") && isFirm(line) && !OTHER_LINES.includes(line))
      .sort(),
    mounts: mounts.filter((line) => line.startsWith("/srv/") && isFirm(line)).sort(),
    settings: files(m, "/etc/jailkit/jk_chrootsh.d"),
    sockets: Object.entries(files(m, "/etc/jailkit/jk_socketd.d")).filter(
      ([name]) => !loose.some((path) => name === dropInOf(path)),
    ),
    jails: Object.fromEntries(
      JAILS.filter((path) => m.exists(path)).map((path) => [path, jail(m, path, text)]),
    ),
  };
}
