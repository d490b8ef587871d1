import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const USER = 4001;
let m: Machine;
let jails = 0;
let racer: MachineProcess | undefined;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jailkit"] });
  m.addUser("u", { uid: USER });
});
afterEach(async () => {
  racer?.kill();
  await racer?.ended;
  racer = undefined;
});
afterAll(async () => m.close());

/** What nothing that is done to a jail may change: the host's, and root's in the jail. */
function victims(jail: string): Record<string, string> {
  return { ...m.snapshot("/srv/victim"), ...m.snapshot(`${jail}/srv/victim`) };
}

/** A jail with a copied directory that belongs to its user, so that the user can put anything into its place. */
function scene(): string {
  const jail = `/srv/j${++jails}`;
  for (const path of ["/srv/victim", `${jail}/srv/victim`]) {
    for (const name of ["f", "d/f", "gone"]) m.write(`${path}/${name}`, "the victim's");
  }
  m.remove("/opt/app");
  for (const name of ["f", "gone", "data/f", "data/gone", "data/d/f"]) {
    m.write(`/opt/app/${name}`, "first", { owner: [USER, USER] });
  }
  m.must(["chown", "-R", "u:u", "/opt/app"]);
  m.must(["jk_init", "-j", jail, "uidbasics"]);
  m.must(["jk_cp", "-o", "-j", jail, "/opt/app"]);
  return jail;
}

/** A new version on the host: one file changed, one added, one removed. */
function upgrade(content: string): void {
  for (const name of ["f", "new", "data/f", "data/new", "data/d/f", "data/d/new"]) {
    m.write(`/opt/app/${name}`, content, { owner: [USER, USER] });
  }
  for (const name of ["gone", "data/gone"]) m.remove(`/opt/app/${name}`);
  m.must(["chown", "-R", "u:u", "/opt/app"]);
}

const TARGETS = {
  "the host's, absolute": () => "/srv/victim",
  "the host's, relative": () => "../../../victim",
  "the host's, through the jail's root": (jail: string) => `../../../..${jail}/../victim`,
} as const;

describe.each(Object.entries(TARGETS))("a user's link to %s", (_, target) => {
  test.each<[string[]]>([[[]], [["--prune"]], [["--prune", "-k"]], [["/opt"]]])("jk_update %j", (options) => {
    const jail = scene();
    m.remove(`${jail}/opt/app/data`);
    m.symlink(target(jail), `${jail}/opt/app/data`);
    m.must(["chown", "-h", "u:u", `${jail}/opt/app/data`]);
    m.remove(`${jail}/opt/app/gone`);
    m.symlink(`${target(jail)}/gone`, `${jail}/opt/app/gone`);
    m.must(["chown", "-h", "u:u", `${jail}/opt/app/gone`]);
    const before = victims(jail);
    upgrade("second");
    m.write("/usr/share/other", "x");
    m.must(["jk_cp", "-j", jail, "/usr/share/other"]);
    m.remove("/usr/share/other");
    // The user does not hold up the rest either.
    const { status, stderr } = m.run(["jk_update", ...options, "-j", jail]);
    expect([status, stderr.split("\n").filter((line) => !/^(?:$|jk_update: warning: )/.test(line))]).toEqual([
      0,
      [],
    ]);
    expect(m.exists(`${jail}/usr/share/other`)).toBe(options.includes("/opt"));
    expect(victims(jail)).toEqual(before);
    expect(m.run(["jk_cp", "--remove", "-j", jail, "/opt/app"]).status).toBeLessThan(2);
    expect(victims(jail)).toEqual(before);
  });

  test("jailkit delete", () => {
    const jail = scene();
    m.symlink(target(jail), `${jail}/opt/app/link`);
    const before = m.snapshot("/srv/victim");
    expect(m.run(["jailkit", "delete", "--yes", jail]).status).toBe(0);
    expect(m.snapshot("/srv/victim")).toEqual(before);
  });
});

test("a directory and a link that are exchanged all the time, updates meanwhile", async () => {
  const jail = scene();
  m.symlink("/srv/victim", `${jail}/opt/app/link`);
  m.must(["chown", "-h", "u:u", `${jail}/opt/app/link`]);
  const before = victims(jail);
  const program = `${checkout}/test/attack/escape-racer.ts`;
  const names = [`${jail}/opt/app/data`, `${jail}/opt/app/link`];
  racer = m.start([process.execPath, program, String(USER), "100000000", ...names]);
  await racer.until(({ stdout }) => (stdout.includes("started") ? true : undefined));
  let changed = 0;
  for (let round = 0; round < 25; round++) {
    upgrade(`version ${round}`);
    const options = round % 2 === 0 ? [] : ["--prune"];
    const { stdout } = m.run(["jk_update", ...options, "-j", jail]);
    if (stdout.includes("/opt/app/data")) changed++;
  }
  expect(victims(jail)).toEqual(before);
  expect(changed).toBeGreaterThan(0);
});

test("what a user puts into a directory after the check, before it is replaced with a file, stays", async () => {
  const jail = scene();
  m.remove("/opt/app/data");
  m.write("/opt/app/data", "a file by now", { owner: [USER, USER] });
  m.must(["chown", "root:", "/opt/app", `${jail}/opt/app`]);
  // Its first rename puts its journal in place: it has checked everything then, and changed nothing.
  const stop = ["-e", "trace=renameat2", "-e", "inject=renameat2:signal=STOP:when=1"];
  const update = m.start(["strace", "-f", "-o", "/root/stopped", ...stop, "jk_update", "-j", jail]);
  racer = update;
  const stopped = () => (m.exists("/root/stopped") ? m.read("/root/stopped") : "");
  let pid: string | undefined;
  while (pid === undefined) {
    pid = /^(\d+) +--- stopped by SIGSTOP/m.exec(stopped())?.[1];
    if (pid === undefined) await new Promise((done) => setImmediate(done));
  }
  expect(m.read("/root/stopped").match(/renameat2\(/g)).toHaveLength(1);
  m.must(["sh", "-c", `echo theirs > ${jail}/opt/app/data/mine`], { user: "u" });
  m.must(["kill", "-CONT", pid]);
  const { status, stderr } = await update.ended;
  expect([status, stderr]).toEqual([
    1,
    expect.stringContaining(`${jail}/opt/app/data: a file was put into it meanwhile: it stays`),
  ]);
  expect(m.read(`${jail}/opt/app/data/mine`)).toBe("theirs\n");
  m.must(["jk_update", "-j", jail]);
  expect(m.read(`${jail}/opt/app/data/mine`)).toBe("theirs\n");
  expect(m.list(`${jail}/opt/app`).filter((name) => name.startsWith(".jk-"))).toEqual([]);
  m.remove(`${jail}/opt/app/data`);
  m.must(["jk_update", "-j", jail]);
  expect(m.read(`${jail}/opt/app/data`)).toBe("a file by now");
});

test("misleading names are shown unambiguously", () => {
  const jail = scene();
  const name = "x\n\x1b[31mremoving deprecated file /etc/passwd";
  m.write(`/usr/share/odd/${name}`, "x");
  m.must(["jk_cp", "-j", jail, "/usr/share/odd"]);
  m.remove(`/usr/share/odd/${name}`);
  const { stdout } = m.run(["jk_update", "-j", jail]);
  expect(stdout).toContain("\\n\\x1b[31mremoving");
  expect(stdout.split("\n").some((line) => line.startsWith("removing deprecated file /etc/passwd"))).toBe(
    false,
  );
  const json = reportOf(updateReportSchema, m.run(["jk_update", "--json", "-j", jail]).stdout);
  expect(json.exitStatus).toBe(0);
});
