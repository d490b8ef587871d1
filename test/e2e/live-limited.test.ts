/**
 * The limited shell in a live jail, whose /usr has the host's jk_lsh: the one in jk_chrootsh runs, so the host's log has
 * what it decides without jk_socketd, and explain knows what it does.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Layout, type Machine, openMachine, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

describe.each<Layout>(["standalone", "package"])("%s", (layout) => {
  let m: Machine;
  let syslog: Syslog;
  beforeAll(async () => {
    m = await openMachine({ under: "ours", layout });
    syslog = await m.startSyslog();
    m.write("/etc/fstab", "");
    m.must(["jk_init", "--live", "-j", "/srv/live", "jk_lsh", "rsync"]);
    m.must(["jk_addjailuser", "-j", "/srv/live", "-p", "*", "--policy", "rsync", "lily"]);
    m.must(["jk_init", "--copy-shell", "-j", "/srv/copied", "jk_lsh"]);
    m.must(["jk_addjailuser", "-j", "/srv/copied", "-p", "*", "carl"]);
  });
  afterAll(async () => m.close());

  const login = (user: string, command: string) => m.run(["jk_chrootsh", "-c", command], { user });
  const explained = (user: string, command: string) => {
    const { status, stdout } = m.run(["jailkit", "explain", "--json", "--su", user, "--", command]);
    const { steps, verdict } = reportOf(explainReportSchema, stdout);
    return { status, verdict, shell: steps.find(({ name }) => name === "shell")?.message };
  };

  test("what it runs and refuses is in the host's log", async () => {
    expect(login("lily", "rsync --version")).toMatchObject({ status: 0 });
    expect(login("lily", "ls")).toMatchObject({ status: 4 });
    const lines = (await syslog.lines()).flatMap(({ ident, message }) =>
      ident === "jk_lsh" ? [message] : [],
    );
    expect(lines).toContainEqual(expect.stringContaining("executing command '/usr/bin/rsync --version'"));
    expect(lines).toContainEqual(expect.stringContaining("tried to run 'ls'"));
  });

  test("explain tells what would be run and refused", () => {
    const shell = "/usr/sbin/jk_lsh is the host's: the limited shell of jk_chrootsh takes its place";
    expect(explained("lily", "rsync --version")).toEqual({ status: 0, verdict: "works", shell });
    expect(explained("lily", "ls")).toEqual({ status: 1, verdict: "refused", shell });
  });

  test("another file of that name in a jail runs itself", () => {
    const file = "/srv/copied/usr/sbin/jk_lsh";
    m.remove(file);
    m.must(["cp", "/bin/true", file]);
    expect(explained("carl", "ls").shell).toBe("/usr/sbin/jk_lsh is safe to run");
  });
});
