/**
 * Declared users of a directory (LDAP) that is down, or does not have them, or has two entries with a uid: jailkit status and
 * jailkit config check tell what jailkit apply fails for.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";
import { dnOf } from "./directory-accounts.ts";
import { type Directory, nameIn, openDirectory } from "./directory-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/a.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

describe.each(["nslcd", "sssd"] as const)("%s", (kind) => {
  const [anna, berta] = ["anna", "berta"].map((name) => nameIn(kind, name)) as [string, string];
  const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/bash\ndirectory = yes\n`;
  let m: Machine;
  let directory: Directory;

  const status = () =>
    reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
      (one) => [one.kind, one.subject, one.message, one.command] as const,
    );
  const config = () =>
    reportOf(
      REPORT_SCHEMAS["jailkit config"],
      m.run(["jailkit", "config", "check", "--json"]).stdout,
    ).findings.map(({ line, severity, code, message }) => [line, severity, code, message]);
  const applied = () =>
    linesOf(m, "--check").summary.problems.map(({ path, code, message }) => [path, code, message]);
  const set = (name: string, ...lines: string[]) => {
    const text = [`dn: ${dnOf(name)}`, "changetype: modify", ...lines].join("\n");
    expect(directory.modify(`${text}\n`)).toMatchObject({ status: 0 });
  };
  const known = (name: string, text: string) => {
    while (!m.run(["getent", "passwd", name]).stdout.includes(text));
  };

  beforeAll(async () => {
    m = await openApplyMachine();
    directory = await openDirectory(m, kind);
    for (const name of ["anna", "berta"]) {
      const home = `replace: homeDirectory\nhomeDirectory: ${J}/./home/${name}`;
      set(name, home, "-", "replace: loginShell\nloginShell: /usr/sbin/jk_chrootsh");
      known(nameIn(kind, name), "jk_chrootsh");
    }
    m.write(FILE, JAIL + user(anna) + user(berta));
    m.must(["jailkit", "apply"]);
    expect([status(), config(), applied()]).toEqual([[], [], []]);
  });
  afterAll(() => m?.close());

  test("the name service is down", async () => {
    await directory.stopDaemon();
    const silent = expect.stringMatching(
      /^a name service does not answer \(passwd: files \w+ in \/etc\/nsswitch\.conf\): its daemon or its server is down/,
    );
    expect(applied()).toMatchObject([
      [anna, "name-service", expect.stringContaining("does not answer")],
      [berta, "name-service", expect.stringContaining("does not answer")],
    ]);
    expect(config()).toEqual([[3, "warning", "no-answer", silent]]);
    expect(config()[0]?.[3]).toContain(`'${anna}' and 1 more declared user`);
    expect(status()).toEqual([["directory", "/etc/nsswitch.conf", silent, expect.any(String)]]);
    expect(m.run(["jailkit", "status"])).toMatchObject({
      status: 1,
      stdout: expect.not.stringContaining("Nothing needs attention"),
    });
    // Also without declarations.
    m.write(FILE, JAIL);
    expect(config()).toEqual([]);
    expect(status()).toEqual([["directory", "/etc/nsswitch.conf", silent, expect.any(String)]]);
    m.write(FILE, JAIL + user(anna) + user(berta));
    await directory.startDaemon();
    known(anna, anna);
    expect([status(), config(), applied()]).toEqual([[], [], []]);
  });

  test("two entries of the directory have one uid", async () => {
    set("anna", "replace: uidNumber\nuidNumber: 7002");
    known(anna, ":7002:");
    while (m.run(["getent", "passwd", "7001"]).status === 0);
    const whose =
      kind === "nslcd"
        ? "the uid 7002 belongs to "
        : "a name service does not say who has the uid 7002 (passwd: files sss in /etc/nsswitch.conf): if two entries";
    const said = expect.stringContaining(whose);
    const problems = applied();
    expect(problems).toContainEqual([anna, expect.any(String), said]);
    expect(JSON.stringify([problems, config(), status()])).not.toContain("is down");
    expect(config()).toContainEqual([3, "error", expect.any(String), said]);
    expect(status()).toContainEqual(["config", `${FILE}:3`, said, "jailkit config check"]);
    // As the message says.
    set("anna", "replace: uidNumber\nuidNumber: 7001");
    // SSSD would keep both in its cache for a while.
    await directory.stopDaemon();
    m.must(["sh", "-c", "rm -f /var/lib/sss/db/cache_* /var/lib/sss/db/timestamps_*"]);
    await directory.startDaemon();
    known(berta, ":7002:");
    known(anna, ":7001:");
    expect([status(), config(), applied()]).toEqual([[], [], []]);
  });

  test("the directory does not have a user any more", async () => {
    expect(directory.modify(`dn: ${dnOf("berta")}\nchangetype: delete\n`)).toMatchObject({ status: 0 });
    while (m.run(["getent", "passwd", berta]).status === 0);
    const gone = "no name service knows the account, which 'directory' says is in one";
    expect(applied()).toEqual([[berta, "no-such-user", expect.stringContaining(gone)]]);
    expect(config()).toEqual([[7, "warning", "not-in-directory", expect.stringContaining(gone)]]);
    expect(status()).toEqual([
      ["directory", `${FILE}:7`, expect.stringContaining(gone), "jailkit config check"],
    ]);
    // As the message says.
    m.write(FILE, JAIL + user(anna));
    m.must(["jailkit", "apply", "--prune"]);
    expect([status(), config(), applied()]).toEqual([[], [], []]);
  });
});
