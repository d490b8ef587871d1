/** `jailkit apply --prune` where somebody has made another jail or account in the place of one that was declared once. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const MIA = `[user mia]\njail = ${J}\nshell = /bin/bash\n`;
const WORK = `${J}/home/mia/work`;

let m: Machine;

const sh = (line: string) => m.must(["sh", "-c", line]);
const shadowDay = (days: number) => m.must(["chage", "-d", `${20_000 + days}`, "mia"]);
const lineOf = (file: string) => /^mia:.*$/m.exec(m.read(file))?.[0];
/** What --prune must not touch: the account, its line in the jail, and a file of it. */
const mias = () => [lineOf("/etc/passwd"), m.exists(J) && lineOf(`${J}/etc/passwd`), m.exists(WORK)];
const memory = () => JSON.parse(m.read(MEMORY));

/** A run that removes all that was declared once, which must be nothing. */
function pruneNothing(...warnings: readonly string[]): void {
  m.write(FILE, "");
  const before = mias();
  const checked = linesOf(m, "--check", "--prune", "--delete-homes");
  const { status, changes, summary } = linesOf(m, "--prune", "--delete-homes");
  expect([checked.changes, checked.status, status, changes]).toEqual([[], 0, 0, []]);
  expect([checked.summary.warnings, summary.warnings]).toEqual([[...warnings], [...warnings]]);
  expect([mias(), m.exists(`${J}/bin/bash`)]).toEqual([before, true]);
  // It is told once, and forgotten.
  expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({
    ...{ status: 0, changes: [], summary: { warnings: [] } },
  });
  expect(memory()).toMatchObject({ jails: [], users: [] });
}

const OTHER_JAIL = `jail ${J}: the jail stays, as it may be another one than was declared; jailkit delete ${J} removes it`;
const OTHER_ACCOUNT =
  "user mia: the account stays, as it may be another one than was declared; userdel mia removes it";

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.write(FILE, JAIL + MIA);
  m.must(["jailkit", "apply"]);
});
afterEach(() => {
  m.run(["userdel", "mia"]);
  for (const path of ["/srv/customer", "/srv/other", "/var/lib/jailkit", FILE]) m.remove(path);
});
afterAll(() => m?.close());

describe("another jail:", () => {
  const removals: [string, () => unknown, string[]][] = [
    [
      "deleted",
      () => m.must(["jailkit", "delete", "--yes", "--user-files", J]),
      // What was deleted, is forgotten.
      [OTHER_ACCOUNT],
    ],
    ["removed by hand", () => sh(`rm -r ${J}`), [OTHER_ACCOUNT, OTHER_JAIL]],
  ];
  test.each(removals)(
    "one that was %s, and made again by jk_init and jk_addjailuser",
    (_, remove, warnings) => {
      m.must(["userdel", "mia"]);
      remove();
      m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
      m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "mia"]);
      sh(`echo precious > ${WORK} && chown mia ${WORK}`);
      pruneNothing(...warnings);
    },
  );

  test("one that jailkit import has made, with its accounts", () => {
    m.must(["jailkit", "export", "-o", "/root/customer.json", J]);
    m.must(["userdel", "mia"]);
    m.must(["jailkit", "delete", "--yes", "--user-files", J]);
    m.must(["jailkit", "import", "--create-users", "-j", J, "/root/customer.json"]);
    sh(`echo precious > ${WORK}`);
    pruneNothing(OTHER_ACCOUNT);
  });

  test("one that somebody else has removed and made by hand is told, with the command that deletes it", () => {
    m.must(["userdel", "mia"]);
    sh(`rm -r ${J}`);
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    pruneNothing(OTHER_JAIL);
    m.must(["jailkit", "delete", "--yes", J]);
  });

  test("one that is to be known no more, in the same directory", () => {
    m.must(["jk_jailuser", "--unjail", "-m", "-s", "/bin/sh", "mia"]);
    m.must(["jailkit", "forget", J]);
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    m.write(FILE, "");
    expect(did(m, "--prune")).toEqual([]);
    expect(m.exists(`${J}/bin/bash`)).toBe(true);
    sh("rm -rf /home/mia");
  });

  test("its sections are not those that were declared once", () => {
    m.write(FILE, `${JAIL.trim()}, sftp\n`);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    sh(`rm -r ${J}`);
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell", "sftp"]);
    m.write(FILE, JAIL);
    expect(did(m, "--prune")).toEqual([]);
    expect(memory().jails[0].sections).not.toContain("sftp");
    // From now on it is the declared one.
    m.write(FILE, "");
    expect(did(m, "--prune")).toEqual([`done - jail ${J} (no longer declared)`]);
  });
});

describe("another account", () => {
  const uidOf = () => m.must(["id", "-u", "mia"]).stdout.trim();
  /** Removes the account, and makes one of the same name and uid. */
  const again = (uid = uidOf(), home = "mia") => {
    m.run(["userdel", "mia"]);
    m.must(["useradd", "-M", "-u", uid, "-d", `${J}/./home/${home}`, "-s", "/usr/sbin/jk_chrootsh", "mia"]);
  };
  const otherHome = () =>
    sh(`rm -r ${J}/home/mia; mkdir ${J}/home/mia && echo precious > ${WORK} && chown -R mia ${J}/home/mia`);
  /** What --prune says of an account that may be another one: nothing of it is deleted, and it cannot log in. */
  const pruneLineOnly = (by: string) => {
    m.write(FILE, JAIL);
    const account = lineOf("/etc/passwd");
    const work = m.exists(WORK);
    expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({
      status: 1,
      changes: [{ status: "done", text: `- user mia: entry in ${J} (no longer declared)` }],
      summary: {
        problems: [
          {
            ...{ code: "doubtful-account", remedy: null },
            message: expect.stringContaining(`may be another account than was declared, by ${by}: `),
          },
        ],
      },
    });
    expect(mias()).toEqual([account, undefined, work]);
  };

  test("of another day, with another home", () => {
    again();
    otherHome();
    shadowDay(1);
    pruneLineOnly("its home and its day in shadow(5)");
  });

  test("with a home at another path", () => {
    const uid = uidOf();
    sh(`userdel mia && rm -r ${J}/home/mia && mkdir ${J}/home/new && chown ${uid} ${J}/home/new`);
    again(uid, "new");
    pruneLineOnly("its home");
    m.remove(`${J}/home/new`);
  });

  test("of another day, without a home", () => {
    sh(`rm -r ${J}/home/mia`);
    again();
    shadowDay(1);
    pruneLineOnly("its home and its day in shadow(5)");
  });

  test("of the same day, with another home, which stays: that is told", () => {
    again();
    otherHome();
    m.write(FILE, JAIL);
    const uid = uidOf();
    expect(linesOf(m, "--prune", "--delete-homes").changes).toMatchObject([
      {
        text: `- user mia: account but not its home ${J}/home/mia, which stays with the uid ${uid} (no longer declared)`,
        warnings: [`the home '${J}/home/mia' of uid ${uid} stays: apply did not create it`],
      },
    ]);
    m.write(FILE, "");
    const [note] = linesOf(m, "--prune", "--delete-homes").summary.warnings;
    expect([note, m.exists(WORK)]).toEqual([
      expect.stringContaining(`to delete both: jailkit delete --user-files ${J};`),
      true,
    ]);
  });

  test("that jk_addjailuser has made, with the same home", () => {
    const uid = uidOf();
    m.must(["userdel", "mia"]);
    sh(`sed -i /^mia:/d ${J}/etc/passwd`);
    m.must(["jk_addjailuser", "-j", J, "-u", uid, "-s", "/bin/bash", "mia"]);
    m.write(FILE, JAIL);
    const before = mias();
    const { changes, summary } = linesOf(m, "--prune", "--delete-homes");
    expect([changes, mias(), summary.warnings]).toEqual([[], before, [OTHER_ACCOUNT]]);
  });

  test("that is declared with another uid is not removed as one that apply created", () => {
    again("31000");
    otherHome();
    m.must(["jailkit", "apply"]);
    expect(memory().users[0].created).toBeNull();
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect([lineOf("/etc/passwd") === undefined, m.exists(WORK)]).toEqual([false, true]);
  });
});

describe("the same:", () => {
  const pruneAll = (jail = J) => {
    m.write(FILE, "");
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user mia: account and its home ${jail}/home/mia (no longer declared)`,
      `done - jail ${jail} (no longer declared)`,
    ]);
  };

  test("with a password, which somebody set since", () => {
    sh("echo mia:secret | chpasswd");
    shadowDay(2);
    pruneAll();
  });

  test("with a record from a backup", () => {
    sh("cp -a /var/lib/jailkit/jails /root/backup && rm -r /var/lib/jailkit/jails");
    sh("mv /root/backup /var/lib/jailkit/jails");
    pruneAll();
  });

  test.each([
    ["renamed", (old: string, now: string) => sh(`mv ${old} ${now}`)],
    ["copied to another place", (old: string, now: string) => sh(`cp -a ${old} ${now} && rm -r ${old}`)],
  ])("%s, and followed", (_, move) => {
    move(J, "/srv/other");
    m.must(["jailkit", "adopt", "--moved", J, "/srv/other"]);
    pruneAll("/srv/other");
  });

  test("of a version that did not say which one it is: nothing is deleted, until a run finds it declared", () => {
    const without = (_: string, value: unknown) => {
      if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
      const { directoryId: _1, homeId: _2, createdDay: _3, ...rest } = value as Record<string, unknown>;
      return rest;
    };
    const forget = () => m.write(MEMORY, `${JSON.stringify(memory(), without)}\n`, { mode: 0o600 });
    forget();
    m.write(FILE, JAIL);
    expect(linesOf(m, "--check", "--prune").summary.problems).toMatchObject([{ code: "doubtful-account" }]);
    m.write(FILE, JAIL + MIA);
    m.must(["jailkit", "apply"]);
    pruneAll();
  });
});
