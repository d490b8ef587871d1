/** jailkit config check: paths of read, write and execute in jk_chrootsh.ini are those of the user's jail. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

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
