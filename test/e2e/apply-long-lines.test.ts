/** Lines of passwd(5) and group(5) that are very long: what useradd(8) and usermod(8) cannot write is said before. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
/** Of name, password, comment, home and shell together. */
const MOST = 32_668;
const rest = (name: string) => `${name}x${J}/./home/${name}/usr/sbin/jk_chrootsh`.length;
const longest = (name: string) => "c".repeat(MOST - rest(name));
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;

let m: Machine;
const passwd = (name: string) => new RegExp(`^${name}:.*$`, "m").exec(m.read("/etc/passwd"))?.[0] ?? "";

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("a comment may be as long as useradd(8) and usermod(8) write it", () => {
  m.write(FILE, JAIL + user("anna", `comment = ${longest("anna")}\n`));
  expect(linesOf(m).summary).toMatchObject({ changed: 1, problems: [] });
  expect(passwd("anna")).toContain(`:${longest("anna")}:${J}/./home/anna:`);
  m.write(FILE, JAIL + user("anna", "comment = short\n"));
  expect(linesOf(m).summary).toMatchObject({ changed: 1, problems: [] });
  m.write(FILE, JAIL + user("anna", `comment = ${longest("anna")}\n`));
  expect(linesOf(m).summary).toMatchObject({ changed: 1, problems: [] });
  expect(linesOf(m).summary).toMatchObject({ changed: 0, problems: [] });
});

test.each([
  ["a new one", "bert", 1],
  ["one that is there", "anna", 1],
  ["one with the longest comment", "bert", 60_000 - MOST],
])("one that is longer is an error of its line, of the account of %s", (_, name, over) => {
  m.write(FILE, JAIL + user(name, `comment = ${longest(name)}${"c".repeat(over)}\n`));
  const bytes = over === 1 ? "1 byte" : `${over} bytes`;
  const message = `'comment': with it, the line of passwd(5) is ${bytes} longer than useradd(8) and usermod(8) can write`;
  for (const options of [["--check"], []]) {
    const { status, summary } = linesOf(m, ...options);
    expect([status, summary.problems.length]).toEqual([1, 1]);
    expect(summary.problems).toMatchObject([{ file: FILE, line: 6, finding: "bad-account", remedy: null }]);
    expect(summary.problems[0]?.message).toContain(message);
  }
  expect(m.run(["jailkit", "config", "check"]).stdout).toContain(`${FILE}:6:11: error: ${message}`);
});

test("that of an account whose home gets the path of the jail in front is known before, too", () => {
  m.write(FILE, JAIL);
  m.must(["useradd", "-m", "-s", "/bin/bash", "-c", longest("carl"), "carl"]);
  m.must(["usermod", "-c", `${longest("carl")}c`, "carl"]);
  const before = passwd("carl");
  m.write(FILE, JAIL + user("carl"));
  const why =
    "'carl' cannot be jailed because of the comment: with it, the line of passwd(5) is 1 byte longer than useradd(8) and usermod(8) can write";
  for (const options of [["--check"], []]) {
    const { status, summary } = linesOf(m, ...options);
    expect([status, summary.problems.map((one) => [one.code, one.file, one.line])]).toEqual([
      1,
      [["bad-value", FILE, 3]],
    ]);
    expect(summary.problems[0]?.message).toContain(why);
  }
  expect(m.run(["jk_jailuser", "-m", "-j", J, "carl"])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(why),
  });
  expect([passwd("carl"), m.exists("/home/carl"), m.exists(`${J}/home/carl`)]).toEqual([before, true, false]);
  m.must(["usermod", "-c", longest("carl"), "carl"]);
  expect(linesOf(m).summary).toMatchObject({ changed: 1, problems: [] });
  expect(passwd("carl")).toContain(`${J}/./home/carl:`);
});

test("jk_addjailuser creates nothing of an account with such a comment", () => {
  const add = (comment: string) => m.run(["jk_addjailuser", "-c", comment, "-s", "/bin/bash", J, "dora"]);
  const { status, stderr } = add(`${longest("dora")}c`);
  expect([status, stderr]).toEqual([1, expect.stringContaining("because of the comment: with it, the line")]);
  expect([passwd("dora"), m.exists(`${J}/home/dora`)]).toEqual(["", false]);
  expect(add(longest("dora")).status).toBe(0);
});

test("a group may have many thousand members", () => {
  const members = Array.from({ length: 9000 }, (_, at) => `member${at}`);
  m.must(["groupadd", "many"]);
  m.write("/etc/group", m.read("/etc/group").replace(/^(many:.*)$/m, `$1${members.join(",")}`));
  m.write(FILE, JAIL + user("emil", "groups = many\n"));
  expect(linesOf(m, "--check").summary).toMatchObject({ changed: 1, problems: [] });
  expect(linesOf(m).summary).toMatchObject({ changed: 1, problems: [] });
  expect(/^many:.*$/m.exec(m.read("/etc/group"))?.[0]).toEndWith(",member8999,emil");
  expect(m.read(`${J}/etc/group`)).toMatch(/^many:.*emil$/m);
  m.write(FILE, JAIL + user("emil"));
  expect(linesOf(m, "--prune").summary).toMatchObject({ failed: 0, problems: [] });
  expect(/^many:.*$/m.exec(m.read("/etc/group"))?.[0]).toEndWith(",member8999");
});

test("a home may be as long as a path can be, with that of the jail in front", () => {
  const home = (more: string) => `/home${"/directory".repeat(408)}/${more}`;
  const most = "h".repeat(4095 - `${J}/.${home("")}`.length);
  m.write(FILE, JAIL + user("fay", `home = ${home(`${most}h`)}\n`));
  const { status, summary } = linesOf(m, "--check");
  expect([status, summary.problems]).toMatchObject([1, [{ file: FILE, line: 6, finding: "bad-path" }]]);
  m.write(FILE, JAIL + user("fay", `home = ${home(most)}\n`));
  expect(linesOf(m).summary).toMatchObject({ changed: 1, problems: [] });
  expect(linesOf(m).summary).toMatchObject({ changed: 0, problems: [] });
});

test.each([
  ["a list", user("gil", `groups = ${Array.from({ length: 12_000 }, (_, at) => `g${at}`).join(", ")}\n`), 6],
  ["a name of a section", `[user ${"n".repeat(1025)}]\njail = ${J}\nallow = sftp\n`, 3],
])("%s that is too long is one error, and no command changes another section", (_, text, line) => {
  m.write(FILE, JAIL + text);
  for (const options of [["--check"], []]) {
    const { status, summary } = linesOf(m, ...options);
    expect([status, summary.problems.length]).toEqual([1, 1]);
    expect(summary.problems).toMatchObject([{ file: FILE, line, finding: "too-long", remedy: null }]);
  }
  const { stdout } = m.run(["jailkit", "config", "check", FILE]);
  expect(stdout.match(/: (error|warning): .*/g)).toEqual([expect.stringContaining("[too-long]")]);
});

test("for sections that do not exist, jk_init.ini is not read again and again", () => {
  const reads = (count: number) => {
    const names = Array.from({ length: count }, (_, at) => `none${at}`).join(", ");
    m.write(FILE, `[jail ${J}]\nsections = uidbasics, ${names}\n`);
    const trace = ["strace", "-f", "-qq", "-o", "/root/trace", "-e", "trace=openat,openat2"];
    const { status, stdout } = m.run([...trace, "jailkit", "config", "check"]);
    expect([status, stdout.match(/\[unknown-section\]/g)?.length]).toEqual([1, count]);
    return m.read("/root/trace").split("jk_init.ini").length;
  };
  expect(reads(50)).toBe(reads(1));
});
