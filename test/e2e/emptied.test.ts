/** A jail whose contents a panel removed, though it kept the directory; and `jailkit forget`. */
import { afterAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { forgetReportSchema, listReportSchema } from "../../src/jails/report-schema.ts";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/sites/web1";
const DROP_IN = "/etc/jailkit/jk_socketd.d/srv-sites-web1.ini";
const EMPTIED =
  `${J} is emptied: what jailkit put there was removed; 'jk_init' or 'jk_update -j' fills it again, and ` +
  "'jailkit forget' drops its record";
let m: Machine;

afterAll(() => m?.close());
beforeEach(async () => {
  await m?.close();
  m = await openMachine({ under: "ours" });
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    "[one]\npaths = cat, /var/lib/thing\nincludesections = uidbasics\nneed_logsocket = 1\n[two]\npaths = true\n",
  );
  m.write("/var/lib/thing/file", "x");
  m.must(["jk_init", "-j", J, "one"]);
  m.must(["jk_cp", "-j", J, "/usr/bin/id"]);
  m.mkdir(`${J}/web`, { mode: 0o711 });
  m.write(`${J}/web/index.html`, "the site");
});

/** As ISPConfig does it when the last shell user is gone. */
const empty = () =>
  m.must(["sh", "-c", `cd ${J} && rm -rf bin dev etc lib lib32 lib64 opt sys usr var`]) && m.snapshot(J);

const list = () => reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout).jails;
const records = () => m.list("/var/lib/jailkit/jails");

describe("an emptied jail", () => {
  test("stays so with jk_update --all, which says so", () => {
    const before = empty();
    const all = m.run(["jk_update", "--all"]);
    expect(all).toMatchObject({ status: 0, stdout: "", stderr: `jk_update: warning: ${EMPTIED}\n` });
    expect(m.run(["jk_update", "--all", "--check"])).toMatchObject({ status: 0, stdout: "" });
    const { stdout } = m.must(["jk_update", "--all", "--json"]);
    const [report] = reportOf(updateReportSchema, stdout).jails;
    expect(report).toMatchObject({ jail: J, state: "emptied", changes: [], warnings: [EMPTIED] });
    expect(m.snapshot(J)).toEqual(before);
  });

  test("is shown by jailkit list and jk_check, which has one finding and repairs nothing", () => {
    const before = empty();
    expect(list()).toMatchObject([{ path: J, state: "emptied", reason: EMPTIED, users: [] }]);
    expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: `jailkit list: ${EMPTIED}\n` });
    for (const words of [["jk_check", J], ["jk_check", "--fix", J], ["jk_check"]]) {
      const { status, stdout } = m.run(words);
      expect([words, status, stdout]).toEqual([
        words,
        1,
        `WARNING: ${EMPTIED}\n  remedy: jailkit forget ${J}\n`,
      ]);
    }
    expect(m.snapshot(J)).toEqual(before);
    m.must(["jailkit", "forget", J]);
    expect(m.run(["jk_check"])).toMatchObject({ status: 0, stdout: "" });
  });

  test("is filled again by jk_init, as if nothing had been asked for before", () => {
    empty();
    m.must(["jk_init", "--dry-run", "-j", J, "two"]);
    expect(list()).toMatchObject([{ state: "emptied", sections: ["one"], files: ["/usr/bin/id"] }]);
    m.must(["jk_init", "-j", J, "two"]);
    expect(list()).toMatchObject([{ path: J, state: "ready", sections: ["two"], files: [] }]);
    expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
    m.must(["jk_update", "--all"]);
    expect([
      m.exists(`${J}/usr/bin/true`),
      m.exists(`${J}/usr/bin/id`),
      m.exists(`${J}/var/lib/thing`),
    ]).toEqual([true, false, false]);
    expect(m.run(["jk_check", J])).toMatchObject({ status: 0, stdout: "" });
    expect(m.read(`${J}/web/index.html`)).toBe("the site");
  });

  test("is not begun anew by a second request", () => {
    empty();
    m.must(["jk_init", "-j", J, "two"]);
    m.must(["jk_cp", "-j", J, "/usr/bin/id"]);
    expect(list()).toMatchObject([{ state: "ready", sections: ["two"], files: ["/usr/bin/id"] }]);
  });

  test("is restored by jk_update -j, which names it", () => {
    const before = m.snapshot(J);
    empty();
    m.must(["jk_update", "-j", J]);
    // Accounts are added by those who want them.
    const files = Object.keys(before).filter((path) => !/^etc\/(?:passwd|group|\.jailkit\.lock)$/.test(path));
    expect(Object.keys(m.snapshot(J)).sort()).toEqual(files.sort());
    expect(list()).toMatchObject([{ state: "ready", sections: ["one"], files: ["/usr/bin/id"] }]);
  });

  test("is not one that only lacks a part", () => {
    m.remove(`${J}/usr`);
    expect(list()).toMatchObject([{ state: "ready" }]);
    m.must(["jk_init", "-j", J, "two"]);
    expect(list()).toMatchObject([{ sections: ["one", "two"], files: ["/usr/bin/id"] }]);
    m.must(["jk_update", "--all"]);
    expect(m.exists(`${J}/usr/bin/cat`)).toBe(true);
  });

  test("with a user: list fails, and explain says it before what follows from it", () => {
    m.addUser("c1u", { home: `${J}/home/c1u`, createHome: true });
    m.must(["jk_jailuser", "-n", "-s", "/usr/bin/cat", "-j", J, "c1u"]);
    empty();
    expect(m.run(["jailkit", "list"]).status).toBe(1);
    const { steps, verdict } = reportOf(
      explainReportSchema,
      m.run(["jailkit", "explain", "--json", "--su", "c1u"]).stdout,
    );
    expect(verdict).toBe("refused");
    const emptied = steps.findIndex(({ name }) => name === "emptied");
    expect(steps[emptied]).toMatchObject({
      outcome: "warned",
      message: EMPTIED,
      remedy: `jk_update -j ${J}`,
    });
    expect(steps.findIndex(({ outcome }) => outcome === "failed")).toBeGreaterThan(emptied);
    // What it advises heals.
    m.must(["jk_update", "-j", J]);
    const after = reportOf(
      explainReportSchema,
      m.run(["jailkit", "explain", "--json", "--su", "c1u"]).stdout,
    );
    expect(after.steps.some(({ name }) => name === "emptied")).toBe(false);
  });
});

describe("jailkit forget", () => {
  test("drops the record, the socket and the line in fstab, and changes no file of the jail", () => {
    m.write("/etc/fstab", `# mine\nproc ${J}/proc proc ro,nosuid,nodev,noexec,hidepid=2,nofail 0 0\n`);
    const before = m.snapshot(J);
    expect([records().length, m.exists(DROP_IN)]).toEqual([1, true]);
    expect(m.must(["jailkit", "forget", "--dry-run", J]).stdout).toBe(
      `${J}: its record is dropped, and no file of it is changed.\n`,
    );
    expect([records().length, m.exists(DROP_IN)]).toEqual([1, true]);
    expect(m.must(["jailkit", "forget", "-v", J]).stdout).toBe(
      `removed ${DROP_IN}, so that jk_socketd closes the log socket\n` +
        `removed the line for ${J}/proc from /etc/fstab\nremoved the record of the jail\n`,
    );
    expect([records(), m.exists(DROP_IN), m.read("/etc/fstab")]).toEqual([[], false, "# mine\n"]);
    expect(m.snapshot(J)).toEqual(before);
    expect(list()).toEqual([]);
    // It is not known any more.
    expect(m.run(["jailkit", "forget", J])).toMatchObject({
      status: 1,
      stderr: `jailkit forget: ${J}: is not a known jail (see 'jailkit list')\n`,
    });
    m.must(["jailkit", "adopt", J]);
    expect(list()).toMatchObject([{ state: "ready" }]);
  });

  test("works for a jail whose directory is missing", () => {
    m.addUser("c1u", { home: `${J}/home/c1u`, createHome: true });
    m.must(["jk_jailuser", "-n", "-s", "/usr/bin/cat", "-j", J, "c1u"]);
    m.remove(J);
    expect(m.run(["jailkit", "list"])).toMatchObject({ status: 1 });
    const { stdout } = m.must(["jailkit", "forget", "--json", J]);
    expect(reportOf(forgetReportSchema, stdout)).toMatchObject({ present: false, exitStatus: 0 });
    expect([records(), m.exists(DROP_IN)]).toEqual([[], false]);
  });

  test("keeps the line in fstab while proc is mounted, and says what unmounts it, for the next boot, too", () => {
    m.write("/etc/fstab", `proc ${J}/proc proc ro 0 0\n`);
    m.mkdir(`${J}/proc`);
    m.must(["mount", "-t", "proc", "proc", `${J}/proc`]);
    const { stderr } = m.must(["jailkit", "forget", J]);
    const warning = `jailkit forget: warning: proc is mounted on ${J}/proc, so its line in /etc/fstab stays; to unmount it for good: `;
    expect(stderr).toStartWith(warning);
    expect([m.read("/etc/fstab"), records()]).toEqual([`proc ${J}/proc proc ro 0 0\n`, []]);
    m.must(["sh", "-ec", stderr.slice(warning.length)]);
    expect([m.read("/etc/fstab"), m.run(["mountpoint", `${J}/proc`]).status]).toEqual([
      `#proc ${J}/proc proc ro 0 0\n`,
      32,
    ]);
  });

  test("refuses a jail with its contents and users; warns of them if it is emptied", () => {
    m.addUser("c1u", { home: `${J}/home/c1u`, createHome: true });
    m.must(["jk_jailuser", "-n", "-s", "/usr/bin/cat", "-j", J, "c1u"]);
    expect(m.run(["jailkit", "forget", J])).toMatchObject({
      status: 1,
      stderr:
        `jailkit forget: ${J}: users live in it (c1u), and without a record jk_update does not update its programs: ` +
        "take them out first: jk_jailuser --unjail c1u; or use --with-users\n",
    });
    expect(records().length).toBe(1);
    empty();
    expect(m.must(["jailkit", "forget", J]).stderr).toBe(
      `jailkit forget: warning: ${J} stays a known jail, because users live in it: c1u\n`,
    );
    expect(records()).toEqual([]);
  });

  test("with --with-users", () => {
    m.addUser("c1u", { home: `${J}/home/c1u`, createHome: true });
    m.must(["jk_jailuser", "-n", "-s", "/usr/bin/cat", "-j", J, "c1u"]);
    m.must(["jailkit", "forget", "--with-users", J]);
    expect(list()).toMatchObject([{ path: J, state: "unrecorded" }]);
  });
});
