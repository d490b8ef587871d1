/** By its default, sshd(8) also looks for keys in .ssh/authorized_keys2, into which users may copy what is to be taken away. */
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
import type { Machine, MachineProcess } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { did, KEYS, linesIn, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/j.ini";
const [ONE, TWO] = KEYS;
const SSH = `${J}/home/anna/.ssh`;
const SECOND = `${SSH}/authorized_keys2`;
let m: Machine;

const declare = (keys: string) => m.write(FILE, `[jail ${J}]\nsections = basicshell\n${keys}`);
const user = (...keys: string[]) =>
  `[user anna]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${keys.join("\n  ")}\n`;

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  declare(user(ONE));
  m.must(["jailkit", "apply"]);
  m.must(["cp", "-p", `${SSH}/authorized_keys`, SECOND]);
  m.must(["sh", "-c", `echo '# mine' >> ${SECOND}`]);
});

test("a key that is not declared any more is taken out of it", () => {
  expect(linesOf(m, "--check").status).toBe(0);
  declare(user(TWO));
  expect(did(m, "--prune")).toContainEqual(expect.stringMatching(/^done - user anna: keys/));
  expect([m.read(`${SSH}/authorized_keys`), m.read(SECOND)]).toEqual([`${TWO}\n`, "# mine\n"]);
  expect(linesOf(m, "--check", "--prune")).toMatchObject({ status: 0, changes: [] });
});

test("the options of a declared key are those in each file", () => {
  declare(user(`restrict ${ONE}`));
  expect(linesOf(m).status).toBe(0);
  expect(m.read(SECOND)).toBe(`restrict ${ONE}\n# mine\n`);
  m.must(["sed", "-i", "s/^restrict //", SECOND]);
  // Whoever did not run it would have no limits by that line.
  expect(did(m)).toEqual([expect.stringMatching(/^done ~ user anna: .*option/)]);
  expect([m.read(SECOND), linesOf(m, "--check").status]).toEqual([`restrict ${ONE}\n# mine\n`, 0]);
});

test("it goes from there with its user", () => {
  m.addUser("bea", { home: "/home/bea", createHome: true });
  declare(`[user bea]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
  m.must(["jailkit", "apply"]);
  const second = `${J}/home/bea/.ssh/authorized_keys2`;
  m.must(["cp", "-p", `${J}/home/bea/.ssh/authorized_keys`, second]);
  declare("");
  m.must(["jailkit", "apply", "--prune"]);
  expect(m.read("/home/bea/.ssh/authorized_keys2")).toBe("");
});

test.each([
  ["a symbolic link to the first one", ["ln", "-sfn", "authorized_keys", SECOND]],
  ["a directory", ["mkdir", SECOND]],
  ["a FIFO, which sshd does not read,", ["mkfifo", SECOND]],
])("with %s in its place, the first one is changed", (_, make) => {
  m.must(["rm", SECOND]);
  m.must(make);
  declare(user(`restrict ${ONE}`));
  expect(linesOf(m).status).toBe(0);
  expect(m.read(`${SSH}/authorized_keys`)).toBe(`restrict ${ONE}\n`);
  declare(user(TWO));
  const { changes, summary } = linesOf(m, "--prune");
  expect(changes.flatMap((one) => one.warnings)).toEqual([]);
  expect([summary.exitStatus, m.read(`${SSH}/authorized_keys`)]).toEqual([0, `${TWO}\n`]);
  expect(linesOf(m, "--check", "--prune").status).toBe(0);
  m.must(["rm", "-r", SECOND]);
});

describe.each([
  ["a link to another file", `mv ${SECOND} ${SSH}/../k; ln -sfn ../k ${SECOND}`],
  ["a file with two names", `ln ${SECOND} ${SSH}/../k`],
])("with %s in its place", (_, make) => {
  beforeEach(() => {
    m.must(["runuser", "-u", "anna", "--", "sh", "-ec", make]);
  });
  afterEach(() => {
    m.remove(`${J}/home/anna/k`);
  });
  /** Does what the problems of a run advise, until there are none; how often. */
  const heal = () => {
    for (let count = 0; ; count++) {
      const { status, summary } = linesOf(m, "--prune");
      if (status === 0 || count > 2) return count;
      m.must(["sh", "-ec", summary.problems[0]?.remedy ?? "false"]);
    }
  };
  const asTold = [
    expect.objectContaining({
      code: "keys-not-written",
      message: expect.stringContaining(
        `what is taken away may be valid by a second file, which sshd reads as well: '${SECOND}' `,
      ),
    }),
  ];

  test("a key that is in that alone, and not declared any more, is told until it is gone", () => {
    m.must(["truncate", "-s", "0", `${SSH}/authorized_keys`]);
    declare(user(TWO));
    for (const options of [["--check", "--prune"], ["--prune"], ["--prune"]])
      expect(linesOf(m, ...options)).toMatchObject({ summary: { problems: asTold } });
    expect(heal()).toBe(1);
    expect(m.read(`${SSH}/authorized_keys`)).toBe(`${TWO}\n`);
    expect(m.exists(SECOND) ? m.read(SECOND) : "").not.toContain(ONE);
  });

  test("the first one is changed all the same, and the run says that it may not be enough", () => {
    declare(user(`restrict ${ONE}`));
    expect(linesOf(m)).toMatchObject({ status: 1, summary: { problems: asTold } });
    expect(m.read(`${SSH}/authorized_keys`)).toBe(`restrict ${ONE}\n`);
    expect(linesOf(m, "--check").summary.problems).toEqual(asTold);
    expect(heal()).toBe(1);
    expect(linesOf(m, "--check").status).toBe(0);
  });

  test("an account of the machine does not leave the jail with it", () => {
    m.addUser("cleo", { home: "/home/cleo", createHome: true });
    declare(`[user cleo]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
    m.must(["jailkit", "apply"]);
    const place = `${J}/home/cleo/.ssh`;
    m.must(["mv", `${place}/authorized_keys`, `${place}/authorized_keys2`]);
    m.must(["runuser", "-u", "cleo", "--", "sh", "-ec", make.replaceAll(SSH, place)]);
    declare("");
    expect(linesOf(m, "--prune").status).toBe(1);
    expect(m.read("/etc/passwd")).toMatch(new RegExp(`^cleo:.*:${J}/\\./home/cleo:.*/jk_chrootsh$`, "m"));
    expect(m.read(`${J}/etc/passwd`)).not.toContain("cleo");
    expect(heal()).toBe(1);
    expect(m.read("/etc/passwd")).toContain(":/home/cleo:");
    m.must(["userdel", "-r", "cleo"]);
  });
});

test("a user who leaves with such a link loses the keys", () => {
  m.addUser("cleo", { home: "/home/cleo", createHome: true });
  declare(`[user cleo]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
  m.must(["jailkit", "apply"]);
  m.must(["ln", "-s", "authorized_keys", `${J}/home/cleo/.ssh/authorized_keys2`]);
  declare("");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.read("/home/cleo/.ssh/authorized_keys")).toBe("");
});

describe("a key that a session of a user who leaves puts back", () => {
  const FILES = `${J}/home/dora/.ssh/authorized_keys`;
  let session: MachineProcess;
  const putBack = () => m.must(["runuser", "-u", "dora", "--", "sh", "-c", `echo '${TWO}' > ${FILES}`]);
  const leave = () => {
    declare(`[user dora]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
    m.must(["jailkit", "apply"]);
    session = m.start(["sleep", "infinity"], { user: "dora" });
    declare("");
    const { status, summary } = linesOf(m, "--prune");
    return [status, summary.problems.map(({ code }) => code)];
  };
  const end = async () => {
    session.kill();
    await session.ended;
  };
  afterEach(async () => {
    await end();
    m.must(["userdel", "-r", "dora"]);
    m.remove(`${J}/home/dora`);
  });

  test("goes before the account leaves the jail", async () => {
    m.addUser("dora", { home: "/home/dora", createHome: true });
    expect(leave()).toEqual([1, ["has-processes"]]);
    putBack();
    await end();
    expect(did(m, "--prune")).toHaveLength(1);
    expect(m.read("/home/dora/.ssh/authorized_keys")).toBe("");
  });

  test("goes with the next run from an account that stays", async () => {
    m.must(["jk_addjailuser", "-p", "*", "-s", "/bin/bash", J, "dora"]);
    expect(leave()).toEqual([0, []]);
    putBack();
    expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user dora: keys/)]);
    expect(m.read(FILES)).toBe("");
    putBack();
    await end();
    expect(did(m, "--prune")).toHaveLength(1);
    expect([m.read(FILES), did(m, "--prune")]).toEqual(["", []]);
  });
});

describe("a key that its user has moved away for the moment", () => {
  const away = `${J}/home/anna/.s`;

  test("before the plan is removed when it is back", () => {
    m.must(["rm", SECOND]);
    m.rename(SSH, away);
    declare(user(TWO));
    m.must(["jailkit", "apply", "--prune"]);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
    m.remove(SSH);
    m.rename(away, SSH);
    expect(linesOf(m).summary.noLongerDeclared).toHaveLength(1);
    expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user anna: keys/)]);
    expect(m.read(`${SSH}/authorized_keys`)).toBe(`${TWO}\n`);
  });

  test("after the plan is not removed, which is no success", async () => {
    m.must(["rm", SECOND]);
    declare("[user anna]\njail = /srv/j\nshell = /bin/bash\ngroups = team\n");
    const stops = { calls: ["renameat", "renameat2"], paths: ["/etc", `${J}/etc`] };
    let isAway = false;
    const result = await runWithStops(m, ["jailkit", "apply", "--json", "--prune"], stops, () => {
      if (!isAway) m.rename(SSH, away);
      isAway = true;
    });
    expect(isAway).toBe(true);
    expect(linesIn(result).summary.problems.map(({ code }) => code)).toEqual(["keys-not-found"]);
    m.rename(away, SSH);
    expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user anna: keys/)]);
    expect(m.read(`${SSH}/authorized_keys`)).toBe("");
  });

  test("stays known of an account whose logins have ended", () => {
    m.must(["jk_addjailuser", "-p", "*", "-s", "/bin/bash", J, "dora"]);
    declare(`[user dora]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${TWO}\n`);
    m.must(["jailkit", "apply"]);
    const [there, gone] = [`${J}/home/dora/.ssh`, `${J}/home/dora/.s`];
    m.rename(there, gone);
    declare("");
    expect(linesOf(m, "--prune").status).toBe(0);
    m.rename(gone, there);
    expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user dora: keys/)]);
    expect(m.read(`${there}/authorized_keys`)).toBe("");
    m.must(["userdel", "-r", "dora"]);
    m.remove(`${J}/home/dora`);
  });
});

test.each([
  ["file", `${SSH}/authorized_keys`, "666"],
  ["directory", SSH, "777"],
])(
  "that sshd accepts no declared key, since others can write the %s, is told until they cannot",
  (_, path, mode) => {
    m.must(["chmod", mode, path]);
    for (const options of [["--check"], [], []])
      expect(linesOf(m, ...options)).toMatchObject({
        status: 1,
        changes: [],
        summary: {
          problems: [
            {
              code: "keys-not-written",
              message: expect.stringContaining(
                `'${path}' can be written by others, so that sshd accepts no key`,
              ),
            },
          ],
        },
      });
    const [, advice = "false"] =
      /accepts no key there; (.*)$/.exec(linesOf(m).summary.problems[0]?.message ?? "") ?? [];
    for (const command of advice.split(/(?:; )?read [^;]*; then: /).filter((one) => one !== ""))
      m.must(["sh", "-ec", command]);
    expect(linesOf(m).status).toBe(0);
    expect(m.read(`${SSH}/authorized_keys`)).toContain(ONE);
  },
);
