/** What is nobody's business of a declaration, on the machine of apply-random.test.ts, and whose homes are whose. */
import { expect } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { JAILS, NAMES } from "./apply-random-scene.ts";

const OTHER = "/srv/other";
/** Lines of others in fstab(5), also below jails. */
export const OTHER_LINES = [
  "# /usr /srv/a/usr none bind 0 0",
  "tmpfs\t/srv/a/scratch\ttmpfs noauto,size=1m  0 0",
  "tmpfs /srv/ab/usr tmpfs noauto 0 0",
  "/opt/tool /srv/b/opt/tool2 none bind,noauto 0 0",
];

/** A jail with a user, made by hand, groups, and lines of fstab(5). */
export function addOthers(m: Machine): void {
  m.must(["jk_init", "-j", OTHER, "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-s", "/bin/bash", "-u", "50040", "-G", "team", OTHER, "zoe"]);
  m.write("/etc/fstab", `${m.exists("/etc/fstab") ? m.read("/etc/fstab") : ""}${OTHER_LINES.join("\n")}\n`);
}

const lines = (m: Machine, file: string) => m.read(file).split("\n").filter(Boolean);
const isOurs = (name = "") => NAMES.some((one) => name === one);

/** What no run may change. */
export function othersOf(m: Machine) {
  const accounts = (file: string) =>
    lines(m, file)
      .filter((line) => !isOurs(line.split(":")[0]))
      .sort();
  return {
    passwd: accounts("/etc/passwd"),
    shadow: accounts("/etc/shadow"),
    group: accounts("/etc/group").map((line) => {
      const [name, , gid, members = ""] = line.split(":");
      return [
        name,
        gid,
        members
          .split(",")
          .filter((one) => !isOurs(one))
          .join(),
      ].join(":");
    }),
    fstab: lines(m, "/etc/fstab").filter((line) => OTHER_LINES.includes(line) || !line.includes("/srv/")),
    tree: m.run(["find", OTHER, "-printf", "%P %y %m %U %s %T@\\n"]).stdout,
  };
}

/** A file in each home says whose it is. */
const MARK = ".whose";
const placesOf = (jail: string) => [jail, `${jail}-aside`, `${jail}-new`];
const HOMES = ["/home", ...JAILS.flatMap(placesOf).map((jail) => `${jail}/home`)];

const localUsers = (m: Machine) =>
  lines(m, "/etc/passwd").map((line) => {
    const [name = "", , uid, , , home = ""] = line.split(":");
    return { name, uid, home: home.replace("/./", "/") };
  });

/** Marks the homes of accounts that have none yet. */
export function markHomes(m: Machine): void {
  for (const { name, uid, home } of localUsers(m))
    if (isOurs(name) && m.stat(home)?.uid === Number(uid) && !m.exists(`${home}/${MARK}`)) {
      m.write(`${home}/${MARK}`, name);
      m.must(["chown", `${uid}`, `${home}/${MARK}`]);
    }
}

/** No account has the home of another, or the uid of files in it; nor two the same uid. */
export function requireOwnHomes(m: Machine): void {
  const users = localUsers(m);
  const marks = m
    .run(["find", ...HOMES, "-name", MARK, "-printf", "%U %h %p\\n"])
    .stdout.split("\n")
    .filter(Boolean)
    .map((line) => {
      const [uid, home, path = ""] = line.split(" ");
      return { uid, home, owner: m.read(path) };
    });
  const wrong = marks.flatMap(({ uid, home, owner }) =>
    users
      .filter((user) => user.name !== owner && (user.uid === uid || user.home === home))
      .map(({ name }) => `${name} has ${home} of ${owner}`),
  );
  const uids = users.filter(({ name }) => isOurs(name)).map(({ uid }) => uid);
  expect({ step: "homes", wrong, uids: new Set(uids).size }).toEqual({
    ...{ step: "homes", wrong: [], uids: uids.length },
  });
}
