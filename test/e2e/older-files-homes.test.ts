/** Older files have come back, and the home of a user is in another place than they say: nothing makes an empty one, or gives it away. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(240_000);

const ONE = "/srv/one";
const FILE = "/etc/jailkit/jails.d/one.ini";
const LETTER = "in\nof ann\n";

const user = (name: string, more = "") => `[user ${name}]\njail = ${ONE}\nshell = /bin/bash\n${more}`;
const declared = (...users: readonly string[]) =>
  `[jail ${ONE}]\nsections = uidbasics, basicshell\n${users.join("")}`;

/** The files that come back, by letters. */
const BACK: Readonly<Record<string, string>> = {
  // The accounts of the machine.
  p: "cp -a /root/bk/passwd /root/bk/shadow /root/bk/group /etc",
  // The declarations.
  d: `cp -a /root/bk/one.ini ${FILE}`,
  // What is remembered.
  m: "rm -r /var/lib/jailkit; cp -a /root/bk/jailkit /var/lib/jailkit",
  // The accounts of the jail.
  j: `cp -a /root/bk/jail-passwd ${ONE}/etc/passwd`,
};
const ALL = Array.from({ length: 16 }, (_, bits) =>
  [..."pdmj"].filter((_, index) => (bits >> index) & 1).join(""),
);

/** A remedy that makes a home, or takes one from its place. */
const MAKES = /install -d|mkdir|mv -nT|chown -hR|^jk_jailuser (?:-n -m )?--jail-side-only -j \S+ ann$/;
const OLD = ALL.filter((letters) => letters.startsWith("p"));

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const login = (name: string) =>
  m.run(["/usr/sbin/jk_chrootsh", "-c", "echo in; cat letter"], { user: name }).stdout;

beforeEach(async () => {
  m = await openApplyMachine();
  m.write(FILE, declared(user("ann"), user("bob")));
  m.must(["jailkit", "apply"]);
  sh(`echo of ann >${ONE}/home/ann/letter; chown ann ${ONE}/home/ann/letter`);
  sh(`mkdir /root/bk; cp -a /etc/passwd /etc/shadow /etc/group ${FILE} /var/lib/jailkit /root/bk`);
  sh(`cp -a ${ONE}/etc/passwd /root/bk/jail-passwd`);
});
afterEach(() => m?.close());

/** What each page tells to type, by the page. */
function told(): [page: string, remedy: string][] {
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  const config = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
  const names = ["ann", "anna"].filter((name) => m.read("/etc/passwd").includes(`\n${name}:`));
  const explain = (name: string) =>
    reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", name]).stdout).steps;
  const of = {
    status: status.findings.map(({ command }) => command),
    check: check(m, "-j", ONE).found.map(({ remedy }) => remedy),
    apply: linesOf(m, "--check", "--prune").summary.problems.map(({ remedy }) => remedy),
    config: config.findings.map(({ remedy }) => remedy),
    explain: names
      .flatMap(explain)
      .filter(({ outcome }) => outcome === "failed")
      .map(({ remedy }) => remedy),
  };
  return Object.entries(of).flatMap(([page, some]) =>
    some.flatMap((remedy) => (remedy ? [[page, remedy] as [string, string]] : [])),
  );
}

/** The letter is where a login finds it, or no login works, of whatever name. */
function expectLetter(after: string): void {
  const letters = sh("find /srv /home -name letter -uid 1000").trim();
  const found = ["ann", "anna"].map((name) => {
    if (!m.read("/etc/passwd").includes(`\n${name}:`)) return "refused";
    return { [LETTER]: "the letter", "": "refused" }[login(name)] ?? "another home";
  });
  const expected = [expect.stringMatching(/letter|refused/), expect.stringMatching(/letter|refused/)];
  expect([after, letters.split("\n").length, found]).toEqual([after, 1, expected]);
}

/** Carries out what each page tells, from one of them on, until there is nothing that was not typed. */
function typeAll(first: number): void {
  const typed: string[] = [];
  for (let round = 0; round < 6; round++) {
    const all = told().filter(([, remedy]) => !typed.includes(remedy));
    const next = all[round === 0 ? Math.min(first, all.length - 1) : 0];
    if (next === undefined) return;
    typed.push(next[1]);
    typeRemedy(m, next[1]);
    expectLetter(typed.join("; "));
    m.run(["jailkit", "apply", "--prune"]);
    expectLetter(`${typed.join("; ")}; jailkit apply --prune`);
  }
}

test.each(ALL)("a home that was moved in its jail, and these have come back: %p", (letters) => {
  sh(`usermod -d ${ONE}/./home/new -m ann`);
  m.write(FILE, declared(user("ann", "home = /home/new\n"), user("bob")));
  sh("jailkit apply --prune; jailkit apply --prune");
  for (const one of letters) sh(BACK[one] ?? "");
  // Without an older passwd(5), a line of the jail is all that is to be made right.
  if (letters.startsWith("p")) expect(told().filter(([, remedy]) => MAKES.test(remedy))).toEqual([]);
  m.run(["jailkit", "apply"]);
  expectLetter("jailkit apply");
  typeAll(ALL.indexOf(letters) % 3);
  expect(login("ann")).toBe(LETTER);
});

test.each(OLD)("an account that was renamed with its home, and these have come back: %p", (letters) => {
  sh(`usermod -l anna -d ${ONE}/./home/anna -m ann`);
  m.write(FILE, declared(user("anna"), user("bob")));
  sh("jailkit apply --prune; jailkit apply --prune");
  for (const one of letters) sh(BACK[one] ?? "");
  expect(told().filter(([, remedy]) => MAKES.test(remedy))).toEqual([]);
  m.run(["jailkit", "apply"]);
  expectLetter("jailkit apply");
  typeAll(ALL.indexOf(letters) % 3);
});

test("what would put a line of the former home into the jail is refused, and gives no home", () => {
  sh(`usermod -d ${ONE}/./home/new -m ann; jk_jailuser --jail-side-only -j ${ONE} ann`);
  sh(BACK.p ?? "");
  for (const options of ["--jail-side-only", "-n", "-n -m"]) {
    const { status } = m.run(["sh", "-c", `jk_jailuser ${options} -j ${ONE} ann`]);
    expect([options, status === 0, m.exists(`${ONE}/home/ann`), login("ann")]).toEqual([
      options,
      false,
      false,
      "",
    ]);
  }
  sh(`usermod -d ${ONE}/./home/new ann`);
  expect(login("ann")).toBe(LETTER);
});

test("a jail that was moved, and its files of before: its users have their homes where it is now", () => {
  sh(`cp -a --parents ${ONE}/etc /root/bk; mv ${ONE} /srv/now; sed -i s,${ONE},/srv/now, ${FILE}`);
  sh(`jailkit adopt --moved ${ONE} /srv/now; jailkit apply --prune`);
  sh(`cp -a /root/bk/srv/. /srv; ${BACK.p}`);
  expect(told().filter(([, remedy]) => MAKES.test(remedy))).toEqual([]);
  m.run(["jailkit", "apply"]);
  expectLetter("jailkit apply");
  typeAll(0);
  expect(login("ann")).toBe(LETTER);
});

describe("an account that was moved to another jail, with its home", () => {
  const TWO = "/srv/two";
  const HERE = `${TWO}/home/ann`;
  const inTwo = `[jail ${TWO}]\nsections = uidbasics, basicshell\n`;

  beforeEach(() => {
    m.write(FILE, inTwo + declared(user("ann"), user("bob")));
    sh(`jailkit apply; cp -a ${TWO}/etc/passwd /root/bk/two-passwd; cp -a ${FILE} /var/lib/jailkit /root/bk`);
    sh("jk_jailuser --unjail -m -s /usr/sbin/nologin ann");
    m.write(FILE, inTwo + declared(user("ann").replace(ONE, TWO), user("bob")));
    sh("jailkit apply --prune; jailkit apply --prune");
  });
  const back = (letters: string) => {
    for (const one of letters) sh(BACK[one] ?? "");
    sh(`cp -a /root/bk/two-passwd ${TWO}/etc/passwd`);
  };

  test.each(["pj", "pjd", "pjm"] as const)(
    "no line is left of it, and these have come back: %p",
    (letters) => {
      back(letters);
      const all = told();
      const GIVES = `usermod -d ${TWO}/./home/ann ann`;
      expect(all.filter(([, remedy]) => MAKES.test(remedy) || remedy.includes("--unjail"))).toEqual([]);
      // Its section alone tells, or which directory it was, by what is remembered.
      const pages = { pj: "status check apply config explain", pjd: "status check apply explain", pjm: "" };
      const telling = Map.groupBy(all, ([page]) => page).entries();
      const found = telling.flatMap(([page, some]) => (some.some(([, one]) => one === GIVES) ? [page] : []));
      expect([...found].join(" ")).toBe(pages[letters]);
      if (letters === "pjm") sh(GIVES);
      m.run(["jailkit", "apply"]);
      expectLetter("jailkit apply");
      typeAll(0);
      expect(login("ann")).toBe(LETTER);
    },
  );

  test("a copy of it, another account's, or an older one that has a home now, is not given to it", () => {
    // Restored by root, it is another directory: who knows of which day.
    sh(`cp -a ${HERE} ${HERE}.copy; rm -r ${HERE}; mv ${HERE}.copy ${HERE}`);
    back("pj");
    const [problem] = linesOf(m).summary.problems;
    expect([problem?.code, problem?.remedy]).toEqual(["home-elsewhere", null]);
    expect(problem?.message).toContain(
      `its home may be in another jail, '${HERE}'; to let the account have that: usermod -d ${TWO}/./home/ann ann; or, if that is not its home any more, give that another name: mv -nT ${HERE} ${HERE}.old`,
    );
    expect(told().filter(([, remedy]) => MAKES.test(remedy))).toEqual([]);
    // Nor is it said that it may be its home.
    const messages = () => linesOf(m, "--check").summary.problems.map(({ message }) => message);
    sh(`chown bob ${HERE}`);
    expect(told().filter(([, remedy]) => remedy.startsWith("usermod -d"))).toEqual([]);
    expect(messages().filter((message) => message.includes(HERE))).toEqual([]);
    sh(`chown ann ${HERE}`);
    expect(messages().filter((message) => message.includes(HERE))).toHaveLength(1);
    sh(`useradd -M -o -u 1999 -d ${TWO}/./home/ann eve`);
    expect(told().filter(([, remedy]) => remedy.startsWith("usermod -d"))).toEqual([]);
    expect(messages().filter((message) => message.includes(HERE))).toEqual([]);
  });

  test("somebody has made an empty one in its former jail: nothing sets aside the one with the data", () => {
    back("pj");
    sh(`install -d -o ann -g users -m 0700 ${ONE}/home/ann`);
    for (let round = 0; round < 3; round++) {
      for (const { remedy } of linesOf(m).summary.problems) if (remedy) typeRemedy(m, remedy);
      expect(sh(`cat ${HERE}/letter`)).toBe("of ann\n");
    }
    const [problem] = linesOf(m).summary.problems;
    const GIVES = `usermod -d ${TWO}/./home/ann ann`;
    expect([problem?.code, problem?.remedy]).toEqual(["home-exists", null]);
    expect(problem?.message).toContain(`it belongs to 'ann': if that is its home: ${GIVES}; if not, keep it`);
    sh(GIVES);
    expect(linesOf(m).status).toBe(0);
    expect(login("ann")).toBe(LETTER);
  });
});

test("an account whose uid was changed, and a whole backup of before: its home is not set aside, nor its line changed", () => {
  sh("cp -a --parents /etc/passwd /etc/shadow /etc/group /etc/jailkit /var/lib/jailkit /root/bk");
  sh(
    "usermod -u 20570 ann; jailkit apply --prune; rm -rf /var/lib/jailkit /etc/jailkit; cp -a /root/bk/etc /root/bk/var /",
  );
  for (const run of ["--check", "", "--prune"]) {
    m.run(["sh", "-c", `jailkit apply ${run}`]);
    expect(told().filter(([, remedy]) => MAKES.test(remedy))).toEqual([]);
  }
  const [problem] = linesOf(m, "--prune").summary.problems;
  expect([problem?.code, problem?.remedy]).toEqual(["uid-changed", null]);
  expect(problem?.message).toContain("usermod -u 20570 ann");
  sh("usermod -u 20570 ann; jailkit apply --prune");
  expect([login("ann"), linesOf(m, "--prune").summary.problems]).toEqual([LETTER, []]);
});

test("a customer whom the accounts and the memory of before do not know keeps the home and the uid", () => {
  m.write(FILE, declared(user("ann"), user("bob"), user("dan")));
  sh(`jailkit apply --prune; echo of dan >${ONE}/home/dan/letter; chown dan ${ONE}/home/dan/letter`);
  sh(`${BACK.p}; ${BACK.m}`);
  const uid = sh(`stat -c %u ${ONE}/home/dan`);
  for (let round = 0; round < 5; round++) {
    const next = told().filter(([, remedy]) => remedy !== "jailkit apply --check");
    expect(next.filter(([, remedy]) => MAKES.test(remedy))).toEqual([]);
    if (next[0] !== undefined) typeRemedy(m, next[0][1]);
    m.run(["jailkit", "apply", "--prune"]);
    expect(sh(`cat ${ONE}/home/dan/letter; stat -c %u ${ONE}/home/dan/letter`)).toBe(`of dan\n${uid}`);
  }
  expect(login("dan")).toBe("in\nof dan\n");
});
