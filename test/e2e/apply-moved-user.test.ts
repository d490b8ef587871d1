/** One user was moved from a jail to another one, and older files have come back: nobody gets another home without a word. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(240_000);

const [A, B] = ["/srv/a", "/srv/b"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const LETTER = "in\ndear\n";
const GIVE = `usermod -d ${B}/./home/ann ann`;
const LEAVE = "jk_jailuser --unjail -m -s /usr/sbin/nologin ann";

const user = (name: string, jail: string) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`;
const declared = (jail: string) =>
  `[jail ${A}]\nsections = uidbasics, basicshell\n[jail ${B}]\nsections = uidbasics, basicshell\n${user("amy", A)}${user("bob", B)}${user("ann", jail)}`;

/** The files that come back, by letters. */
const BACK: Readonly<Record<string, string>> = {
  // The accounts of the machine.
  p: "cp -a /root/bk/passwd /etc/passwd",
  // The declarations.
  d: `cp -a /root/bk/one.ini ${FILE}`,
  // What is remembered.
  m: "rm -r /var/lib/jailkit; cp -a /root/bk/jailkit /var/lib/jailkit",
  // The accounts of the jail of before.
  j: `cp -a /root/bk/a-passwd ${A}/etc/passwd`,
};
const SUBSETS = Array.from({ length: 16 }, (_, bits) =>
  [..."pdmj"].filter((_, index) => (bits >> index) & 1).join(""),
);

// The letter is in the home of now.
const MOVED = `${LEAVE} && jailkit apply`;
const MOVED_ANEW = `mv ${A}/home/ann ${A}/home/kept && usermod -d ${B}/./home/ann ann && jailkit apply && mv ${A}/home/kept ${A}/home/ann && mv ${A}/home/ann/letter ${B}/home/ann/letter`;

let m: Machine;
const sh = (command: string) => m.must(["sh", "-c", command]).stdout;
const login = () => m.run(["/usr/sbin/jk_chrootsh", "-c", "echo in; cat letter"], { user: "ann" });

beforeEach(async () => {
  m = await openApplyMachine();
  m.write(FILE, declared(A));
  m.must(["jailkit", "apply"]);
  sh(`echo dear >${A}/home/ann/letter; chown ann ${A}/home/ann/letter`);
  sh(`mkdir /root/bk; cp -a /etc/passwd ${FILE} /var/lib/jailkit /root/bk`);
  sh(`cp -a ${A}/etc/passwd /root/bk/a-passwd`);
  m.write(FILE, declared(B));
});
afterEach(() => m?.close());

/** What each page tells to type, by the page. */
function told(): [page: string, remedy: string][] {
  const apply = linesOf(m, "--check", "--prune").summary.problems.map(({ remedy }) => remedy);
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  const config = reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout);
  const explain = reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "ann"]).stdout);
  const of = {
    apply,
    status: status.findings.map(({ command }) => command),
    check: [...check(m, "-j", A).found, ...check(m, "-j", B).found].map(({ remedy }) => remedy),
    config: config.findings.map(({ remedy }) => remedy),
    explain: explain.steps.filter(({ outcome }) => outcome === "failed").map(({ remedy }) => remedy),
  };
  return Object.entries(of).flatMap(([page, some]) =>
    some.flatMap((remedy) => (remedy ? [[page, remedy] as [string, string]] : [])),
  );
}

/** The letter is where a login finds it, or no login works. */
function expectLetter(after: string): void {
  const { stdout } = login();
  const letters = sh("find /srv /home -name letter -user ann").trim().split("\n").length;
  const found = { [LETTER]: "the letter", "": "refused" }[stdout] ?? "another home";
  expect([after, letters, found]).toEqual([after, 1, expect.stringMatching(/letter|refused/)]);
}

/** Carries out what each page tells, until there is nothing that was not typed; calls `look` after each command. */
function typeAll(look: (after: string) => void): void {
  const typed: string[] = [];
  for (let round = 0; round < 6; round++) {
    const next = told().find(([, remedy]) => !typed.includes(remedy));
    if (next === undefined) return;
    typed.push(next[1]);
    typeRemedy(m, next[1]);
    look(typed.join("; "));
    m.run(["jailkit", "apply", "--prune"]);
    look(`${typed.join("; ")}; jailkit apply --prune`);
  }
}

const problems = () => linesOf(m, "--prune").summary.problems.map(({ code, remedy }) => [code, remedy]);

test.each(SUBSETS)("moved with the home, and these have come back: %p", (letters) => {
  sh(MOVED);
  for (const one of letters) sh(BACK[one] ?? "");
  const lacksHome = letters.includes("p");
  if (lacksHome) expect(problems()).toEqual([["home-elsewhere", GIVE]]);
  expectLetter("jailkit apply --prune");
  typeAll(expectLetter);
  expect([login().stdout, problems()]).toEqual([LETTER, []]);
});

test.each(SUBSETS)(
  "moved to a new home, while the one of before stays, and these have come back: %p",
  (letters) => {
    sh(MOVED_ANEW);
    for (const one of letters) sh(BACK[one] ?? "");
    // Of these alone, a login gets the home of before: nothing but the line in the other jail tells that there is another one.
    if (letters.includes("p") && letters.includes("j")) {
      if (letters !== "pdmj") expect(problems()).toEqual([["home-elsewhere", null]]);
      typeAll(() => expect(sh(`cat ${B}/home/ann/letter`)).toBe("dear\n"));
      expect(sh(`ls -d ${A}/home/ann ${B}/home/ann`).split("\n")).toHaveLength(3);
      // There, all that tells of the other home is a line that a page has taken out as needless.
      if (letters === "pdmj") return;
      sh(GIVE);
      expect(login().stdout).toBe(LETTER);
      return;
    }
    problems();
    expectLetter("jailkit apply --prune");
    typeAll(expectLetter);
  },
);

test("what would put a line into the jail of before is refused, and gives no home", () => {
  sh(MOVED);
  sh(BACK.p ?? "");
  for (const options of [`--jail-side-only -j ${A}`, `-n -j ${A}`, `-n -m -j ${A}`]) {
    m.run(["sh", "-c", `jk_jailuser ${options} ann`]);
    expect([options, m.exists(`${A}/home/ann`), login().stdout]).toEqual([options, false, ""]);
  }
  sh(GIVE);
  expect(login().stdout).toBe(LETTER);
});

test("renamed before its home is found, it keeps the line that tells where that is, until somebody takes that out", () => {
  sh(`usermod -d ${B}/./home/ann ann`);
  m.run(["jailkit", "apply", "--prune"]);
  sh("usermod -l anna ann");
  m.write(FILE, declared(B).replace("[user ann]", "[user anna]\nhome = /home/ann"));
  const line = () => m.run(["grep", "^ann:", `${A}/etc/passwd`]).stdout;
  const before = line();
  const give = `usermod -d ${A}/./home/ann anna`;
  const out = `jk_jailuser --unjail --jail-side-only -j ${A} ann`;
  const both = `to let the account have that: ${give}; or, if that is not its home any more, take its line out of that jail, in which the home stays: ${out}`;
  for (const options of [["--check", "--prune"], [], ["--prune"], ["--prune", "--delete-homes"]]) {
    const { changes, summary } = linesOf(m, ...options);
    expect([changes, summary.problems]).toMatchObject([[], [{ code: "home-elsewhere", remedy: null }]]);
    expect(summary.problems[0]?.message).toEndWith(both);
  }
  expect([line(), m.exists(`${B}/home/ann`)]).toEqual([before, false]);
  const found = check(m, "-j", A).found.find(({ rule }) => rule === "user-unknown");
  expect(found?.message).toEndWith(`does not exist on the real system, and 'anna' has its uid; ${both}`);
  expect(found?.remedy).toBeUndefined();
  expect(m.run(["jailkit", "explain", "anna"]).stdout).toContain(both);
  // One way, and the other one.
  m.must(["cp", "-a", "/etc/passwd", "/root/bk/now"]);
  m.must(give.split(" "));
  expect(linesOf(m, "--prune").summary.problems).toMatchObject([{ code: "in-another-jail" }]);
  m.write(FILE, declared(A).replace("[user ann]", "[user anna]\nhome = /home/ann"));
  for (let run = 0; run < 2; run++) expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.run(["/usr/sbin/jk_chrootsh", "-c", "cat letter"], { user: "anna" }).stdout).toBe("dear\n");
});

test("renamed before its home is found, it gets a new home when somebody has taken the line out", () => {
  sh(`usermod -d ${B}/./home/ann ann; usermod -l anna ann`);
  m.write(FILE, declared(B).replace("[user ann]", "[user anna]\nhome = /home/ann"));
  expect(linesOf(m, "--prune").status).toBe(1);
  m.must(`jk_jailuser --unjail --jail-side-only -j ${A} ann`.split(" "));
  for (let run = 0; run < 2; run++) expect(linesOf(m, "--prune").status).toBe(0);
  expect([m.read(`${A}/home/ann/letter`), m.exists(`${B}/home/ann`)]).toEqual(["dear\n", true]);
});
