/** Files of a jail that are not asked for any more while a mount hides them: they are told, and go when they can be seen. */
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
const DATA = "/var/lib/data";
const FILE = "/opt/of-others/deep/x";
const REST = "/opt/rest";
const PLACE = `${J}/opt/of-others`;
const DECLARED = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
let fstab = "";

const sh = (text: string) => m.must(["sh", "-ec", text]);

beforeAll(async () => {
  m = await openApplyMachine();
  fstab = m.read("/etc/fstab");
});
beforeEach(() => {
  m.mkdir(DATA, { mode: 0o755 });
  sh(`mkdir -p /opt/of-others/deep; echo one >${FILE}; echo two >${REST}`);
});
afterEach(() => {
  for (let times = 0; times < 2; times++) m.run(["umount", PLACE]);
  m.write("/etc/fstab", fstab);
  m.remove(DECLARED);
  for (const path of ["/srv", DATA, "/opt/of-others", REST, "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

/** Ways in which the file is hidden, with what the errors say and advise. */
const WAYS = [
  {
    how: "below what is mounted above them",
    before: "true",
    hide: `mount --bind ${DATA} ${PLACE}`,
    says: `is hidden by what is mounted at '${PLACE}'; unmount that first: umount ${PLACE}`,
    remedy: `umount ${PLACE}`,
    code: "mounts",
  },
  {
    how: "on what is mounted there below another one",
    before: `mkdir -p ${PLACE}; mount -t tmpfs -o mode=755 none ${PLACE}`,
    hide: `mount --bind ${DATA} ${PLACE}`,
    says: `may be hidden by what is mounted at '${PLACE}'; unmount that first: umount ${PLACE}`,
    remedy: `umount ${PLACE}`,
    code: "mounts",
  },
  {
    how: "on a file system that is not mounted",
    before: `mkdir -p ${PLACE}; echo '${DATA} ${PLACE} none bind,noauto 0 0' >>/etc/fstab; mount ${PLACE}`,
    hide: `umount ${PLACE}`,
    says: `its file system, which /etc/fstab names, is not mounted; fix it with: mount ${PLACE}`,
    remedy: `mount ${PLACE}`,
    code: "not-mounted",
  },
] as const;

describe.each(WAYS)("files $how", ({ before, hide, says, remedy, code }) => {
  const isThere = () => m.exists(`${J}${FILE}`);

  test("are not taken for gone by jk_cp --remove, which removes the rest", () => {
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    sh(before);
    m.must(["jk_cp", "-j", J, FILE, REST]);
    sh(hide);
    for (const more of [["--dry-run"], [], []]) {
      const run = m.run(["jk_cp", ...more, "-j", J, "--remove", FILE, REST]);
      expect([run.status, run.stderr]).toEqual([1, expect.stringContaining(says)]);
    }
    expect(m.exists(`${J}${REST}`)).toBe(false);
    sh(remedy);
    expect(isThere()).toBe(true);
    m.must(["jk_cp", "-j", J, "--remove", FILE, REST]);
    expect(isThere()).toBe(false);
  });

  test("nor by jk_update, which does the rest", () => {
    m.write("/etc/jailkit/jk_init.d/own.ini", `[own]\npaths = ${FILE}, /usr/bin/true\n`);
    m.must(["jk_init", "-j", J, "uidbasics"]);
    sh(before);
    m.must(["jk_init", "-j", J, "own"]);
    sh(hide);
    m.write("/etc/jailkit/jk_init.d/own.ini", "[own]\npaths = /usr/bin/true\n");
    m.remove(`${J}/usr/bin/true`);
    for (const more of [["--dry-run"], [], []]) {
      const run = m.run(["jk_update", ...more, "-j", J]);
      expect([run.status, run.stderr]).toEqual([1, expect.stringContaining(says)]);
    }
    expect(m.exists(`${J}/usr/bin/true`)).toBe(true);
    sh(remedy);
    expect(isThere()).toBe(true);
    m.must(["jk_update", "-j", J]);
    expect(isThere()).toBe(false);
    m.remove("/etc/jailkit/jk_init.d/own.ini");
  });

  test("nor by jailkit apply --prune, whose next runs tell it, too", () => {
    m.write(DECLARED, JAIL);
    m.must(["jailkit", "apply"]);
    sh(before);
    m.write(DECLARED, `${JAIL}files = ${FILE}\n`);
    m.must(["jailkit", "apply"]);
    sh(hide);
    m.write(DECLARED, JAIL);
    const problem = { code, path: J, remedy, message: expect.stringContaining(says) };
    for (const more of [["--check"], [], ["--check"], []])
      expect([more, linesOf(m, "--prune", ...more).summary.problems]).toMatchObject([more, [problem]]);
    sh(remedy);
    expect(isThere()).toBe(true);
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
    expect(isThere()).toBe(false);
    expect(linesOf(m, "--prune", "--check")).toMatchObject({ status: 0, changes: [] });
  });
});

test("a file that somebody has removed is gone, whatever is mounted above it", () => {
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
  m.mkdir(PLACE, { mode: 0o755 });
  m.must(["jk_cp", "-j", J, FILE]);
  m.remove(`${PLACE}/deep`);
  sh(`mount --bind ${DATA} ${PLACE}`);
  m.must(["jk_cp", "-j", J, "--remove", FILE]);
});
