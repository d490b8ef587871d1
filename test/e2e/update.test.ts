import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sectionsReportSchema } from "../../src/profile/report-schema.ts";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openManifestFile } from "./manifest-file.ts";
import { buildPackages, install, LIBDIR } from "./update-packages.ts";

setDefaultTimeout(300_000);

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check"] });
  m.write(
    "/etc/jailkit/jk_init.d/tiny.ini",
    "[tiny]\npaths = tiny, tinyloop, /usr/share/tiny\nincludesections = uidbasics\n",
  );
  buildPackages(m);
  m.addUser("u", { uid: 4001 });
});
afterAll(async () => m.close());

/** A new jail, as it is made today. */
function fresh(...sections: string[]): string {
  const jail = `/srv/update${++jails}`;
  m.must(["jk_init", "-j", jail, ...(sections.length > 0 ? sections : ["tiny"])]);
  return jail;
}

const update = (...args: string[]) => m.run(["jk_update", ...args]);
const runs = (jail: string) => m.run(["chroot", jail, "/usr/bin/tiny"]).stdout;
/** Without the names of accounts, which no update removes. */
const contents = (jail: string) => m.snapshot(jail);

describe("after an upgrade of the host", () => {
  test("the jail equals one that is created today, and users' files stay", () => {
    install(m, 1);
    const jail = fresh();
    m.write(`${jail}/home/u/data`, "mine", { owner: [4001, 4001] });
    m.write(`${jail}/usr/local/bin/own`, "#!/bin/sh\n", { mode: 0o755 });
    expect(runs(jail)).toBe("version 1\n");
    install(m, 2);
    expect(runs(jail)).toBe("version 1\n");
    expect(update("--check", "-j", jail)).toMatchObject({ status: 10, stdout: "", stderr: "" });
    const all = update("--check", "--all");
    expect([all.status, all.stderr]).toEqual([10, ""]);
    expect(all.stdout.split("\n")).toContain(`${jail}: there is something to do`);
    const { status, stderr, stdout } = update("-j", jail);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`removing outdated file ${jail}/usr/bin/tiny\n`);
    expect(stdout).toContain(`/libextra.so.2 to ${jail}${LIBDIR}/libextra.so.2\n`);
    expect(stdout).toContain(`removing deprecated file ${jail}/usr/share/tiny/gone\n`);
    expect(stdout).toContain(`removing outdated directory ${jail}/usr/share/tiny/was-directory\n`);
    expect(stdout).toContain(`removing outdated link ${jail}/usr/share/tiny/was-link\n`);
    expect(stdout).toContain(`removing deprecated directory ${jail}/usr/share/tiny/old\n`);
    expect(runs(jail)).toBe("version 2\n");
    expect(m.read(`${jail}/home/u/data`)).toBe("mine");
    expect(m.read(`${jail}/usr/local/bin/own`)).toBe("#!/bin/sh\n");
    m.remove(`${jail}/home`);
    m.remove(`${jail}/usr/local`);
    expect(contents(jail)).toEqual(contents(fresh()));
    expect(update("--check", "-j", jail).status).toBe(0);
    expect(update("--check", "--all").stdout).not.toContain(`${jail}:`);
    expect(update("-j", jail)).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  test("and back again", () => {
    install(m, 2);
    const jail = fresh();
    install(m, 1);
    expect(update("-j", jail)).toMatchObject({ status: 0, stderr: "" });
    expect(runs(jail)).toBe("version 1\n");
    expect(contents(jail)).toEqual(contents(fresh()));
    const manifest = openManifestFile(m, jail);
    const paths = manifest.entries.map(({ path }) => path);
    expect(paths.some((path) => path.includes("libextra"))).toBe(false);
    expect(
      openManifestFile(m, `/srv/update${jails}`)
        .entries.map(({ path }) => path)
        .sort(),
    ).toEqual(paths.sort());
  });

  test("a program that is running keeps the library that it has", async () => {
    install(m, 1);
    const jail = fresh();
    const running = m.start(["chroot", jail, "/usr/bin/tinyloop"]);
    await running.until(({ stdout }) => (stdout === "ready\n" ? true : undefined));
    install(m, 2);
    expect(update("-j", jail).status).toBe(0);
    expect(m.exists(`${jail}${LIBDIR}/libtiny.so.1.1`)).toBe(false);
    running.write("\n");
    running.end();
    expect(await running.ended).toMatchObject({ status: 0, stdout: "ready\nfirst version\n" });
    expect(m.run(["chroot", jail, "/usr/bin/tinyloop"], { stdin: "\n" }).stdout).toBe(
      "ready\nsecond version\n",
    );
  });
});

describe("what stays", () => {
  /** A jail from before an upgrade; `change` is done to it before it is brought up to date. */
  function upgraded(change: (jail: string) => void): string {
    install(m, 1);
    const jail = fresh();
    change(jail);
    install(m, 2);
    return jail;
  }

  test("what belongs to a user, even in place of something of the recipe", () => {
    const jail = upgraded((each) => {
      m.chown(`${each}/usr/share/tiny/changed`, 4001, 4001);
      m.chown(`${each}/usr/share/tiny/gone`, 4001, 4001);
    });
    const { status, stdout } = update("-v", "-j", jail);
    expect(status).toBe(0);
    expect(stdout).toContain(`${jail}/usr/share/tiny/changed belongs to uid 4001: it stays as it is\n`);
    expect(m.read(`${jail}/usr/share/tiny/changed`)).toBe("old\n");
    expect(m.read(`${jail}/usr/share/tiny/gone`)).toBe("gone\n");
    expect(update("--check", "-j", jail).status).toBe(0);
    expect(update("--prune", "-j", jail).status).toBe(0);
    expect(m.read(`${jail}/usr/share/tiny/changed`)).toBe("new, and longer\n");
    expect(m.exists(`${jail}/usr/share/tiny/gone`)).toBe(false);
  });

  test("what a user changed of what was given to that user", () => {
    install(m, 1);
    const jail = fresh();
    m.write("/opt/given/kept", "host's\n", { owner: [4001, 4001] });
    m.write("/opt/given/edited", "host's\n", { owner: [4001, 4001] });
    m.chown("/opt/given", 4001, 4001);
    m.must(["jk_cp", "-o", "-j", jail, "/opt/given"]);
    m.must(["sh", "-c", `echo "work of a year" > ${jail}/opt/given/edited`], { user: "u" });
    const both = () => ["kept", "edited"].map((name) => m.read(`${jail}/opt/given/${name}`));
    m.run(["jk_check", "--fix", jail]);
    expect(both()).toEqual(["host's\n", "work of a year\n"]);
    for (const name of ["kept", "edited"]) m.write(`/opt/given/${name}`, "new\n", { owner: [4001, 4001] });
    const { status, stdout } = update("-v", "-j", jail);
    expect([status, stdout]).toEqual([
      0,
      expect.stringContaining(`${jail}/opt/given/edited belongs to uid 4001: it stays as it is\n`),
    ]);
    expect(both()).toEqual(["new\n", "work of a year\n"]);
    m.remove("/opt/given");
    expect(update("-j", jail).status).toBe(0);
    expect(m.list(`${jail}/opt/given`)).toEqual(["edited"]);
  });

  test("what was created in the jail, unless it is pruned", () => {
    const jail = upgraded((each) => {
      m.write(`${each}/usr/share/tiny/old/mine`, "mine");
      m.write(`${each}/opt/app/data`, "mine");
      m.symlink("/nowhere", `${each}/usr/share/tiny/own-link`);
      m.write(`${each}/home/u/file`, "mine", { owner: [4001, 4001] });
    });
    expect(update("-j", jail).status).toBe(0);
    expect(m.list(`${jail}/usr/share/tiny/old`)).toEqual(["mine"]);
    expect(m.read(`${jail}/opt/app/data`)).toBe("mine");
    expect(m.readlink(`${jail}/usr/share/tiny/own-link`)).toBe("/nowhere");
    expect(update("-d", "--prune", "-j", jail).stdout.split("\n").sort()).toEqual(
      [
        "",
        ...["opt/app/data", "usr/share/tiny/old/mine", "usr/share/tiny/own-link"].map(
          (path) => `will remove deprecated file ${jail}/${path}`,
        ),
        ...["opt/app", "usr/share/tiny/old"].map(
          (path) => `will remove deprecated directory ${jail}/${path}`,
        ),
      ].sort(),
    );
    expect(update("--prune", "-j", jail).status).toBe(0);
    expect(m.exists(`${jail}/opt/app`)).toBe(false);
    expect(m.read(`${jail}/home/u/file`)).toBe("mine");
  });

  test("a home among what is pruned, also if it is unknown which directories are homes", () => {
    const jail = upgraded((each) => {
      m.write(`${each}/opt/app/data`, "mine", { owner: [4001, 4001] });
      m.write(`${each}/etc/passwd`, "u:x:4001:4001::/opt/app:/bin/sh\n");
    });
    expect(update("--prune", "-j", jail)).toMatchObject({ status: 0, stderr: "" });
    expect(m.read(`${jail}/opt/app/data`)).toBe("mine");
    m.remove(`${jail}/etc/passwd`);
    m.mkdir(`${jail}/etc/passwd`);
    const { status, stderr } = update("--prune", "-j", jail);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${jail}/etc/passwd: `)]);
    expect(m.read(`${jail}/opt/app/data`)).toBe("mine");
    expect(update("-j", jail).status).toBe(0);
  });

  test("what was changed below /etc, and a mode that was changed", () => {
    m.write("/etc/tiny.conf", "first\n");
    m.write("/etc/tiny-too.conf", "first\n");
    install(m, 1);
    const jail = fresh();
    m.must(["jk_cp", "-j", jail, "/etc/tiny.conf", "/etc/tiny-too.conf"]);
    m.write(`${jail}/etc/tiny.conf`, "of the jail\n");
    m.chmod(`${jail}/usr/bin/tinyloop`, 0o700);
    m.write("/etc/tiny.conf", "second\n");
    m.write("/etc/tiny-too.conf", "second\n");
    expect(update("-j", jail).status).toBe(0);
    expect(m.read(`${jail}/etc/tiny.conf`)).toBe("of the jail\n");
    expect(m.read(`${jail}/etc/tiny-too.conf`)).toBe("second\n");
    expect(m.stat(`${jail}/usr/bin/tinyloop`)?.mode).toBe(0o100700);
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test("what is skipped, by whichever name it is called", () => {
    const jail = upgraded((each) => m.symlink("usr/bin", `${each}/bin`));
    const { status, stdout } = update("-s", "/bin/tiny", "--skip", `${jail}/usr/share/tiny/`, "-j", jail);
    expect(status).toBe(0);
    expect(stdout).toContain(`skip ${jail}/usr/bin/tiny\n`);
    expect(stdout).toContain(`skip ${jail}/usr/share/tiny\n`);
    expect(runs(jail)).toBe("version 1\n");
    expect(m.exists(`${jail}/usr/share/tiny/gone`)).toBe(true);
    expect(m.run(["chroot", jail, "/usr/bin/tinyloop"], { stdin: "\n" }).stdout).toContain("second version");
  });

  test("what somebody copied into a recorded jail: it follows the host, and is never superfluous", () => {
    install(m, 1);
    const jail = fresh("uidbasics");
    m.mkdir(`${jail}/usr/bin`);
    m.must(["cp", "-a", "/usr/bin/tiny", `${jail}/usr/bin/tiny`]);
    m.must(["cp", "-a", `${LIBDIR}/libtiny.so.1`, `${LIBDIR}/libtiny.so.1.1`, `${jail}${LIBDIR}/`]);
    expect(runs(jail)).toBe("version 1\n");
    install(m, 2);
    for (const status of [10, 0]) {
      expect(update("--check", "-j", jail).status).toBe(status);
      expect(update("-j", jail)).toMatchObject({ status: 0, stderr: "" });
      expect(runs(jail)).toBe("version 2\n");
    }
    expect(openManifestFile(m, jail).entries.some(({ path }) => path.includes("tiny"))).toBe(false);
  });

  test("what is not in the named directories, except for what they need", () => {
    const jail = upgraded(() => undefined);
    expect(update("-j", jail, "/usr/bin").status).toBe(0);
    expect(runs(jail)).toBe("version 2\n");
    expect(m.exists(`${jail}/usr/share/tiny/gone`)).toBe(true);
    expect(m.read(`${jail}/usr/share/tiny/changed`)).toBe("old\n");
  });
});

describe("what was requested once", () => {
  test("is requested again: owner, special bits, hard links", () => {
    m.write("/usr/local/bin/special", "#!/bin/sh\n", { mode: 0o755 });
    m.must(["chown", "u:u", "/usr/local/bin/special"]);
    m.must(["chmod", "6755", "/usr/local/bin/special"]);
    m.write("/usr/share/linked", "first\n");
    const jail = fresh("uidbasics");
    m.must(["jk_cp", "-o", "-s", "-j", jail, "/usr/local/bin/special"]);
    // A script of a user's does not bring its interpreter.
    m.must(["jk_cp", "-j", jail, "/bin/sh"]);
    m.must(["jk_cp", "-k", "-j", jail, "/usr/share/linked"]);
    const inode = (path: string) => m.stat(path)?.ino;
    expect(inode(`${jail}/usr/share/linked`)).toBe(inode("/usr/share/linked"));
    // New files under the old names, as packages bring them.
    m.write("/usr/local/bin/new", "#!/bin/sh\ntrue\n");
    m.must(["chown", "u:u", "/usr/local/bin/new"]);
    m.must(["chmod", "6755", "/usr/local/bin/new"]);
    m.rename("/usr/local/bin/new", "/usr/local/bin/special");
    m.write("/usr/share/new", "second\n");
    m.rename("/usr/share/new", "/usr/share/linked");
    expect(update("-j", jail)).toMatchObject({ status: 0, stderr: "" });
    const { mode, uid, gid } = m.stat(`${jail}/usr/local/bin/special`) ?? { mode: 0, uid: 0, gid: 0 };
    expect([mode, uid, gid]).toEqual([0o106755, 4001, 4001]);
    expect(m.read(`${jail}/usr/local/bin/special`)).toBe("#!/bin/sh\ntrue\n");
    expect(inode(`${jail}/usr/share/linked`)).toBe(inode("/usr/share/linked"));
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test("accounts, when the section has more of them", () => {
    const file = "/etc/jailkit/jk_init.d/people.ini";
    m.write(file, "[people]\npaths = /etc/hostname\nusers = root\n");
    const jail = fresh("people");
    m.write(file, "[people]\npaths = /etc/hostname\nusers = root, u\n");
    expect(update("--check", "-j", jail).status).toBe(10);
    expect(update("-j", jail).status).toBe(0);
    expect(m.read(`${jail}/etc/passwd`)).toContain("\nu:x:4001:");
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test("is not removed if the section is missing or the file cannot be read", () => {
    const file = "/etc/jailkit/jk_init.d/passing.ini";
    m.write("/usr/share/passing", "x");
    m.write(file, "[passing]\npaths = /usr/share/passing\n");
    const jail = fresh("passing");
    m.remove(file);
    const missing = "section 'passing', which is in the record of the jail, does not exist";
    const warned = { status: 0, stderr: expect.stringContaining(`jk_update: warning: ${missing}`) };
    expect(update("-j", jail)).toMatchObject(warned);
    const strict = { status: 1, stderr: expect.stringContaining(`jk_update: ${missing}`) };
    expect(update("--strict", "-j", jail)).toMatchObject(strict);
    const checked = update("--check", "-j", jail);
    expect(checked.status).toBe(1);
    expect(checked.stderr).toStartWith(`jk_update: ${jail}: section 'passing', `);
    m.write(file, "[passing\n");
    expect(update("-j", jail).status).toBe(1);
    expect(m.exists(`${jail}/usr/share/passing`)).toBe(true);
    m.write(file, "[passing]\npaths = /usr/share/nothing-yet\n");
    expect(update("-j", jail)).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("nothing is removed"),
    });
    expect(m.exists(`${jail}/usr/share/passing`)).toBe(true);
    m.write(file, "[passing]\npaths = /etc/hostname\n");
    expect(update("-j", jail).status).toBe(0);
    expect(m.exists(`${jail}/usr/share/passing`)).toBe(false);
    m.remove(file);
  });

  test("in a jail that was moved meanwhile", () => {
    m.write("/usr/share/moving", "first");
    const jail = fresh("uidbasics");
    m.must(["jk_cp", "-j", jail, "/usr/share/moving"]);
    m.rename(jail, `${jail}-moved`);
    m.write("/usr/share/moving", "the second");
    expect(update("-j", `${jail}-moved`)).toMatchObject({ status: 0, stderr: "" });
    expect(m.read(`${jail}-moved/usr/share/moving`)).toBe("the second");
    expect(openManifestFile(m, `${jail}-moved`).requests.length).toBe(2);
  });
});

describe("a jail without a record", () => {
  /** A jail as `cp -a` or jailkit 2 makes it. */
  function copied(): string {
    const jail = fresh();
    m.remove("/var/lib/jailkit");
    return jail;
  }

  test("follows the host: what changed, what it needs, and what was removed", () => {
    install(m, 1);
    const jail = copied();
    m.write(`${jail}/usr/share/tiny/mine`, "mine");
    install(m, 2);
    expect(update("--check", "-j", jail).status).toBe(10);
    const { status, stderr } = update("-j", jail);
    expect([status, stderr]).toEqual([0, ""]);
    expect(runs(jail)).toBe("version 2\n");
    expect(m.read(`${jail}/usr/share/tiny/changed`)).toBe("new, and longer\n");
    expect(m.exists(`${jail}/usr/share/tiny/gone`)).toBe(false);
    expect(m.exists(`${jail}${LIBDIR}/libtiny.so.1.1`)).toBe(false);
    expect(m.readlink(`${jail}${LIBDIR}/libtiny.so.1`)).toBe("libtiny.so.1.2");
    expect(m.read(`${jail}/usr/share/tiny/mine`)).toBe("mine");
    // What is new in a directory was not asked for by anybody.
    expect(m.exists(`${jail}/usr/share/tiny/added`)).toBe(false);
    expect(update("-j", jail)).toMatchObject({ status: 0, stdout: "" });
    expect(update("--check", "-j", jail).status).toBe(0);
  });

  test("keeps setuid where it had it", () => {
    m.write("/usr/local/bin/setuid", "#!/bin/sh\n", { mode: 0o755 });
    m.must(["chmod", "4755", "/usr/local/bin/setuid"]);
    const jail = fresh("uidbasics");
    m.must(["jk_cp", "-o", "-s", "-j", jail, "/usr/local/bin/setuid"]);
    m.remove("/var/lib/jailkit");
    m.write("/usr/local/bin/setuid", "#!/bin/sh\ntrue\n");
    m.must(["chmod", "4755", "/usr/local/bin/setuid"]);
    expect(update("-j", jail).status).toBe(0);
    expect(m.stat(`${jail}/usr/local/bin/setuid`)?.mode).toBe(0o104755);
    expect(m.read(`${jail}/usr/local/bin/setuid`)).toContain("true");
  });
});

/** What --json says of each jail. */
const states = (json: string) =>
  Object.fromEntries(
    reportOf(updateReportSchema, json).jails.map(({ jail, state }) => [jail, state] as const),
  );

describe("options", () => {
  test("with --all, an unsafe jail hides nothing of the others", () => {
    m.remove("/var/lib/jailkit");
    install(m, 1);
    const [unsafe, other] = [fresh(), fresh()];
    install(m, 2);
    m.chmod(unsafe, 0o777);
    expect(update("--all", "--check")).toMatchObject({
      status: 10,
      stdout: `${other}: there is something to do\n`,
    });
    const { status, stdout } = update("--all", "--check", "--json");
    expect(status).toBe(10);
    expect(states(stdout)).toEqual({ [unsafe]: "failed", [other]: "pending" });
    expect(update("--all")).toMatchObject({ status: 1, stderr: expect.stringContaining(unsafe) });
    expect(runs(other)).toBe("version 2\n");
    expect(update("--all", "--check").status).toBe(1);
    m.chmod(unsafe, 0o755);
    expect(update("--all").status).toBe(0);
    expect(update("--all", "--check").status).toBe(0);
  });

  test("with --all, each jail reports its problem, even if another jail has the same", () => {
    m.remove("/var/lib/jailkit");
    const file = "/etc/jailkit/jk_init.d/passing.ini";
    m.write(file, "[passing]\npaths = /etc/hostname\n");
    for (let count = 0; count < 2; count++) fresh("passing");
    m.remove(file);
    const { status, stderr } = update("--all");
    expect([status, stderr.match(/^jk_update: section 'passing', .* does not exist/gm)?.length]).toEqual([
      1, 2,
    ]);
  });

  test("a jail that was just created, from any section, is up to date", () => {
    m.remove("/var/lib/jailkit");
    const listed = reportOf(sectionsReportSchema, m.must(["jk_init", "--list", "--json"]).stdout);
    const sections = listed.sections.map(({ name }) => name);
    expect(sections.length).toBeGreaterThan(20);
    const late = sections.filter((section) => {
      const jail = `/srv/made-${section}`;
      // A section of which nothing is on the machine makes no jail.
      return (
        m.run(["jk_init", "-j", jail, section]).status === 0 && update("--check", "-j", jail).status !== 0
      );
    });
    expect(late).toEqual([]);
  });

  test("--all and --json", () => {
    m.remove("/var/lib/jailkit");
    install(m, 1);
    const [one, other, gone] = [fresh(), fresh(), fresh("uidbasics")];
    m.remove(gone);
    m.write("/etc/jailkit/jk_update.ini", `[${other}]\nskips = /usr/bin/tiny\n`);
    install(m, 2);
    const { status, stdout } = update("--all", "--json");
    expect(status).toBe(0);
    const report = reportOf(updateReportSchema, stdout);
    expect(report).toMatchObject({ version: 1, tool: "jk_update", dryRun: false, exitStatus: 0 });
    expect(states(stdout)).toEqual({ [one]: "updated", [other]: "updated", [gone]: "gone" });
    expect(report.warnings.join()).toContain(gone);
    expect(runs(one)).toBe("version 2\n");
    expect(runs(other)).toBe("version 1\n");
    expect(update("--all", "--check").status).toBe(0);
    expect(update("-j", other, "--check").status).toBe(10);
    expect(update("-c", other)).toMatchObject({ status: 0 });
    expect(runs(other)).toBe("version 1\n");
    m.write("/etc/jailkit/jk_update.ini", "");
  });

  test("wrong ones, and wrong callers", () => {
    const jail = fresh("uidbasics");
    const statuses: [string[], number][] = [
      [[], 1],
      [["--bogus"], 1],
      [["-j", jail, "-c", jail], 21],
      [["-c", "/no/such"], 1],
      [["--all", "-j", jail], 1],
      [["-j", "/no/such"], 0],
      [["--strict", "-j", "/no/such"], 1],
      [["-j", "/"], 1],
      [["-h"], 0],
    ];
    for (const [words, status] of statuses) expect([words, update(...words).status]).toEqual([words, status]);
    expect(m.run(["jk_update", "-j", jail], { user: "u" }).status).toBe(5);
    m.chmod(jail, 0o777);
    expect(update("-j", jail)).toMatchObject({ status: 1, stderr: expect.stringContaining("writable") });
  });
});
