/** jailkit config check: paths of read, write and execute in jk_chrootsh.ini are those of the user's jail. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const FILE = "/etc/jailkit/jk_chrootsh.ini";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jailkit"] });
  for (const [user, jail] of [
    ["anna", "/srv/one"],
    ["bert", "/srv/two"],
  ] as const) {
    m.must(["jk_init", "-j", jail, "uidbasics"]);
    m.addUser(user, { home: `${jail}/./home/${user}`, shell: "/usr/sbin/jk_chrootsh" });
  }
  // The home of an account whose jail was removed.
  m.addUser("carl", { home: "/srv/gone/./home/carl", shell: "/usr/sbin/jk_chrootsh" });
  m.must(["mkdir", "/srv/two/data"]);
});
afterAll(async () => m.close());

const found = (section: string) => {
  m.write(FILE, `[${section}]\nread = /data, /nowhere\nwrite = none\n`);
  const { stdout } = m.run(["jailkit", "config", "check", "--json", FILE]);
  const { findings } = reportOf(configReportSchema, stdout);
  return findings.map(({ code, message }) => `${code}: ${message.split(":")[0]}`);
};
const missing = (path: string) => `no-such-path: '${path}' does not exist`;

test("a path that only the jail of another user has", () => {
  expect(found("anna")).toEqual([missing("/data"), missing("/nowhere")]);
  expect(found("bert")).toEqual([missing("/nowhere")]);
});

test("in [DEFAULT], a path that no jail has, although one is missing", () => {
  expect(found("DEFAULT")).toEqual([missing("/nowhere")]);
});

test("nothing is known of a jail that is missing", () => {
  expect(found("carl")).toEqual([]);
});

test("a symbolic link in the place of jk_lsh.ini of a jail leads where it leads inside, and not to a file of the host", () => {
  const jail = "/srv/linked";
  m.must(["jk_init", "-j", jail, "uidbasics"]);
  m.addUser("dora", { home: `${jail}/./home/dora`, shell: "/usr/sbin/jk_chrootsh" });
  const { uid, gid } = m.ids("dora");
  m.write(`${jail}/etc/passwd`, `dora:x:${uid}:${gid}::/home/dora:/usr/sbin/jk_lsh\n`);
  m.write(`${jail}/etc/group`, `dora:x:${gid}:\n`);
  m.write("/opt/policy.ini", "of the host\n");
  m.write(`${jail}/opt/policy.ini`, "[dora]\nallow = sftp\n");
  m.mkdir(`${jail}/etc/jailkit`);
  const file = `${jail}/etc/jailkit/jk_lsh.ini`;
  m.symlink("/opt/policy.ini", file);
  const { stdout } = m.run(["jailkit", "config", "check", file]);
  expect(stdout).toContain("sftp");
  expect(stdout).not.toContain("of the host");
  expect(m.run(["jailkit", "explain", "dora", "--", "sftp-server"]).stdout).toContain(
    "policy: section [dora]",
  );
});

describe("a jail with a comma in its path, which no list can name", () => {
  const UCHROOT = "/etc/jailkit/jk_uchroot.ini";
  const checked = () =>
    reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json", UCHROOT]).stdout).findings;
  const jail = "/srv/a, b";
  const message = `'${jail}' cannot be in a list, which is split at the comma: move the jail to a path without one, and write that here`;
  beforeAll(() => {
    m.must(["jk_init", "-j", jail, "uidbasics"]);
  });

  test("also if its first piece is another jail: what is advised heals", () => {
    m.must(["jk_init", "-j", "/srv/a", "uidbasics"]);
    m.write(UCHROOT, `[anna]\nallowed_jails = /srv/one, ${jail}, /srv/two\n`);
    const [first, ...others] = checked();
    expect([first?.message, others]).toEqual([message, []]);
    typeRemedy(m, first?.remedy ?? "");
    expect(checked()).toEqual([]);
    expect(m.read(UCHROOT)).toBe("[anna]\nallowed_jails = /srv/one, /srv/a_b, /srv/two\n");
    expect(m.must(["jailkit", "list", "/srv/a_b"]).stdout).toContain("/srv/a_b");
  });

  test("in its directory alone: no command that could not move it", () => {
    const inner = "/srv/c, d/jail";
    m.must(["jk_init", "-j", inner, "uidbasics"]);
    m.write(UCHROOT, `[anna]\nallowed_jails = ${inner}\n`);
    expect(checked().map((one) => [one.message, one.remedy])).toEqual([[message.replace(jail, inner), null]]);
  });

  test("is not what somebody is told to have meant", () => {
    m.must(["jk_init", "-j", "/srv/customer,x", "uidbasics"]);
    m.write(UCHROOT, "[anna]\nallowed_jails = /srv/customerx\n");
    expect(checked().map((one) => [one.message, one.remedy?.includes(",x")])).toEqual([
      ["'/srv/customerx' does not exist", false],
    ]);
  });
});
