/** Work that grows with the number of users and jails, and no faster: counted in system calls, not in time. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_check", "jk_update", "jailkit"] });
  m.write("/etc/jailkit/jk_init.d/scale.ini", "[scale]\npaths = cat\nincludesections = uidbasics\n");
});
afterAll(async () => m.close());

/** The number of system calls and of bytes that a command reads. */
function work(argv: readonly string[]): { calls: number; bytes: number } {
  m.run(["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=!futex,madvise,sched_yield", ...argv]);
  const lines = m.read("/root/trace").split("\n");
  const bytes = lines.map((line) => Number(/ p?read(?:64)?\(.* = (\d+)$/.exec(line)?.[1] ?? 0));
  return { calls: lines.length, bytes: bytes.reduce((sum, count) => sum + count, 0) };
}

/** How often a command opens the account files of the host. */
function opens(argv: readonly string[]): Record<string, number> {
  m.must(["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=open,openat,openat2", ...argv]);
  const trace = m.read("/root/trace");
  const files = ["/etc/group", "/etc/shadow", "/etc/passwd"];
  return Object.fromEntries(files.map((file) => [file, trace.split(`"${file}"`).length - 1]));
}

describe("users of one jail", () => {
  const jail = "/srv/many";
  let users = 0;

  function addUsers(count: number, homes = true): void {
    const range = Array.from({ length: count }, (_, index) => users + index);
    users += count;
    const add = (file: string, line: (index: number) => string) =>
      m.write(file, m.read(file) + range.map((index) => `${line(index)}\n`).join(""));
    const id = (index: number) => `u${index}:x:${20000 + index}`;
    add("/etc/passwd", (i) => `${id(i)}:${20000 + i}::${jail}/./home/u${i}:/usr/sbin/jk_chrootsh`);
    add("/etc/group", (i) => `${id(i)}:`);
    add("/etc/shadow", (i) => `u${i}:*:20000::::::`);
    add(`${jail}/etc/passwd`, (i) => `${id(i)}:${20000 + i}::/home/u${i}:/bin/cat`);
    add(`${jail}/etc/group`, (i) => `${id(i)}:`);
    for (const index of homes ? range : []) {
      m.mkdir(`${jail}/home/u${index}`, { mode: 0o700 });
      m.chown(`${jail}/home/u${index}`, 20000 + index, 20000 + index);
    }
  }

  test("twice as many cost jk_check, jailkit list, jailkit disk and jailkit export twice as much", () => {
    m.must(["jk_init", "-j", jail, "scale"]);
    const measured = [100, 200, 400].map((count) => {
      addUsers(count - users);
      return [
        ["jk_check", jail],
        ["jailkit", "list", jail],
        ["jailkit", "disk", "--users", jail],
        ["jailkit", "export", "--declaration", jail],
      ].map(work);
    });
    const [few = [], some = [], many = []] = measured;
    for (const [index, most] of many.entries()) {
      for (const key of ["calls", "bytes"] as const) {
        const steps = [some[index], few[index]].map((one) => one?.[key] ?? 0);
        const [middle = 0, least = 0] = steps;
        expect(most[key] - middle).toBeLessThan(2.2 * (middle - least) + (key === "bytes" ? 65536 : 100));
      }
    }
  });

  test("jailkit config check looks once at the programs that sections have in common", () => {
    const file = `${jail}/etc/jailkit/jk_lsh.ini`;
    const write = (count: number) => {
      const names = Array.from({ length: count }, (_, index) => `u${index}`);
      m.write(file, names.map((name) => `[${name}]\nexecutables = /usr/bin/cat\n`).join(""));
      return work(["jailkit", "config", "check", file]).calls;
    };
    const one = write(1);
    // What its programs may execute takes more than 400.
    expect(write(21) - one).toBeLessThan(20 * 20);
    m.remove(file);
  });

  test("jk_check reads the record once, however many have no home", () => {
    const before = work(["jk_check", jail]);
    addUsers(200, false);
    // Looking at one takes 21 calls, and reading the record more than 20.
    expect(work(["jk_check", jail]).calls - before.calls).toBeLessThan(200 * 30);
  });

  test("jailkit export and delete read the account files of the host as often for more users", () => {
    m.must(["groupadd", "--system", "jailed"]);
    m.must(["usermod", "-aG", "jailed,adm", "u1"]);
    const commands = [
      ["jailkit", "export", jail],
      ["jailkit", "export", "--declaration"],
      ["jailkit", "delete", "--dry-run", "--unjail", jail],
    ];
    const before = commands.map(opens);
    addUsers(100);
    expect(commands.map(opens)).toEqual(before);
    expect(m.must(["jailkit", "export", jail]).stdout).toContain('"adm"');
    const planned = m.must(["jailkit", "delete", "--dry-run", "--unjail", jail]);
    expect(planned.stderr).toContain("'u1' stays in the group jailed");
  });
});
