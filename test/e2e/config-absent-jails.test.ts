/**
 * The configuration names a jail that is not there: it was moved, its file system is not mounted, or nobody knows. What
 * `jailkit config check` prints is typed in its order, each command once: all is as before, and no setting is lost.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const DISK = "/srv/disk";
const OLD = `${DISK}/j1`;
const NEW = `${DISK}/k1`;
const FILES = ["jk_check.ini", "jk_update.ini", "jk_uchroot.ini"].map((name) => `/etc/jailkit/${name}`);
const DECLARATION = "/etc/jailkit/jails.d/x.ini";

let m: Machine;
let before: readonly string[];
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  before = [...FILES, "/etc/fstab"].map((file) => m.read(file));
  m.addUser("anna", { home: "/home/anna", createHome: true });
  for (const path of [DISK, "/root/disk", "/etc/jailkit/jails.d"]) m.mkdir(path);
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["umount", DISK]);
  m.must(["sh", "-c", "rm -rf /root/disk/* /srv/disk/* /var/lib/jailkit /etc/jailkit/j*.d/*"]);
  m.must(["mount", "--bind", "/root/disk", DISK]);
  for (const [index, file] of [...FILES, "/etc/fstab"].entries()) m.write(file, before[index] ?? "");
});

/** Two jails, and all that names the first. */
function named(): void {
  m.write(
    DECLARATION,
    `[jail ${OLD}]\nsections = uidbasics, logbasics\n[jail ${DISK}/j2]\nsections = uidbasics\n`,
  );
  m.must(["jailkit", "apply"]);
  m.write("/etc/jailkit/jk_check.ini", `[${OLD}]\nignorepatheverywhere = ${OLD}/etc\n`);
  m.write("/etc/jailkit/jk_update.ini", `[${OLD}]\nskips = /opt\n`);
  m.write("/etc/jailkit/jk_uchroot.ini", `[anna]\nallowed_jails = ${OLD}, ${DISK}/j2\n`);
  expect(found()).toEqual([]);
}
const found = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings;
const settings = () =>
  [...FILES, ...m.list("/etc/jailkit/jk_socketd.d").map((name) => `/etc/jailkit/jk_socketd.d/${name}`)].map(
    (file) => m.read(file),
  );
/** The file and the code of each finding about the jail. */
const places = (code: string) =>
  ["jk_check", "jk_socketd", "jk_uchroot", "jk_update", "jails"].map((file) => [file, code]);
const shown = (findings: ReturnType<typeof found>) =>
  findings.map(({ file, code }) => [/(?:jk_[a-z]+|jails)(?=\.)/.exec(file)?.[0] ?? file, code]);

test("it was moved: all follow it", () => {
  named();
  const old = settings();
  m.rename(OLD, NEW);
  const findings = found();
  expect(shown(findings)).toEqual(places("moved"));
  const remedies = new Set(findings.map(({ remedy }) => remedy));
  expect([...remedies]).toEqual([`jailkit adopt --moved ${OLD} ${NEW}`]);
  for (const remedy of remedies) typeRemedy(m, remedy ?? "");
  expect(settings()).toEqual(old.map((text) => text.replaceAll(OLD, NEW)));
  expect(found()).toEqual([]);
  expect(m.run(["jailkit", "apply", "--check"])).toMatchObject({ status: 0 });
});

test("its file system is not mounted: it is mounted", () => {
  m.write("/etc/fstab", `${before.at(-1)}/root/disk ${DISK} none bind,nofail 0 0\n`);
  named();
  const old = settings();
  m.must(["umount", DISK]);
  const findings = found();
  // Of the second jail, too.
  expect(new Set(shown(findings).map(String))).toEqual(new Set(places("not-mounted").map(String)));
  const remedies = new Set(findings.map(({ remedy }) => remedy));
  expect([...remedies]).toEqual([`mount ${DISK}`]);
  for (const remedy of remedies) typeRemedy(m, remedy ?? "");
  expect(settings()).toEqual(old);
  expect(found()).toEqual([]);
});

test("nobody knows where it is: the list says what can be done, and each setting stays until that is done", () => {
  named();
  m.must(["umount", DISK]);
  const findings = found();
  expect(findings.map(({ remedy }) => remedy)).toEqual(findings.map(() => null));
  const why = `the jail '${OLD}' does not exist; this shows what can be done: jailkit list ${OLD}`;
  const ofFirst = findings.filter(({ message }) => message === why);
  expect(shown(ofFirst)).toEqual(places("no-such-path").slice(0, -1));
  expect(m.run(["jailkit", "list", OLD]).stderr).toContain(
    `if it is not needed: first take [jail ${OLD}] out of ${DECLARATION}, or 'jailkit apply' brings that back; then: jailkit forget ${OLD}; and remove`,
  );
  for (const jail of [OLD, `${DISK}/j2`]) m.must(["jailkit", "forget", jail]);
  m.remove(DECLARATION);
  // It is no known jail any more, and neither is another one that is not there.
  for (const { remedy } of found()) typeRemedy(m, remedy ?? "");
  expect(found().filter(({ code }) => code === "no-such-path")).toEqual([]);
});

test("no jail with another number is meant: it is somebody else's", () => {
  m.must(["jk_init", "-j", `${DISK}/j2`, "uidbasics"]);
  m.write("/etc/jailkit/jk_check.ini", `[${OLD}]\nignorepatheverywhere = ${OLD}/etc\n`);
  m.write("/etc/jailkit/jk_uchroot.ini", `[anna]\nallowed_jails = ${OLD}\n`);
  const findings = found();
  expect(findings.map(({ message }) => message)).toEqual([
    `the jail '${OLD}' does not exist`,
    `'${OLD}' does not exist`,
  ]);
  for (const { remedy } of findings) typeRemedy(m, remedy ?? "");
  expect(m.read("/etc/jailkit/jk_uchroot.ini")).not.toContain("j2");
});
