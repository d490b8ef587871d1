/** What apply and jk_addjailuser take for new accounts of the ids of the machine, and what they leave. */
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
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const K = "/srv/other";
const FILE = "/etc/jailkit/jails.d/one.ini";
const DEFS = "/etc/login.defs";
const JAILS = [J, K].map((jail) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`).join("");
const NAMES = ["ann", "bob", "cat", "dan", "eve"];
const user = (name: string, more = "", jail = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;

let m: Machine;
let defs: string;

const sh = (line: string) => m.must(["sh", "-ec", line]);
const limit = (...lines: readonly string[]) => m.write(DEFS, `${defs}\n${lines.join("\n")}\n`);

beforeAll(async () => {
  m = await openApplyMachine();
  defs = m.read(DEFS).replace(/^(SUB_)?[UG]ID_(MIN|MAX).*$/gm, "");
  m.write(FILE, JAILS);
  m.must(["jailkit", "apply"]);
  sh("cp /usr/sbin/useradd /root/useradd; touch /etc/subuid /etc/subgid; cp /etc/subuid /etc/subgid /root/");
});
beforeEach(() => m.write(FILE, JAILS));
afterEach(() => {
  for (const name of NAMES) m.run(["userdel", name]);
  sh(`rm -rf ${J}/home ${K}/home /var/lib/jailkit/declared.json`);
  sh(
    "sed -i '/:.*home/d' /srv/*/etc/passwd; cp /root/useradd /usr/sbin/; cp /root/subuid /root/subgid /etc/",
  );
  limit();
});
afterAll(() => m?.close());

describe("subordinate ids:", () => {
  const all = () => ["/etc/subuid", "/etc/subgid"].map((file) => m.exists(file) && m.read(file));
  const make = () => {
    const before = all();
    m.write(FILE, JAILS + user("ann"));
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { changed: 1 } });
    m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "bob"]);
    return [before, all()];
  };

  test("an account needs none, and takes none of the last ones", () => {
    limit("SUB_UID_MIN 100000", "SUB_UID_MAX 165535", "SUB_GID_MIN 100000", "SUB_GID_MAX 165535");
    m.must(["useradd", "-M", "cat"]);
    expect(m.run(["useradd", "-M", "dan"])).toMatchObject({ status: 16 });
    const [before, after] = make();
    expect(after).toEqual(before);
  });

  test("so it is if no account has any", () => {
    sh("rm /etc/subuid /etc/subgid");
    expect(make()).toEqual([
      [false, false],
      [false, false],
    ]);
  });

  test.each([3, 16])(
    "useradd of an older version, which gives some or fails with %d, creates the account",
    (status) => {
      const old = `#!/bin/sh\ncase "$*" in *SUB_*=0*) echo 'no range' >&2; exit ${status};; esac\nexec /root/useradd "$@"\n`;
      m.write("/usr/sbin/useradd", old, { mode: 0o755 });
      const [, after] = make();
      expect(after).toEqual([expect.stringMatching(/^ann:.*\nbob:/), expect.stringMatching(/^ann:.*\nbob:/)]);
    },
  );
});

describe("uids:", () => {
  /** The statuses of the users and their problems: --check says what the run then does, which a second one finds. */
  const outcome = () => {
    const said = (...options: string[]) => {
      const { changes, summary } = linesOf(m, ...options);
      return {
        made: changes.map(({ name, status }) => `${name} ${status.replace("planned", "done")}`),
        problems: summary.problems.map(({ path, code }) => `${path} ${code}`),
      };
    };
    const plan = said("--check");
    const run = said();
    expect(plan).toEqual(run);
    expect(said("--check")).toEqual({ made: [], problems: run.problems });
    return run;
  };

  test("a plan has no more accounts without one than uids are left, whatever jail they are in", () => {
    limit("UID_MIN 40000", "UID_MAX 40002");
    m.write(
      FILE,
      JAILS +
        user("ann") +
        user("bob", "", K) +
        user("cat", "uid = 40001\n") +
        user("dan") +
        user("eve", "", K),
    );
    expect(outcome()).toEqual({
      made: ["ann done", "cat done", "dan done"],
      problems: ["bob no-id", "eve no-id"],
    });
    expect(["ann", "cat", "dan"].map((name) => m.ids(name).uid)).toEqual([40000, 40001, 40002]);
  });

  test("who cannot be created for another reason takes none", () => {
    limit("UID_MIN 40000", "UID_MAX 40000");
    sh(`ln -sfn /home ${J}/link`);
    m.write(
      FILE,
      JAILS +
        user("ann", "groups = nosuch\n") +
        user("bob", "home = /link/bob\n") +
        user("cat") +
        user("dan"),
    );
    const { made, problems } = outcome();
    expect([made, problems.at(-1)]).toEqual([["cat done"], "dan no-id"]);
  });
});
