/**
 * The tools as an ordinary user, who may not read root's files: each reports that, in a line or two, and none advises
 * to change or remove what only this user cannot see.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { documentedTools } from "../../build/documented.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const REGISTRY = "/var/lib/jailkit/jails";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.addUser("u", { home: `${J}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["jk_jailuser", "-n", "-j", J, "-s", "/bin/sh", "u"]);
});
afterAll(() => m?.close());

const COMMANDS = [
  ["jk_check"],
  ["jk_check", J],
  ["jk_check", "--json"],
  ["jk_check", "--fix", J],
  ["jk_list"],
  ["jk_list", "-j", J],
  ["jk_init", "-j", J, "basicshell"],
  ["jk_init", "--dry-run", "-j", J, "basicshell"],
  ["jk_init", "--remove", "-j", J, "basicshell"],
  ["jk_cp", "-j", J, "/bin/ls"],
  ["jk_cp", "--remove", "-j", J, "/bin/ls"],
  ["jk_jailuser", "-j", J, "u"],
  ["jk_addjailuser", "-j", J, "w"],
  ["jk_update", "-j", J],
  ["jk_update", "--dry-run", "-j", J],
  ["jk_update", "--all"],
  ["jk_socketd", "-n"],
  ["jk_chrootlaunch", "-j", J, "-x", "/bin/sh"],
  ["jk_uchroot", "-j", J, "-x", "/bin/sh"],
  ["jk_lsh", "-c", "true"],
  ["jailkit", "apply"],
  ["jailkit", "apply", "--check"],
  ["jailkit", "list"],
  ["jailkit", "disk"],
  ["jailkit", "disk", J],
  ["jailkit", "delete", "--yes", J],
  ["jailkit", "forget", J],
  ["jailkit", "export", J],
  ["jailkit", "import", J, "/nonexistent"],
  ["jailkit", "adopt", J],
  ["jailkit", "explain", "u"],
  ["jailkit", "log-sockets"],
  ["jailkit", "status"],
  ["jailkit", "terminate-user", "u"],
  ["jailkit", "mount", J],
  ["jailkit", "unmount", "--all"],
  ["jailkit", "config", "check"],
];

test("every tool is in this list, but those that nobody calls from a shell", async () => {
  const called = new Set(
    COMMANDS.map(([name, command]) => (name === "jailkit" ? `${name} ${command}` : name)),
  );
  const missing = (await documentedTools())
    .map(({ page }) => page.replace("-", " "))
    .filter((name) => !called.has(name));
  expect(missing).toEqual(["jailkit", "jk_chrootsh", "jk_procmailwrapper"]);
});

/** What works without root, as far as the files can be read. */
const FOR_ANYONE = [
  "jk_check",
  "jk_list",
  "jk_chrootlaunch",
  "jk_uchroot",
  "jk_lsh",
  "jailkit explain",
  "jailkit config",
];

test.each(
  COMMANDS.filter(
    ([name, command]) => ![name, `${name} ${command}`].some((one) => FOR_ANYONE.includes(one ?? "")),
  ),
)("%s %s %s %s is for root alone", (...words) => {
  const [name = "", command] = words;
  const tool = name === "jailkit" ? `${name} ${command}` : name;
  const status = tool === "jk_socketd" || tool === "jailkit log-sockets" ? 1 : 5;
  const stderr = `${tool}: must be run as root\n`;
  expect(m.run(words, { user: "nobody" })).toMatchObject({ status, stdout: "", stderr });
});

test.each(COMMANDS)("%s %s %s %s", (...words) => {
  const before = m.snapshot(REGISTRY);
  const { stdout, stderr, signal } = m.run(words, { user: "nobody" });
  expect(signal).toBeUndefined();
  const advice = /\b(?:remove (?:it|that|the)|rm|delete|move (?:it|them)? ?away|chown|chmod)\b/;
  expect(
    `${stdout}${stderr}`.split("\n").filter((line) => advice.test(line.replace("jailkit delete:", ""))),
  ).toEqual([]);
  expect(stderr).not.toContain("    at ");
  expect(m.snapshot(REGISTRY)).toEqual(before);
});

test("what cannot be read is reported as root's", () => {
  for (const words of [["jk_check"], ["jk_check", J]]) {
    const { stderr, status } = m.run(words, { user: "nobody" });
    expect(stderr).toContain(`${REGISTRY}: only root can read it; run this as root`);
    expect(status).not.toBe(0);
  }
});

test("a registry that others can write: the remedy fixes it, and the record is still there", () => {
  const before = m.list(REGISTRY);
  m.chmod(REGISTRY, 0o777);
  m.chown(REGISTRY, 65534, 65534);
  const { stderr } = m.run(["jailkit", "list"]);
  const remedy = /and then: (.*)$/m.exec(stderr)?.[1] ?? "false";
  m.must(["sh", "-c", remedy]);
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
  expect(m.list(REGISTRY)).toEqual(before);
});
