/**
 * A program in a jail has nothing on descriptors 0, 1 and 2 with which it could get out. A caller puts such a thing
 * there, and the program finds /dev/null in its place.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
// By the words of standard-descriptors.c.
const POWERS = [
  "directory",
  "o-path-file",
  "o-path-directory",
  "user-namespace",
  "mount-namespace",
  "pidfd",
  "proc-memory",
  "proc-root",
  "epoll",
  "eventfd",
  "inotify",
  "io_uring",
  "userfaultfd",
  "bpf",
  "perf",
];
const HARMLESS = ["file", "pipe", "socket", "terminal", "null", "memfd"];

describe.each(["package", "standalone"] as const)("%s", (layout) => {
  let m: Machine;

  beforeAll(async () => {
    m = await openMachine({ under: "ours", layout });
    await m.startSyslog();
    m.write("/root/d.c", await Bun.file(join(import.meta.dir, "standard-descriptors.c")).bytes());
    m.must(["gcc", "-static", "-O1", "-Wall", "-o", "/srv/standard", "/root/d.c"]);
    m.addUser("u", { uid: 4801, home: `${J}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
    m.addUser("l", { uid: 4802, shell: "/usr/sbin/jk_lsh" });
    m.addUser("v", { uid: 4803 });
    for (const name of ["etc/jailkit", "bin", "usr/bin", "home"]) m.mkdir(`${J}/${name}`);
    const { uid, gid } = m.ids("u");
    m.mkdir(`${J}/home/u`, { owner: [uid, gid] });
    const users = ["u", "v"].map((name) => ({ name, ...m.ids(name) }));
    const passwd = users.map((each) => `${each.name}:x:${each.uid}:${each.gid}::/home/u:/bin/standard\n`);
    m.write(`${J}/etc/passwd`, passwd.join(""));
    m.write(`${J}/etc/group`, users.map((each) => `${each.name}:x:${each.gid}:\n`).join(""));
    for (const path of [`${J}/bin/standard`, `${J}/usr/bin/procmail`, "/usr/bin/procmail"])
      m.must(["cp", "/srv/standard", path]);
    m.write("/etc/jailkit/jk_uchroot.ini", `[v]\nallowed_jails = ${J}\nscope = 0\n`);
    // The answer comes through an abstract socket.
    m.write("/etc/jailkit/jk_lsh.ini", "[l]\npaths = /srv\nexecutables = /srv/standard\nscope = 0\n");
  });
  afterAll(() => m?.close());

  const found = (what: string, user: string, words: string[]) => {
    const { status, stdout, stderr } = m.run(["/srv/standard", "put", what, ...words], {
      user,
      env: { USER: user },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return stdout.trimEnd().split("\n");
  };
  const ways: [string, string, string[]][] = [
    ["nothing in between", "v", ["/srv/standard", "look"]],
    ["jk_chrootsh", "u", ["/usr/sbin/jk_chrootsh", "look"]],
    ["jk_uchroot", "v", ["/usr/bin/jk_uchroot", "-j", J, "-x", "/bin/standard", "--", "look"]],
    ["jk_procmailwrapper", "u", ["/usr/sbin/jk_procmailwrapper", "look"]],
    ["jk_lsh", "l", ["/usr/sbin/jk_lsh", "-c", "/srv/standard look"]],
    [
      "jk_chrootlaunch",
      "root",
      ["/usr/sbin/jk_chrootlaunch", "-j", J, "-u", "v", "-x", "/bin/standard", "--", "look"],
    ],
  ];

  for (const [name, user, words] of ways) {
    const expected = name === "nothing in between" ? "is there" : "null";
    for (const what of POWERS) {
      test(`${name}: a power (${what}) is ${expected}`, () => {
        const lines = found(what, user, words);
        // Not every kernel or machine lets this user have one.
        if (lines[0]?.startsWith("none: ")) return;
        expect(lines).toEqual([0, 1, 2].map((fd) => `${fd} ${expected === "null" ? "null" : "other"}`));
      });
    }
    for (const what of HARMLESS) {
      test(`${name}, ${what}: is there`, () => {
        const kind = what === "null" ? "null" : "other";
        expect(found(what, user, words)).toEqual([0, 1, 2].map((fd) => `${fd} ${kind}`));
      });
    }
  }
});
