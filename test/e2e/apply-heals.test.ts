/** What is advised about a declaration heals, and breaks nothing else. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/c1";
const FILE = "/etc/jailkit/jails.d/c1.ini";
const OTHER = "/etc/jailkit/jails.d/more.ini";
const BASE = `[jail ${J}]\nsections = uidbasics, basicshell\n[user u1]\njail = ${J}\nshell = /bin/bash\nuid = 7001\n`;

let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]);
/** What is wrong, and nothing else is planned. */
const problemsOf = (...words: string[]) => linesOf(m, ...words).summary.problems;
const logsIn = (name: string) => m.run(["su", "-", name, "-c", "echo in"]).stdout === "in\n";

function expectAsDeclared() {
  expect([problemsOf(), problemsOf("--check"), linesOf(m, "--check").changes]).toEqual([[], [], []]);
  expect(logsIn("u1")).toBe(true);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.remove(OTHER);
  m.write(FILE, "");
  for (const name of ["u1", "old7"]) m.run(["userdel", "-f", name]);
  if (m.exists(J)) m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", J]);
  m.must(["sh", "-c", "rm -f /var/lib/jailkit/declared.json*"]);
  m.write(FILE, BASE);
  m.must(["jailkit", "apply"]);
  expect(logsIn("u1")).toBe(true);
});

test("an account with the home of another one gets its own", () => {
  sh(`useradd -M -d ${J}/./home/u1 -s /usr/sbin/jk_chrootsh old7`);
  m.write(OTHER, `[user old7]\njail = ${J}\nshell = /bin/bash\n`);
  const remedy = `usermod -d ${J}/./home/old7 old7`;
  const message = `has the home '/home/u1' in the jail, which is that of 'u1', and '/home/old7' is its home without the key 'home': give the account the home '/home/old7' first: ${remedy}`;
  for (const words of [["--check"], []])
    expect(problemsOf(...words)).toMatchObject([
      { code: "home-differs", remedy, message: `user old7: ${message}` },
    ]);
  const { stdout } = m.run(["jailkit", "config", "check", OTHER]);
  expect(stdout).toContain(`error: the account 'old7' ${message} [home-differs]`);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expectAsDeclared();
  expect(logsIn("old7")).toBe(true);
});

test("a jail that no section declares is not taken for that of another customer", () => {
  for (const [jail, near] of [
    ["/srv/c2", ""],
    ["/srv/x", ""],
    ["/srv/cc1", `; did you mean '${J}'?`],
  ]) {
    m.write(OTHER, `[user anna]\njail = ${jail}\nshell = /bin/bash\n`);
    const [problem] = problemsOf("--check");
    expect(problem?.message).toEndWith(`(anna): declare it with [jail ${jail}], or name another one${near}`);
    const remedy = near === "" ? null : `write in line 2 of ${OTHER}:\njail = ${J}`;
    expect(problem).toMatchObject({ code: "no-such-jail", remedy });
    const { stdout } = m.run(["jailkit", "config", "check", OTHER]);
    expect(stdout).toContain(`nor known: declare it with [jail ${jail}], or name another one${near} [`);
  }
});

test.each(["/srv", "/srv/webs", "/srv/nothing"])("%s, which is no jail, does not become one", (jail) => {
  for (const path of ["/srv/webs", "/srv/nothing"]) m.mkdir(path);
  m.write("/srv/webs/site1", "");
  m.addUser("kim", { home: "/home/kim", createHome: true });
  m.write(OTHER, `[user kim]\njail = ${jail}\nshell = /bin/bash\n`);
  const said = `jail ${jail}: it is no known jail, and no section [jail ${jail}] declares it; users are declared in it (kim): declare it with [jail ${jail}], or name another one`;
  const [problem] = problemsOf("--check");
  expect(problem).toMatchObject({
    code: "no-such-jail",
    remedy: null,
    finding: "unknown-jail",
    message: said,
  });
  const { status, stderr } = m.run(["jk_jailuser", "-n", "-j", jail, "-s", "/bin/bash", "kim"]);
  expect(status).toBe(33);
  if (jail === "/srv/nothing") expect(stderr).toContain("create the jail with jk_init first");
  else
    expect(stderr).toMatch(
      /has other things in it, such as '.*', and nothing of a jail: name another directory/,
    );
  m.must(["userdel", "-r", "kim"]);
});

test("files that were removed from a jail come back as a whole", () => {
  for (const [line, code, lost] of [
    ["rm -r usr/bin", "bad-shell", "user u1: '/srv/c1/bin/bash'"],
    ["rm etc/passwd", "bad-jail", "jail /srv/c1: '/srv/c1/etc/passwd'"],
  ] as const) {
    sh(`cd ${J}; ${line}`);
    const remedy = `jk_update -j ${J}`;
    const message = `${lost} was removed from the jail: bring it back with: ${remedy}`;
    expect(problemsOf("--check")[0]).toMatchObject({ code, remedy, message });
    if (code === "bad-jail")
      expect(m.run(["jailkit", "status"]).stdout).toContain(`${remedy} && jailkit apply`);
    expect(typeRemedy(m, remedy).status).toBe(0);
    expectAsDeclared();
  }
});

test("an account whose uid somebody has edited gets its own back, and its home stays", () => {
  sh("sed -i s/^u1:x:7001/u1:x:7777/ /etc/passwd");
  m.write(FILE, BASE.replace("uid = 7001\n", ""));
  const remedy = "usermod -u 7001 u1";
  const before = problemsOf("--check");
  expect(before[0]?.message).not.toContain("a home outside of it");
  expect(before[0]?.remedy).toBe(remedy);
  expect(problemsOf()).toEqual(before);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expectAsDeclared();
});

test("a shell with a blank or a carriage return at the end becomes the shell", () => {
  for (const end of [" ", "\r"]) {
    sh(`cd ${J}/etc; sed -i '/^u1:/s/$/${end}/' passwd`);
    const remedies = check(m, J).found.flatMap((one) => (one.rule === "shell-missing" ? [one.remedy] : []));
    const remedy = `jk_jailuser --jail-side-only -s /bin/bash -j ${J} u1`;
    expect(remedies).toEqual([remedy]);
    const shellOf = () =>
      m.run(["jailkit", "explain", "u1"]).stdout.match(/^ *remedy: (.*bin\/bash.*)$/m)?.[1];
    expect(shellOf()).toBe(remedy);
    sh(`mv ${J}/bin/bash ${J}/bin/bash.away`);
    const copy = `jk_cp -f -j ${J} /bin/bash && ${remedy}`;
    expect(shellOf()).toBe(copy);
    expect(typeRemedy(m, copy).status).toBe(0);
    expectAsDeclared();
    sh(`rm ${J}/bin/bash.away; cd ${J}/etc; sed -i '/^u1:/s/$/${end}/' passwd`);
    expect(typeRemedy(m, remedy).status).toBe(0);
    expectAsDeclared();
  }
});

test("account files on a full file system are told as such", () => {
  sh(
    "mkdir /srv/etc; cp -aT /etc /srv/etc; mount -t tmpfs -o mode=755,size=64m none /etc; cp -aT /srv/etc /etc",
  );
  m.run(["sh", "-c", "cat /dev/zero >/etc/fill; echo x >/etc/fill2"]);
  m.write(OTHER, "");
  try {
    m.must(["sh", "-ec", `printf '[user old7]\\njail = ${J}\\nshell = /bin/bash\\n' >/srv/more.ini`]);
    const [problem] = problemsOf("/srv/more.ini");
    expect(problem).toMatchObject({ code: "no-room" });
    expect(problem?.message).toStartWith("user old7: /etc: its file system is full");
  } finally {
    sh("umount /etc; rm -r /srv/etc");
  }
});
