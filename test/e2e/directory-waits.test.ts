/** A declared user of a directory that does not say yet what is declared: no advice takes back what apply has made, and each leads there. */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";
import { DIRECTORY, J, RenamedScene } from "./renamed-scene.ts";

setDefaultTimeout(120_000);

let m: Machine;
let scene: RenamedScene;
const K = "/srv/k";
const CHROOTSH = "/usr/sbin/jk_chrootsh";
const FILE = "/etc/jailkit/jails.d/one.ini";
const NAMED = "/root/dave.ini";
const SHOWS = "jailkit apply --check";

const says = (home: string, shell = CHROOTSH) => m.write(DIRECTORY, `dave:x:7104:7200::${home}:${shell}\n`);
const jails = [J, K].map((jail) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`).join("");
const dave = (jail: string) => `[user dave]\njail = ${jail}\ndirectory = 1\nshell = /bin/bash\n`;
const declare = (jail: string) => m.write(FILE, jails + dave(jail));
const checked = (jail: string) =>
  JSON.parse(m.run(["jk_check", "--json", jail]).stdout).jails[0].findings.map(
    ({ message, remedy, otherwise }: { message: string; remedy: string; otherwise: string }) =>
      [message, remedy, otherwise].filter((one) => one !== null && one !== undefined),
  );
const status = () =>
  JSON.parse(m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ kind, command, otherwise }: { kind: string; command: string; otherwise: string | null }) =>
      [kind, command, otherwise].filter((one) => one !== null && one !== undefined),
  );
const explained = () =>
  JSON.parse(m.run(["jailkit", "explain", "--json", "--su", "dave"]).stdout).steps.flatMap(
    ({ outcome, remedy }: { outcome: string; remedy: string | null }) =>
      outcome === "failed" ? (remedy ?? []) : [],
  );
const differs = (jail: string, shows = SHOWS) => [
  [
    `the real homedir and jail homedir for user dave do not correspond in jail ${jail}/; change its directory as this shows: ${shows}`,
  ],
];
const lacks = (jail: string) => [[`user dave does not exist in ${jail}/etc/passwd`, SHOWS]];

/** Types what shows what the directory should say, lets it say so, and then all is well. */
function heal(shows = SHOWS): void {
  const [, fields] =
    /^# In \/var\/lib\/extrausers\/passwd, .*:\n(.*)$/m.exec(typeRemedy(m, shows).stdout) ?? [];
  const [home = "", shell] = fields?.split(":") ?? [];
  says(home, shell);
  isWell();
}

function isWell(): void {
  for (const jail of [J, K]) expect(checked(jail)).toEqual([]);
  expect([status(), explained(), did(m, "--prune")]).toEqual([[], [], []]);
}

beforeAll(async () => {
  scene = await RenamedScene.open();
  m = scene.m;
});
afterAll(() => scene?.[Symbol.dispose]());
beforeEach(() => {
  scene.clear();
  for (const path of [K, NAMED]) m.remove(path);
  says(`${J}/./home/dave`);
  declare(J);
  m.must(["jailkit", "apply"]);
});

/** It was in J; that jail has no line of it any more. */
function moveTo(jail: string): void {
  says(`${jail}/./home/dave`);
  declare(jail);
  m.must(["jailkit", "apply", "--prune"]);
}

test("a user who was declared in another jail, whose line is in both", () => {
  declare(K);
  m.must(["jailkit", "apply", "--prune"]);
  expect([checked(J), checked(K), status()]).toEqual([[], differs(K), []]);
  const [, fields] = /passwd, .*:\n(.*)$/m.exec(typeRemedy(m, SHOWS).stdout) ?? [];
  says(`${fields?.split(":")[0]}`);
  expect(did(m)).toEqual([`done - user dave: entry in ${J} (it has another jail now)`]);
  expect([checked(J), checked(K), status(), did(m)]).toEqual([[], [], [], []]);
});

test.each([
  [
    "the jail of before, which has no line of it any more",
    `${J}/./home/dave`,
    lacks(J),
    [["not-in-jail", SHOWS]],
  ],
  ["no jail", "/home/dave", [], [["no-jail", SHOWS]]],
  ["a jail that is not there", "/srv/x/./home/dave", [], [["missing", "jailkit list /srv/x"]]],
])("its directory says %s", (_, home, inJ, found) => {
  moveTo(K);
  says(home);
  expect([checked(J), checked(K), status()]).toEqual([inJ, differs(K), found]);
  expect(m.run(["jailkit", "explain", "--su", "dave"]).stdout).toContain(SHOWS);
  expect([...new Set(explained())]).toEqual(inJ.length > 0 ? [SHOWS] : []);
  expect(did(m, "--prune")).toEqual([]);
  heal();
});

test("so it is of a new user, whose directory says a home and a shell of the machine", () => {
  says("/home/dave", "/bin/bash");
  expect([checked(J), status(), did(m)]).toEqual([differs(J), [], []]);
  heal();
});

test("an export leaves it out, with a warning: applied there, it would take out what was made", () => {
  const out = "/root/export.ini";
  const gathered = () => {
    const { stdout, stderr } = m.must(["jailkit", "export", "--declaration"]);
    m.write(out, stdout);
    return stderr;
  };
  declare(K);
  m.must(["jailkit", "apply"]);
  expect(gathered()).toContain(
    `left out: user 'dave': it was declared in '${K}', which has a line of it, and its directory says this jail; jailkit apply --check shows what is to be done\n`,
  );
  expect(m.read(out)).not.toContain("[user dave]");
  const check = m.run(["jailkit", "apply", "--check", out]);
  expect([check.status, check.stdout]).toEqual([0, expect.stringContaining("0 to change")]);
  says(`${K}/./home/dave`);
  m.must(["jailkit", "apply"]);
  isWell();
  expect([gathered(), m.read(out)]).toEqual(["", expect.stringContaining("[user dave]")]);
  m.remove(out);
});

test("so it is if a named file declares it", () => {
  m.write(FILE, jails);
  m.write(NAMED, dave(J));
  m.must(["jailkit", "apply", NAMED]);
  says("/home/dave");
  const shows = `${SHOWS} ${NAMED}`;
  expect([checked(J), status()]).toEqual([differs(J, shows), [["no-jail", shows]]]);
  heal(shows);
});

test("the advice for one who is not declared any more is the run that takes it out", () => {
  says("/home/dave");
  m.write(FILE, jails);
  const [[message, remedy]] = checked(J);
  expect([message, remedy, status()]).toEqual([
    `the real homedir and jail homedir for user dave do not correspond in jail ${J}/`,
    "jailkit apply --prune",
    [["no-jail", "jailkit apply --prune"]],
  ]);
  typeRemedy(m, remedy);
  expect([checked(J), status(), did(m, "--prune")]).toEqual([[], [], []]);
});
