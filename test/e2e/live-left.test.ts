/** What a live jail leaves in fstab(5) when somebody deletes or empties it by hand: jk_check and jailkit status tell it, and what they print heals. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { adoptionReportSchema, listReportSchema } from "../../src/jails/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/live";
const RECORDS = "/var/lib/jailkit/jails";
const lineOf = (jail: string, path = "/usr") =>
  `${path} ${jail}${path} none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0`;
const LEFT = `jailkit unmount --left ${J}`;
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.write("/opt/tool/data", "x");
});
beforeEach(() => {
  for (const mount of mounts()) m.run(["umount", mount]);
  for (const name of ["live", "live2", "live two", "other"]) m.remove(`/srv/${name}`);
  m.remove(RECORDS);
  m.write("/etc/fstab", "# mine\n");
});
afterAll(async () => m.close());

const shell = (script: string) => m.must(["sh", "-ec", script]);
const mounts = () =>
  m
    .must(["findmnt", "-rno", "TARGET"])
    .stdout.split("\n")
    .filter((line) => line.startsWith("/srv/"))
    .reverse();
const fstab = () =>
  m
    .read("/etc/fstab")
    .split("\n")
    .filter((line) => line.includes("/srv/"));
const active = () => fstab().filter((line) => !line.startsWith("#"));
const add = (...lines: string[]) => m.write("/etc/fstab", `${m.read("/etc/fstab")}${lines.join("\n")}\n`);
const live = (jail = J) => m.must(["jk_init", "--live", "-j", jail, "uidbasics"]);
const copied = (jail = J) => m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
const deleted = (jail = J) => {
  m.must(["umount", `${jail}/usr`]);
  m.remove(jail);
};
/** Its mount point goes, too. */
const emptied = () => shell(`umount ${J}/usr; rm -rf ${J}/*`);
const unrecorded = () => m.remove(RECORDS);

/** What jk_check says, with the remedies; `left`: of the rule alone. */
const checked = (...words: string[]) => {
  const { host, jails } = reportOf(checkReportSchema, m.run(["jk_check", "--json", ...words]).stdout);
  return [...host.findings, ...jails.flatMap(({ findings }) => findings)];
};
const left = (...words: string[]) =>
  checked(...words).flatMap(({ rule, message, remedy }) =>
    rule === "left-mount" ? [{ message, remedy }] : [],
  );
const status = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ kind, subject, command }) => [kind, subject, command],
  );
const state = () =>
  reportOf(listReportSchema, m.run(["jailkit", "list", "--json", J]).stdout).jails[0]?.state;

/** Both tell it, and the remedy that both print heals it. */
function heals(why: string, remedy = LEFT): void {
  const message = `/etc/fstab: the next boot would show directories of the host on ${J}/usr, though ${J} ${why}`;
  expect(left()).toEqual([{ message, remedy }]);
  expect(left(J)).toEqual([{ message, remedy }]);
  expect(m.run(["jk_check"]).status).not.toBe(0);
  expect(status()).toContainEqual(["left", J, remedy]);
  expect(m.run(["jailkit", "status"])).toMatchObject({ status: 1, stdout: expect.stringContaining(remedy) });
  shell(remedy);
  expect([left(), status().filter(([kind]) => kind === "left")]).toEqual([[], []]);
}

describe("a live jail", () => {
  test("that is as it should be leaves nothing", () => {
    live();
    expect([left(), status(), m.run(["jk_check"]).status]).toEqual([[], [], 0]);
    expect(m.must(["jailkit", "unmount", "--left", "--all"]).stdout).toBe("");
    expect([fstab(), mounts()]).toEqual([[lineOf(J)], [`${J}/usr`]]);
    m.must(["jailkit", "unmount", J]);
    expect([left(), m.must(["jailkit", "unmount", "--left", J]).stdout, fstab()]).toEqual([
      [],
      "",
      [lineOf(J)],
    ]);
  });

  test("that was deleted: its record stays", () => {
    live();
    deleted();
    heals("does not exist");
    expect([fstab(), m.read("/etc/fstab"), state()]).toEqual([[], "# mine\n", "missing"]);
  });

  test("that was deleted, and its record too", () => {
    live();
    deleted();
    unrecorded();
    const dry = m.must(["jailkit", "unmount", "--left", "--dry-run", J]);
    expect(dry.stdout).toBe(`would be taken out of /etc/fstab: ${J}/usr\n`);
    expect(fstab()).toEqual([lineOf(J)]);
    heals("does not exist");
    expect([fstab(), status()]).toEqual([[], []]);
  });

  test("with a file in its place", () => {
    live();
    deleted();
    m.write(J, "");
    heals("is not a directory");
  });

  test("that was emptied, in which nobody lives; it can be filled again", () => {
    live();
    emptied();
    expect(status()).toEqual([["left", J, LEFT]]);
    heals("was emptied");
    expect([fstab(), state()]).toEqual([[], "emptied"]);
    m.must(["jailkit", "mount", J]);
    m.must(["jk_update", "-j", J]);
    expect([fstab(), mounts(), left(), state()]).toEqual([[lineOf(J)], [`${J}/usr`], [], "ready"]);
  });

  test("that was emptied and is forgotten leaves nothing", () => {
    live();
    emptied();
    m.must(["jailkit", "forget", J]);
    expect([fstab(), left(), status()]).toEqual([[], [], []]);
  });

  test("that was moved: the lines follow it", () => {
    live();
    shell(`umount ${J}/usr; mv ${J} /srv/other`);
    m.must(["jailkit", "unmount", "--left", "--all"]);
    expect(fstab()).toEqual([lineOf(J)]);
    heals("does not exist", `jailkit adopt --moved ${J} /srv/other`);
    expect(fstab()).toEqual([lineOf("/srv/other")]);
  });

  test("that was moved: its lines, with what the administrator added, are taken out by nobody", () => {
    live();
    const line = lineOf(J).replace("nofail", "nofail,x-systemd.requires=foo.service");
    m.write("/etc/fstab", `${line}\n`);
    shell(`umount ${J}/usr; mv ${J} /srv/other`);
    const { status, stderr } = m.run(["jailkit", "unmount", "--left", J]);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`jailkit adopt --moved ${J} /srv/other`)]);
    m.must(["jailkit", "unmount", "--left", "--all"]);
    expect(fstab()).toEqual([line]);
    m.must(["jailkit", "adopt", "--moved", J, "/srv/other"]);
    expect(m.must(["jailkit", "unmount", "--left", "--all"]).stdout).toBe("");
    expect(fstab()).toEqual([line.replace(J, "/srv/other")]);
  });

  test("whose file system is not mounted has not left them, and jk_init leaves them", () => {
    live();
    deleted();
    unrecorded();
    m.mkdir(J);
    add(`/dev/none ${J} ext4 nofail 0 0`);
    expect([left(), status().filter(([kind]) => kind === "left")]).toEqual([[], []]);
    expect(m.run(["jk_init", "-j", J, "uidbasics"])).toMatchObject({
      ...{ status: 1, stderr: expect.stringContaining(`fix it with: mount ${J}\n`) },
    });
    m.remove(J);
    expect([left(), m.must(["jailkit", "unmount", "--left", J]).stdout]).toEqual([[], ""]);
    expect(fstab()).toHaveLength(2);
  });

  test("of which the record is damaged: the lines are what a new record is made of", () => {
    live();
    m.must(["jailkit", "unmount", J]);
    shell(`echo '{' >$(grep -rl ${J} ${RECORDS})`);
    expect(left()).toEqual([]);
    m.must(["jailkit", "adopt", "--force", J]);
    expect([fstab(), left()]).toEqual([[lineOf(J)], []]);
  });

  test("of which the record was removed: a new one is made of what is mounted", () => {
    live();
    unrecorded();
    expect([left(J), status().filter(([kind]) => kind === "left")]).toEqual([[], []]);
    m.must(["jailkit", "unmount", "--left", J]);
    expect([fstab(), mounts()]).toEqual([[lineOf(J)], [`${J}/usr`]]);
    m.must(["umount", `${J}/usr`]);
    expect(left(J)).toEqual([]);
  });
});

describe("a jail of copies at the place of a live one", () => {
  beforeEach(() => {
    copied();
    add(lineOf(J));
  });

  test("before the next boot", () => {
    heals("does not have them in its record");
    expect([fstab(), m.run(["jk_check", J]).stdout]).toEqual([[], ""]);
  });

  test("after it: the mount that hides its files goes, too", () => {
    m.must(["mount", `${J}/usr`]);
    heals("does not have them in its record");
    expect([fstab(), mounts(), m.run(["jk_check", J]).stdout]).toEqual([[], [], ""]);
  });

  test("after it, while somebody uses it: the line stays, too", async () => {
    m.must(["mount", `${J}/usr`]);
    const holder = m.start(["sh", "-c", "echo there; exec sleep 600"], { cwd: `${J}/usr` });
    try {
      await holder.until(({ stdout }) => (stdout === "" ? undefined : stdout));
      expect(m.run(["jailkit", "unmount", "--left", J])).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("is in use; end the processes in the jail first"),
      });
      expect([fstab(), mounts()]).toEqual([[lineOf(J)], [`${J}/usr`]]);
    } finally {
      holder.kill();
      await holder.ended;
    }
  });

  test("one line of many, and each jail by itself", () => {
    live("/srv/other");
    const others = [lineOf("/srv/live2"), lineOf("/srv/live\\040two"), lineOf("/srv/live\\134")];
    add(...others, "/usr /usr none bind,x-jailkit 0 0");
    expect(left(J).map(({ remedy }) => remedy)).toEqual([LEFT]);
    m.must(["jailkit", "unmount", "--left", J]);
    expect(fstab()).toEqual([lineOf("/srv/other"), ...others]);
    expect(left().map(({ remedy }) => remedy)).toEqual([
      "jailkit unmount --left /srv/live2",
      "jailkit unmount --left '/srv/live two'",
      "jailkit unmount --left '/srv/live\\'",
    ]);
    expect(status().filter(([kind]) => kind === "left")).toHaveLength(3);
    m.must(["jailkit", "unmount", "--left", "--all"]);
    expect(fstab()).toEqual([lineOf("/srv/other")]);
    expect(m.read("/etc/fstab")).toContain("/usr /usr none bind,x-jailkit 0 0\n");
  });
});

test("a line with another source is known by its place", () => {
  add(lineOf(J).replace("/usr ", "/usr.old "), lineOf("/srv/other").replace("/usr ", "/srv/x "));
  expect(left().map(({ remedy }) => remedy)).toEqual([LEFT, "jailkit unmount --left /srv/other"]);
  m.must(["jailkit", "unmount", "--left", "--all"]);
  expect(fstab()).toEqual([]);
});

describe("what is in use keeps its line when a jail without a record is filled", () => {
  test.each(["/opt/tool", "/run/service"])("%s", (path) => {
    m.mkdir(path);
    m.mkdir(`${J}${path}`);
    add(lineOf(J, path));
    m.must(["mount", `${J}${path}`]);
    expect(m.must(["jk_init", "--dry-run", "-j", J, "uidbasics"]).stdout).not.toContain("Removing the line");
    m.must(["jk_init", "-j", J, "uidbasics"]);
    expect([fstab(), mounts()]).toEqual([[lineOf(J, path)], [`${J}${path}`]]);
  });

  test("and so does what shows something else there", () => {
    m.mkdir(`${J}/opt/tool`);
    add(lineOf(J, "/opt/tool"));
    m.must(["mount", "-t", "tmpfs", "none", `${J}/opt/tool`]);
    m.must(["jk_init", "-j", J, "uidbasics"]);
    expect([fstab(), mounts()]).toEqual([[lineOf(J, "/opt/tool")], [`${J}/opt/tool`]]);
  });
});

test("the lines of sockets of a jail that was deleted go when it is created anew without them", () => {
  add(lineOf(J, "/run/service"));
  const said = `Removing the line for ${J}/run/service from /etc/fstab\n`;
  expect(m.must(["jk_init", "--dry-run", "-j", J, "uidbasics"]).stdout).toContain(said);
  m.must(["jk_init", "-j", J, "uidbasics"]);
  expect([fstab(), left()]).toEqual([[], []]);
});

describe("a place that is written in another way", () => {
  test("with dots", () => {
    live();
    add(lineOf("/srv/x/../gone"), lineOf("/srv/x/../live"));
    expect(left().map(({ remedy }) => remedy)).toEqual(["jailkit unmount --left /srv/gone"]);
    m.must(["jailkit", "unmount", "--left", "/srv/gone"]);
    expect([left(), fstab()]).toEqual([[], [lineOf(J), lineOf("/srv/x/../live")]]);
    m.must(["umount", `${J}/usr`]);
    m.remove(J);
    shell(LEFT);
    expect([left(), fstab()]).toEqual([[], []]);
  });

  test("behind a symbolic link, where no jail can be", () => {
    live();
    shell("ln -s / /srv/other");
    add(lineOf("/srv/other/srv/live"));
    const why = "though /srv/other/srv/live is behind a symbolic link, and no jail";
    expect(left()).toEqual([
      { message: expect.stringContaining(why), remedy: "jailkit unmount --left /srv/other/srv/live" },
    ]);
    m.must(["jailkit", "unmount", "--left", "--all"]);
    expect([left(), fstab(), mounts()]).toEqual([[], [lineOf(J)], [`${J}/usr`]]);
  });

  test("a known jail behind a link that came later keeps its lines", () => {
    live("/srv/other");
    shell("umount /srv/other/usr; mv /srv/other /srv/live2; ln -s live2 /srv/other");
    expect([left(), fstab()]).toEqual([[], [lineOf("/srv/other")]]);
  });
});

test("jailkit forget leaves the line of what is mounted, whatever it is", () => {
  live();
  emptied();
  m.mkdir(`${J}/opt/tool`);
  add(lineOf(J, "/opt/tool"));
  m.must(["mount", `${J}/opt/tool`]);
  const { stderr } = m.must(["jailkit", "forget", J]);
  expect([fstab(), mounts()]).toEqual([[lineOf(J), lineOf(J, "/opt/tool")], [`${J}/opt/tool`]]);
  shell(/ to unmount them for good: (.*)$/m.exec(stderr)?.[1] ?? "false");
  expect([active(), mounts()]).toEqual([[lineOf(J)], []]);
});

test("the command that jailkit forget prints for a live jail unmounts all of it, and for the next boot", () => {
  live();
  for (const path of ["/opt", "/opt/tool"]) {
    add(lineOf(J, path));
    shell(`mkdir -p ${J}${path}; mount ${J}${path}`);
  }
  const { stderr } = m.must(["jailkit", "forget", J]);
  expect([fstab(), mounts()]).toEqual([
    [lineOf(J), lineOf(J, "/opt"), lineOf(J, "/opt/tool")],
    [`${J}/opt/tool`, `${J}/opt`, `${J}/usr`],
  ]);
  shell(/ to unmount them for good: (.*)$/m.exec(stderr)?.[1] ?? "false");
  expect([active(), mounts()]).toEqual([[], []]);
});

test("jailkit forget leaves the lines of a jail in it", () => {
  live();
  const inner = [`${J}/home/inner`, `${J}/opt`];
  add(...inner.map((jail) => lineOf(jail)));
  emptied();
  m.must(["jailkit", "forget", J]);
  expect(fstab()).toEqual(inner.map((jail) => lineOf(jail)));
});

describe("jailkit adopt does not take what a jail of before has left for its own", () => {
  const adopt = (...options: string[]) => m.run(["jailkit", "adopt", ...options, J]);
  const recorded = () => {
    const file = m.must(["grep", "-rl", `"${J}"`, RECORDS]).stdout.trim();
    return JSON.parse(m.read(file)) as { live?: string[]; sockets?: string[] };
  };

  test.each([
    ["files where it would be mounted", "true"],
    [
      "no place for it",
      `mkdir ${J}/own; mv ${J}/usr/* ${J}/own; rmdir ${J}/usr; find ${J} -maxdepth 1 -type l -delete; mv ${J}/own/* ${J}`,
    ],
  ])("%s", (_, change) => {
    add(lineOf(J), lineOf(J, "/opt/tool"));
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    add(...[lineOf(J), lineOf(J, "/opt/tool")].filter((line) => !fstab().includes(line)));
    shell(`${change}; mkdir -p ${J}/opt/tool`);
    unrecorded();
    const said = `jailkit adopt: warning: /etc/fstab has lines for ${J}/usr, which a jail of before has left; after this: ${LEFT}\n`;
    expect(adopt("--dry-run").stderr).toBe(said);
    const { status, stderr } = adopt();
    expect([status, stderr]).toEqual([0, said]);
    // An empty directory may be the place of one that is not mounted now.
    expect(recorded()).toMatchObject({ live: ["/opt/tool"] });
    expect(left(J)).toMatchObject([{ remedy: LEFT }]);
    shell(LEFT);
    expect(fstab()).toEqual([lineOf(J, "/opt/tool")]);
    expect(left(J)).toEqual([]);
  });

  test("one with --force, of a damaged record", () => {
    copied();
    add(lineOf(J));
    const file = m.must(["grep", "-rl", `"${J}"`, RECORDS]).stdout.trim();
    m.write(file, "{");
    const { stdout } = m.must(["jailkit", "adopt", "--force", "--json", J]);
    expect(reportOf(adoptionReportSchema, stdout).left).toEqual(["/usr"]);
    expect(recorded().live).toBeUndefined();
  });
});
