/** The account files of a jail decide on logins: nobody but root may write them. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { copyAnew, typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const PASSWD = `${J}/etc/passwd`;
let m: Machine;
const login = (command = "/bin/true") =>
  m.run(["/usr/sbin/jk_chrootsh", "-c", command], { user: "anna" }).status;

const type = (remedy = "false") => expect(typeRemedy(m, remedy).status).toBe(0);

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(
    "/etc/jailkit/jails.d/j.ini",
    `[jail ${J}]\nsections = basicshell\n[user anna]\njail = ${J}\nexecutables = /bin/true\n[user bert]\njail = ${J}\nshell = /bin/bash\n`,
  );
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());
beforeEach(() => expect([login(), linesOf(m, "--check").status]).toEqual([0, 0]));

test("whoever can write etc/passwd gives anybody another shell", () => {
  m.must(["chmod", "0666", PASSWD]);
  const give = `sed 's,/usr/sbin/jk_lsh,/bin/bash,' /etc/passwd > /home/bert/p && cat /home/bert/p > /etc/passwd`;
  m.run(["chroot", "--userspec=bert", J, "/bin/bash", "-c", give]);
  expect(m.read(PASSWD)).toMatch(/^anna:.*:\/bin\/bash$/m);
  expect([login("/bin/bash -c :"), login()]).not.toContain(0);
  const [problem] = linesOf(m, "--check").summary.problems;
  expect(problem?.remedy).toBe(copyAnew(PASSWD));
  // Who does not like what is shown says so.
  const refused = m.run(["bash", "-l"], { stdin: `${problem?.remedy}\nn\n` });
  expect([refused.stdout.includes("\nanna:"), m.stat(PASSWD)?.mode]).toEqual([true, 0o100666]);
  m.remove(`${PASSWD}.new`);
  type(problem?.remedy ?? undefined);
  // What they wrote is taken back.
  m.must(["jailkit", "apply"]);
  expect([login("/bin/bash -c :") === 0, login()]).toEqual([false, 0]);
});

test.each([
  ["passwd", ["chmod", "0666"], /is writable by everyone \(mode 0666\)/],
  ["group", ["chmod", "0666"], /is writable by everyone \(mode 0666\)/],
  ["passwd", ["chown", "bert"], /belongs to uid \d+, not to root/],
  ["group", ["chown", "bert"], /belongs to uid \d+, not to root/],
  ["passwd", ["setfacl", "-m", "u:bert:rw"], /through its ACL/],
])("etc/%s after %p: no tool uses the jail, and the remedy heals", (name, command, why) => {
  const file = `${J}/etc/${name}`;
  m.must([...command, file]);
  expect(login()).not.toBe(0);
  for (const options of [["--check"], []]) {
    const { problems } = linesOf(m, ...options).summary;
    expect(problems[0]).toMatchObject({ code: "unsafe-jail", message: expect.stringMatching(why) });
  }
  const { stdout } = m.run(["jk_check", "--json", J]);
  const { jails } = JSON.parse(stdout);
  const found: { path: string; rule: string }[] = jails[0].findings;
  const rules = found.filter(({ path }) => path === file).map(({ rule }) => rule);
  expect(rules).toContain(command[0] === "setfacl" ? "acl-entry" : "unsafe-jail");
  expect(m.run(["jk_init", "-j", J, "uidbasics"]).stderr).toMatch(why);
  expect(m.run(["jk_jailuser", "--jail-side-only", "-j", J, "anna"]).stderr).toMatch(why);
  const remedy = linesOf(m, "--check").summary.problems[0]?.remedy ?? "false";
  type(remedy);
  expect(m.run(["jk_check", J]).status).toBe(0);
});

test("jk_check --fix does not make valid what nobody has read", () => {
  m.must(["chgrp", "team", PASSWD]);
  m.must(["chmod", "0664", PASSWD]);
  const { stdout, status } = m.run(["jk_check", "--fix", J]);
  expect(stdout).toContain(`${PASSWD}: others could write it: copy it to a file of root's, read the copy`);
  expect([status, m.must(["stat", "-c", "%a", PASSWD]).stdout.trim(), login() === 0]).toEqual([
    1,
    "664",
    false,
  ]);
  type(linesOf(m, "--check").summary.problems[0]?.remedy ?? "false");
});

test("while others can exchange it, no command for it is printed", () => {
  m.must(["chmod", "0666", PASSWD]);
  m.must(["chgrp", "team", "/srv"]);
  m.must(["chmod", "g+w", "/srv"]);
  const { stdout } = m.run(["jailkit", "explain", "anna"]);
  expect(stdout).toContain("chmod g-w /srv");
  expect(stdout).not.toContain(`chmod go-w ${PASSWD}`);
  m.must(["chmod", "g-w", "/srv"]);
  m.must(["chgrp", "root", "/srv"]);
  type(linesOf(m, "--check").summary.problems[0]?.remedy ?? "false");
});

test("a group may write with gid 0, which is root's", () => {
  m.must(["chmod", "0664", PASSWD]);
  expect([login(), linesOf(m, "--check").status]).toEqual([0, 0]);
  m.must(["chgrp", "team", PASSWD]);
  expect(login()).not.toBe(0);
  m.must(["chgrp", "root", PASSWD]);
  m.must(["chmod", "0644", PASSWD]);
});

test("a symbolic link leads to no directory that users can write", () => {
  m.must(["mkdir", `${J}/home/bert/etc`]);
  m.must(["cp", PASSWD, `${J}/home/bert/etc/passwd`]);
  m.must(["mv", PASSWD, `${PASSWD}.kept`]);
  m.must(["ln", "-s", "/home/bert/etc/passwd", PASSWD]);
  expect(login()).not.toBe(0);
  const [problem] = linesOf(m, "--check").summary.problems;
  const where = `${PASSWD} leads to ${J}/home/bert/etc/passwd, in a directory that users can write`;
  expect(problem).toMatchObject({ code: "unsafe-jail", message: expect.stringContaining(where) });
  expect(problem?.remedy).toBe(`mv -nT ${PASSWD} ${PASSWD}.old`);
  m.must(["sh", "-ec", problem?.remedy ?? "false"]);
  m.must(["mv", `${PASSWD}.kept`, PASSWD]);
  m.must(["rm", "-r", `${PASSWD}.old`, `${J}/home/bert/etc`]);
});

test.each([
  ["a home", "/home/bert/group", false],
  ["a home, from the jail's own root", "../home/bert/group", false],
  ["a file beside it", "group.real", true],
  ["a file beside it, from the jail's own root", "/etc/group.real", true],
])("lines of etc/group behind a link to %s: root edits no file that users choose", (_, target, ours) => {
  const file = `${J}/etc/group`;
  const real = target.includes("real") ? `${file}.real` : `${J}/home/bert/group`;
  m.must(["mv", file, real]);
  m.must(["ln", "-s", target, file]);
  const before = m.read(real);
  m.write(real, `${before}nosuch:x:9999:\nno line\n`);
  // On the host, the same path names another file.
  m.must(["sh", "-ec", "echo secret > /etc/group.real; mkdir -p /home/bert; echo secret > /home/bert/group"]);
  const { stdout } = m.run(["jk_check", "--json", J]);
  const found: { rule: string; message: string; remedy?: string }[] = JSON.parse(stdout).jails[0].findings;
  const first = "first put what is root's alone in the place of the symbolic link";
  const lines = found.filter(({ rule }) => rule === "group-unknown" || rule === "account-line");
  expect(
    lines.map(({ message, remedy }) => [message.includes(`; ${first} ${file}`), remedy ?? null]),
  ).toEqual(
    ours
      ? lines.map(() => [false, expect.stringMatching(/^sed -i .* \/srv\/j\/etc\/group\.real$/)])
      : lines.map(() => [true, null]),
  );
  expect(lines.length).toBe(2);
  expect(found[0]?.rule === "unsafe-jail").toBe(!ours);
  for (const { remedy } of ours ? lines : []) type(remedy ?? "false");
  expect([m.read(real), m.run(["readlink", file]).stdout]).toEqual([
    `${before}${ours ? "#nosuch:x:9999:\n#no line\n" : "nosuch:x:9999:\nno line\n"}`,
    `${target}\n`,
  ]);
  m.write(real, before);
  m.must(["mv", "-fT", real, file]);
  m.must(["rm", "-r", "/etc/group.real", "/home/bert"]);
});

test.each([
  ["a link of their own", "ln -s evil passwd"],
  ["a directory", "mkdir passwd"],
  ["nothing", "true"],
])("nor do users make it count by %s in the place to which it leads", (_, command) => {
  m.must(["install", "-d", "-g", "team", "-m", "2775", `${J}/srv/team`]);
  m.must(["cp", PASSWD, `${J}/srv/team/evil`]);
  m.must(["mv", PASSWD, `${PASSWD}.kept`]);
  m.must(["ln", "-s", "../srv/team/passwd", PASSWD]);
  m.must(["sh", "-c", `cd ${J}/srv/team && ${command}`]);
  const where = `${PASSWD} leads to ${J}/srv/team/passwd, in a directory that users can write`;
  expect(m.run(["jk_check", J]).stdout).toContain(where);
  expect(linesOf(m, "--check").summary.problems[0]).toMatchObject({ code: "unsafe-jail" });
  expect(login()).toBe(53);
  m.must(["sh", "-c", `rm -r ${PASSWD} ${J}/srv/team; mv ${PASSWD}.kept ${PASSWD}`]);
});
