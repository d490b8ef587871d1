/**
 * `jailkit apply --prune` and something else in the place of a home, where its user can put that: nobody keeps a login or a key
 * by it, and what cannot be taken away is told.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import type { Sshd } from "../machine/sshd.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;

let m: Machine;
let sshd: Sshd;
let key: string;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/root/key"]);
  key = m.read("/root/key.pub").trim();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  m.mkdir(`${J}/home`, { mode: 0o755 });
  m.must(["chmod", "1777", `${J}/home`]);
  sshd = await m.startSshd({ config: ["AuthorizedKeysFile .ssh/authorized_keys"] });
});
afterAll(() => m?.close());
beforeEach(() => m.write(FILE, JAIL));

const client = () => sshd.clientOptions.map((one) => one.replace(/^.*\/client$/, "/root/key"));
const session = (name: string) =>
  m.run(["ssh", ...client(), `${name}@127.0.0.1`, "echo in"]).stdout === "in\n";
const forwards = (name: string) =>
  m.run(["ssh", ...client(), "-W", "127.0.0.1:22", `${name}@127.0.0.1`]).stdout.startsWith("SSH-");

/** What one run says, and each later one. */
function prune() {
  const { changes, summary, status } = linesOf(m, "--prune");
  const said = summary.problems.map(({ message }) => message);
  const warnings = changes.flatMap((one) => one.warnings);
  return { status, said, warnings, done: changes.map(({ status: how, text }) => `${how} ${text}`) };
}

/** An account of before, which is declared, with a key of its own. */
function before(name: string, home = `/home/${name}`): void {
  m.addUser(name, { home, createHome: true, shell: "/bin/bash" });
  m.write(FILE, JAIL + user(name, `authorized_keys = ${key}\n`));
  m.must(["jailkit", "apply"]);
  expect(session(name)).toBe(true);
}

test.each([
  ["a link", "ln -s .hidden anna"],
  ["a file", "touch anna"],
  ["a FIFO", "mkfifo anna"],
])("%s in its place ends the login of one who is to leave, who may bring the home back", (what, make) => {
  const name = `u${what.length}`;
  before(name);
  const command = `cd ${J}/home; mv ${name} .hidden; ${make.replace("anna", name)}`;
  m.must(["sh", "-c", command], { user: name });
  m.write(FILE, JAIL);
  for (let run = 0; run < 2; run++) expect(prune().status).toBe(1);
  expect(m.read(`${J}/etc/passwd`)).not.toContain(`${name}:`);
  m.must(["sh", "-c", `cd ${J}/home; rm ${name}; mv .hidden ${name}`], { user: name });
  expect(session(name)).toBe(false);
  expect(prune()).toMatchObject({ status: 0, said: [] });
  expect(m.read("/etc/passwd")).toMatch(new RegExp(`^${name}:.*:/home/${name}:/bin/bash$`, "m"));
  m.must(["userdel", "-rf", name]);
});

test("so does something at its former home, until that is put aside", () => {
  before("otto");
  m.mkdir("/home/otto");
  m.write(FILE, JAIL);
  const { status, said } = prune();
  expect([status, said]).toEqual([1, [expect.stringContaining("'/home/otto' exists already")]]);
  expect(session("otto")).toBe(false);
  m.must(["rmdir", "/home/otto"]);
  expect(prune()).toMatchObject({ status: 0, said: [] });
  m.must(["userdel", "-rf", "otto"]);
});

test("a key that is declared no longer is told, and so is what ends its use, while a link is in the place of the home", () => {
  m.write(FILE, JAIL + user("dora", `authorized_keys = ${KEYS[0]}\n  ${key}\n`));
  m.must(["jailkit", "apply"]);
  m.must(["usermod", "-p", "*", "dora"]);
  expect(session("dora")).toBe(true);
  m.must(["sh", "-c", `cd ${J}/home; mv dora .dora; ln -s .dora dora`], { user: "dora" });
  m.write(FILE, JAIL + user("dora", `authorized_keys = ${KEYS[0]}\n`));
  for (let run = 0; run < 2; run++) {
    const { status, warnings, done } = prune();
    expect([status, done]).toEqual([
      1,
      ["failed - user dora: keys 1 that cannot be read (no longer declared)"],
    ]);
    expect(warnings).toEqual([
      expect.stringContaining("'dora' is still allowed what it was before; end its logins"),
    ]);
    // As it says: sshd follows the link.
    expect(forwards("dora")).toBe(true);
  }
  const close = /with: (.*)$/.exec(prune().warnings[0] ?? "")?.[1] ?? "false";
  m.must(["sh", "-c", close]);
  m.must(["sh", "-c", `cd ${J}/home; rm dora; mv .dora dora`], { user: "dora" });
  m.must(["jailkit", "apply", "--prune"]);
  expect([session("dora"), forwards("dora")]).toEqual([false, false]);
});

test("keys in a home that belongs to somebody else are told, and nothing that makes a new home for who has no login any more", () => {
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", "emil"]);
  m.write(FILE, JAIL + user("emil", `authorized_keys = ${key}\n`));
  m.must(["jailkit", "apply"]);
  m.must(["chown", "4999", `${J}/home/emil`]);
  m.write(FILE, JAIL);
  const { status, warnings } = prune();
  const keys = `'${J}/home/emil' belongs to uid 4999, not to 'emil': keys that were declared may stay there`;
  expect(warnings.filter((one) => one.includes("keys that were declared may stay"))).toEqual([keys]);
  expect([status, m.read(`${J}/etc/passwd`).includes("emil:")]).toEqual([0, false]);
  expect(warnings.join("\n")).not.toContain("mkdir");
  m.must(["userdel", "-rf", "emil"]);
});

test("a key that is declared no longer goes also from a home that belongs to root", () => {
  m.write(FILE, JAIL + user("fred", `authorized_keys = ${KEYS[0]}\n  ${key}\n`));
  m.must(["jailkit", "apply"]);
  m.must(["chown", "root", `${J}/home/fred`]);
  m.write(FILE, JAIL + user("fred", `authorized_keys = ${KEYS[0]}\n`));
  prune();
  expect(m.read(`${J}/home/fred/.ssh/authorized_keys`)).toBe(`${KEYS[0]}\n`);
  m.write(FILE, JAIL);
  prune();
});
