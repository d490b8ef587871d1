/** Older files have come back, and a customer has another name now, and another one that of before: nobody gets an empty home, or what is another one's. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";

setDefaultTimeout(240_000);

const FILE = "/etc/jailkit/jails.d/one.ini";
const user = (name: string, jail = "one") => `[user ${name}]\njail = /srv/${jail}\nshell = /bin/bash\n`;
const jail = (name: string) => `[jail /srv/${name}]\nsections = uidbasics, basicshell\n`;
const declared = (...users: readonly string[]) => jail("one") + jail("two") + users.join("");

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const login = (name: string) => m.run(["/usr/sbin/jk_chrootsh", "-c", "cat letter"], { user: name }).stdout;
const write = (name: string, text: string) =>
  sh(`cd /srv/*/home/${name}; echo ${text} >letter; chown --reference . letter; chmod 600 letter`);

beforeEach(async () => {
  m = await openApplyMachine();
  m.write(FILE, declared(user("ann"), user("bob")));
  sh("jailkit apply");
  write("ann", "of the first");
  sh(
    "mkdir /root/bk; cp -a /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/jailkit/jails.d /srv /root/bk",
  );
  sh("usermod -l anna -d /srv/one/./home/anna -m ann");
  m.write(FILE, declared(user("anna"), user("bob")));
  sh("jailkit apply --prune; jailkit apply --prune");
});
afterEach(() => m?.close());

/** What each page tells to type of `names`. */
function told(...names: readonly string[]) {
  const steps = (name: string) =>
    reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", name]).stdout).steps;
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  return [
    ...status.findings.map(({ command }) => command),
    ...check(m).found.map(({ remedy }) => remedy),
    ...linesOf(m, "--check", "--prune").summary.problems.map(({ remedy }) => remedy),
    ...names.flatMap(steps).flatMap(({ outcome, remedy }) => (outcome === "failed" ? remedy : [])),
  ].filter((remedy) => remedy && !["jailkit apply", "jailkit config check"].includes(remedy));
}

const MOVE = "mv -nT /srv/one/home/ann /srv/one/home/anna";

test.each(["two", "one"])(
  "the jails of before, and a customer of jail %p has the name of before",
  (other) => {
    m.write(FILE, declared(user("anna"), user("bob"), user("ann", other)));
    sh("jailkit apply --prune; jailkit apply --prune; rm -rf /srv/*; cp -a /root/bk/srv/. /srv");
    const check = () => expect(told("anna")).toEqual([]);
    check();
    for (const command of [
      "jailkit apply",
      "jailkit apply --prune",
      "jk_jailuser --jail-side-only -j /srv/one anna",
    ]) {
      expect(m.run(["sh", "-c", command]).status).not.toBe(0);
      expect(m.exists("/srv/one/home/anna")).toBe(false);
      check();
    }
    const [problem] = linesOf(m).summary.problems;
    expect([problem?.code, problem?.remedy]).toEqual(["home-elsewhere", null]);
    expect(problem?.message).not.toContain("usermod -l");
    // In its own jail the place is that of the other one.
    expect(problem?.message.includes("usermod -d /srv/one/./home/ann anna")).toBe(other === "two");
    expect(problem?.message).toContain(MOVE);
    sh(`${MOVE}; jailkit apply`);
    expect([login("anna"), login("ann"), told("anna", "ann")]).toEqual(["of the first\n", "", []]);
    expect(sh(`grep ^ann /srv/*/etc/passwd | sort`)).toContain(`/srv/${other}/etc/passwd:ann:x:1002:`);
  },
);

test("the jails of before, and an account outside of jails has the name of before", () => {
  sh("useradd -M -d /home/ann ann; rm -rf /srv/*; cp -a /root/bk/srv/. /srv");
  expect(told("anna")).toEqual([]);
  m.run(["jailkit", "apply", "--prune"]);
  expect(m.exists("/srv/one/home/anna")).toBe(false);
  expect(m.read("/srv/one/etc/passwd")).toContain("\nann:x:1000:");
  sh("usermod -d /srv/one/./home/ann anna");
  expect(login("anna")).toBe("");
  m.write(FILE, declared(`${user("anna")}home = /home/ann\n`, user("bob")));
  sh("jailkit apply --prune");
  expect(login("anna")).toBe("of the first\n");
});

test.each([true, false])(
  "the accounts and the declarations of before, and a customer has the name of before, declared: %p",
  (isDeclared) => {
    m.write(FILE, declared(user("anna"), user("bob"), isDeclared ? user("ann") : ""));
    sh("jailkit apply --prune; jailkit apply --prune");
    if (!isDeclared) sh("useradd -m -g 100 ann && jk_jailuser -m -s /bin/bash -j /srv/one ann");
    sh("cd /srv/one/home/ann; echo of the second >letter; chown ann letter; chmod 600 letter");
    sh(
      "cd /root/bk; cp -a passwd shadow group gshadow /etc; rm -r /etc/jailkit/jails.d; cp -a jails.d /etc/jailkit",
    );
    const letters = () => [sh("cat /srv/one/home/anna/letter /srv/one/home/ann/letter"), login("ann")];
    expect(letters()).toEqual(["of the first\nof the second\n", ""]);
    for (const run of ["--check", "", "--prune"]) {
      m.run(["sh", "-c", `jailkit apply ${run}`]);
      expect(told("ann").filter((remedy) => remedy !== "jailkit config check")).toEqual([]);
      expect(m.read("/srv/one/etc/passwd")).toContain("\nanna:x:1000:");
      expect(letters()).toEqual(["of the first\nof the second\n", ""]);
    }
    const rename = "usermod -l anna ann";
    for (const page of isDeclared ? ["jk_check", "jailkit explain ann"] : [])
      expect([page, sh(`${page} || :`).includes(rename)]).toEqual([page, true]);
    sh(rename);
    // The declarations are those of before still.
    expect(linesOf(m, "--check").summary.problems.map(({ code, remedy }) => [code, remedy])).toEqual([
      ["doubtful-account", null],
    ]);
  },
);
