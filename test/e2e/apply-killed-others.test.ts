/** `jailkit apply` that is killed: what it has not come to is of others, and --prune leaves it to them. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { BOB, J, JAIL, openKilledMachine } from "./apply-killed-scene.ts";
import { KEYS } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const MEMORY = "/var/lib/jailkit/declared.json";

let at: Awaited<ReturnType<typeof openKilledMachine>>;
let m: Machine;

beforeAll(async () => {
  at = await openKilledMachine();
  ({ m } = at);
});
afterAll(() => m?.close());
afterEach(() => at.clear());

/** Runs apply, which is killed at its nth such call, of a path or of any; false if it has fewer. */
const killAt = (call: string, nth: number, ...of: readonly ["-P", string] | readonly []): boolean =>
  m.run([
    ...["strace", "-qq", ...of, "-o", "/dev/null", "-e", `inject=${call}:signal=KILL:when=${nth}`],
    ...["jailkit", "apply"],
  ]).signal === "SIGKILL";
const lockOf = (jail: string) =>
  `/var/lib/jailkit/locks/path-${new Bun.CryptoHasher("sha256").update(jail).digest("hex").slice(0, 32)}`;
const prune = () => m.must(["jailkit", "apply", "--prune"]);
const inTeam = () => m.must(["id", "-Gn", "bob"]).stdout.split(/\s/).includes("team");

/** An account with a group and a key that an administrator gave it, and nothing of one before. */
function addAccount(): void {
  m.run(["userdel", "-f", "bob"]);
  for (const path of ["/home/bob", "/home/.jk-move-bob", `${J}/home/bob`]) m.remove(path);
  m.addUser("bob", { home: "/home/bob", createHome: true, shell: "/bin/bash" });
  m.must(["gpasswd", "-a", "bob", "team"]);
  m.must(["install", "-d", "-o", "bob", "-m", "0700", "/home/bob/.ssh"]);
  m.write("/home/bob/.ssh/authorized_keys", `${KEYS[0]}\n`);
  m.must(["chown", "bob", "/home/bob/.ssh/authorized_keys"]);
}

/** Whether the account is out of the jail, in its group, and has its key, also where a move of the home has ended. */
function whatItHas() {
  const home = at.lineIn("/etc/passwd", "bob").split(":")[5];
  const keys = m.run(["sh", "-c", "cat /home/bob/.ssh/* /home/.jk-move-bob/home/.ssh/*"]).stdout;
  return [home, inTeam(), keys === `${KEYS[0]}\n`];
}

test.each(["renameat", "renameat2", "flock", "wait4"])(
  "the group and the key of an account that goes into a jail: killed at each %s",
  (call) => {
    at.declare(JAIL);
    m.must(["jailkit", "apply"]);
    for (let nth = 1; ; nth++) {
      addAccount();
      at.declare(`${JAIL}${BOB}groups = team\nauthorized_keys = ${KEYS[0]}\n`);
      const isKilled = killAt(call, nth);
      at.declare(JAIL);
      prune();
      // What was made as declared is its own.
      expect([nth, ...whatItHas()]).toEqual([nth, "/home/bob", isKilled, isKilled]);
      if (!isKilled) break;
    }
  },
);

test("a jail and a user that commands made, and of which nothing is changed yet, stay as they are", () => {
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "bob"]);
  const before = [at.lineIn("/etc/passwd", "bob"), at.lineIn(`${J}/etc/passwd`, "bob")];
  at.declare(`${JAIL}files = /usr/bin/id\n${BOB.replace("bash", "sh")}groups = team\n`);
  expect(killAt("flock", 1, "-P", lockOf(J))).toBe(true);
  expect(at.memory()).toMatchObject({ jails: [], users: [] });
  at.declare("");
  prune();
  expect([at.lineIn("/etc/passwd", "bob"), at.lineIn(`${J}/etc/passwd`, "bob")]).toEqual(before);
  expect([m.exists(`${J}/bin/bash`), inTeam()]).toEqual([true, false]);
});

test("what was begun is known by a line, also behind one that was not written to its end", () => {
  at.declare(JAIL);
  m.must(["jailkit", "apply"]);
  addAccount();
  m.must(["gpasswd", "-d", "bob", "team"]);
  at.declare(`${JAIL}${BOB}groups = team\n`);
  expect(killAt("wait4", 1)).toBe(true);
  const text = m.read(MEMORY);
  const [whole = "", ...lines] = text.split("\n").filter((line) => line !== "");
  expect(JSON.parse(whole)).toMatchObject({ version: 4, users: [] });
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { jails: [], users: [{ name: "bob", groups: ["team"] }] },
  ]);
  m.write(MEMORY, `${whole}\n${lines[0]?.slice(0, 40)}\xc3${text.slice(whole.length)}{"jails":[`, {
    mode: 0o600,
  });
  m.must(["gpasswd", "-a", "bob", "team"]);
  at.declare(JAIL);
  prune();
  expect([inTeam(), at.memory()]).toMatchObject([false, { version: 4, users: [] }]);
});

test("a change that fails leaves no line behind, and the file is as it was", () => {
  at.declare(JAIL);
  m.must(["jailkit", "apply"]);
  addAccount();
  const before = m.read(MEMORY);
  m.must(["chattr", "+i", `${J}/etc/passwd`]);
  at.declare(`${JAIL}${BOB}groups = team\n`);
  expect(m.run(["jailkit", "apply"]).status).toBe(1);
  m.must(["chattr", "-i", `${J}/etc/passwd`]);
  expect(m.read(MEMORY)).toBe(before);
});
