/** jk_jailuser and jk_addjailuser against real accounts: what they do, what they refuse, and the way back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { jailUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import { reportOf } from "../report.ts";
import { typeRemedy } from "./remedies-scene.ts";

const jail = "/srv/jail";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_jailuser", "jk_addjailuser", "jk_init", "jailkit"] });
  m.mkdir(`${jail}/etc`);
  m.write(`${jail}/etc/passwd`, "root:x:0:0:root:/root:/bin/bash\n");
  m.write(`${jail}/etc/group`, "root:x:0:\nlast:x:77:spcc");
  m.mkdir("/elsewhere");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/elsewhere"]);
});

afterAll(() => m?.close());

const run = (...words: string[]) => m.run(["jk_jailuser", ...words]);
const account = (name: string, file = "/etc/passwd") =>
  m
    .read(file)
    .split("\n")
    .find((line) => line.startsWith(`${name}:`));
const inJail = (name: string) => account(name, `${jail}/etc/passwd`);
let next = 0;
/** An account of its own for each test, with a home that holds a file. From /elsewhere, a home moves only by a copy. */
function newUser(above = "/home"): string {
  const name = `u${next++}`;
  const home = `${above}/${name}`;
  m.addUser(name, { home, createHome: true, shell: "/bin/bash" });
  m.write(`${home}/file`, name);
  m.must(["chown", `${name}:`, `${home}/file`]);
  return name;
}

test("jails an account and leaves its home where it is", () => {
  const name = newUser();
  expect(run("-n", "-j", jail, name)).toMatchObject({ status: 0, stdout: "" });
  expect(account(name)).toEndWith(`:${jail}/./home/${name}:/usr/sbin/jk_chrootsh`);
  expect(inJail(name)).toEndWith(`::/home/${name}:/usr/sbin/jk_lsh`);
  expect(m.exists(`/home/${name}/file`)).toBe(true);
});

test.each([
  ["/home", "recorded"],
  // A copy.
  ["/elsewhere", "recorded"],
  ["/home", "of jailkit 2.23, without a record"],
])(
  "an account in the jail whose home is still in %s, %s: -m moves it, and without it the command is told",
  async (above, record) => {
    const name = newUser(above);
    const warning = `jk_jailuser: warning: ${name} cannot log in, its home is still '${above}/${name}'; move it into the jail with: `;
    const move = `jk_jailuser -n -m -j ${jail} ${name}`;
    expect(run("--dry-run", "-n", "-j", jail, name).stderr).toContain(warning + move);
    expect(run("-n", "-j", jail, name).stderr).toContain(warning + move);
    if (record !== "recorded") m.remove("/var/lib/jailkit");
    const before = account(name);
    expect(run("-m", "--dry-run", "-j", jail, name)).toMatchObject({
      status: 0,
      stderr: expect.not.stringContaining("its home"),
      stdout: expect.stringContaining(`would move '${above}/${name}' to '${jail}/.${above}/${name}'`),
    });
    const busy = await sleeperOf(m, name);
    expect(run("-n", "-m", "-j", jail, name)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("has running processes"),
    });
    busy.kill();
    await busy.ended;
    expect(m.run(["sh", "-c", move])).toMatchObject({
      status: 0,
      stderr: expect.not.stringContaining("its home"),
    });
    expect([m.read(`${jail}${above}/${name}/file`), m.exists(`${above}/${name}`)]).toEqual([name, false]);
    expect(account(name)).toBe(before);
    // Another's directory at the old path is not touched.
    m.must(["mv", `${jail}${above}/${name}`, "/srv/kept"]);
    m.mkdir(`${above}/${name}`);
    const other = run("-n", "-m", "-j", jail, name);
    expect([other.status, other.stderr]).toEqual([0, expect.stringContaining("is not a directory")]);
    expect(m.exists(`${above}/${name}`)).toBe(true);
    m.must(["rm", "-rf", "/srv/kept"]);
  },
);

test("a missing newline at the end of the jail's group file loses nothing", () => {
  expect(m.read(`${jail}/etc/group`)).toContain("last:x:77:spcc\n");
});

test("moves the home, and the second time does nothing", () => {
  const name = newUser();
  expect(run("-m", "-v", "-j", jail, name).status).toBe(0);
  expect(m.read(`${jail}/home/${name}/file`)).toBe(name);
  expect(m.exists(`/home/${name}`)).toBe(false);
  const before = m.snapshot(jail);
  const again = run("-m", "-v", "-j", jail, name);
  expect(again.status).toBe(0);
  expect(again.stdout).toContain("already");
  expect(m.snapshot(jail)).toEqual(before);
});

test("an account in the jail keeps its shell: -s warns, --json exits with 1, and the command in the warning changes it", () => {
  const name = newUser();
  const place = "/srv/shells";
  m.must(["mkdir", "-p", `${place}/etc`, `${place}/bin`]);
  m.must(["cp", `${jail}/etc/passwd`, `${jail}/etc/group`, `${place}/etc`]);
  m.must(["cp", "/bin/sh", `${place}/bin/sh`]);
  const shellOf = () => account(name, `${place}/etc/passwd`)?.split(":")[6];
  expect(run("-n", "-j", place, name).status).toBe(0);
  const change = `jk_jailuser --jail-side-only -s /bin/sh -j ${place} ${name}`;
  const message = `'${name}' keeps the shell '/usr/sbin/jk_lsh' in the jail; change it with: ${change}`;
  const warning = `jk_jailuser: warning: ${message}\n`;
  expect(run("-n", "-s", "/bin/sh", "-j", place, name)).toMatchObject({
    status: 0,
    stderr: expect.stringContaining(warning),
  });
  const { status, stdout } = run("--json", "-s", "/bin/sh", "-j", place, name);
  expect({ status, users: JSON.parse(stdout).users }).toMatchObject({
    status: 1,
    users: [{ status: "unchanged", warnings: expect.arrayContaining([message]) }],
  });
  expect(shellOf()).toBe("/usr/sbin/jk_lsh");
  m.must(change.split(" "));
  expect(shellOf()).toBe("/bin/sh");
  for (const shell of [["-s", "/bin/sh"], []])
    expect(run("--json", ...shell, "-j", place, name)).toMatchObject({ status: 0 });
});

test("there and back: --unjail restores the home and the shell", () => {
  const name = newUser();
  const before = account(name);
  expect(run("-m", "-j", jail, name).status).toBe(0);
  const [old, now] = [`'${jail}/home/${name}'`, `'/home/${name}'`];
  expect(run("-v", "-m", "--unjail", name)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(` ${old} to ${now}`),
    stderr: "",
  });
  expect(account(name)).toBe(before);
  expect(inJail(name)).toBeUndefined();
  expect(m.read(`/home/${name}/file`)).toBe(name);
  expect(m.exists(`${jail}/home/${name}`)).toBe(false);
});

test("an account without a home gets out of its jail too", () => {
  const name = newUser();
  expect(run("-m", "-j", jail, name).status).toBe(0);
  m.remove(`${jail}/home/${name}`);
  const { status, stderr } = run("-m", "--unjail", name);
  expect(status).toBe(0);
  expect(stderr).toContain(`'${jail}/./home/${name}' does not exist: no home is moved`);
  expect(account(name)).toEndWith(`:/home/${name}:/bin/bash`);
  expect(inJail(name)).toBeUndefined();
});

test("--unjail without -m leaves the home where it is", () => {
  const name = newUser();
  run("-m", "-j", jail, name);
  expect(run("--unjail", "-j", jail, name).status).toBe(0);
  expect(account(name)).toEndWith(`:${jail}/home/${name}:/bin/bash`);
  expect(run("--unjail", name)).toMatchObject({ status: 1 });
});

describe("an account without a recorded shell outside gets none unasked", () => {
  const SHELL = "/usr/sbin/jk_chrootsh";
  const gone = "/srv/gone-jail";
  const DEFAULTS = "/etc/default/useradd";
  /** In the jail, but not by jk_jailuser: as 2.23 did it, or a hand. */
  const byHand = (place = jail, shell = SHELL): string => {
    const name = newUser();
    if (place !== gone) {
      m.must(["jk_jailuser", "--jail-side-only", "-j", place, name]);
      m.mkdir(`${place}/home`);
      m.must(["mv", "-T", `/home/${name}`, `${place}/home/${name}`]);
    }
    m.must(["usermod", "-d", `${place}/./home/${name}`, "-s", shell, name]);
    return name;
  };
  const shellOf = (name: string) => account(name)?.split(":").at(-1);
  const refusal = (name: string, move = "", open = "/bin/sh") =>
    `jk_jailuser: '${name}' has no recorded shell outside the jail, and gets none unasked; ` +
    `to let it log in on this machine: jk_jailuser --unjail ${move}-s ${open} ${name}; ` +
    `to let it log in nowhere: jk_jailuser --unjail ${move}-s /usr/sbin/nologin ${name}\n`;

  beforeAll(() => {
    m.write(DEFAULTS, "# SHELL=/bin/zsh\nSHELL=/bin/sh\n");
  });

  const ways: readonly (readonly [string, () => string])[] = [
    ["jailed by hand", () => byHand()],
    ["in a jail that is gone", () => byHand(gone)],
    [
      "by jk_addjailuser",
      () => {
        const name = `u${next++}`;
        m.must(["jk_addjailuser", "-j", jail, name]);
        return name;
      },
    ],
  ];
  test.each(ways)("%s", (_, make) => {
    for (const [at, shell] of ["/bin/sh", "/usr/sbin/nologin"].entries())
      for (const move of ["-m ", ""]) {
        const name = make();
        const before = account(name);
        const words = [...(move === "" ? [] : ["-m"]), "--unjail"];
        for (const dry of [["--dry-run"], []])
          expect(run(...words, ...dry, name)).toMatchObject({
            status: 1,
            stdout: "",
            stderr: refusal(name, move),
          });
        expect(account(name)).toBe(before);
        const command = [...refusal(name, move).matchAll(/: (jk_jailuser [^;\n]*)/g)][at]?.[1] ?? "false";
        m.must(["sh", "-c", command]);
        expect([command, shellOf(name), inJail(name)]).toEqual([command, shell, undefined]);
      }
  });

  test("the shell of new accounts is named, or taken if it lets nobody in", () => {
    const name = byHand();
    m.write(DEFAULTS, "SHELL=/bin/bash\n");
    expect(run("--unjail", name).stderr).toBe(refusal(name, "", "/bin/bash"));
    m.write(DEFAULTS, "SHELL=/bin/false\n");
    expect(run("-v", "--unjail", name)).toMatchObject({ status: 0, stderr: "" });
    expect(shellOf(name)).toBe("/bin/false");
    m.write(DEFAULTS, "SHELL=/bin/sh\n");
  });

  test("an account that logs in nowhere keeps its shell", () => {
    const name = byHand(jail, "/usr/sbin/nologin");
    expect(run("-m", "--unjail", name)).toMatchObject({ status: 0, stderr: "" });
    expect([shellOf(name), m.read(`/home/${name}/file`)]).toEqual(["/usr/sbin/nologin", name]);
  });

  test("of several, none is changed", () => {
    const [known, unknown] = [newUser(), byHand()];
    m.must(["jk_jailuser", "-n", "-m", "-j", jail, known]);
    expect(run("-m", "--unjail", known, unknown)).toMatchObject({
      status: 1,
      stderr: refusal(unknown, "-m "),
    });
    expect([shellOf(known), shellOf(unknown)]).toEqual([SHELL, SHELL]);
  });

  test("what tells to take accounts out gives the record's shell, or one that lets nobody in", () => {
    const place = "/srv/told";
    m.must(["jk_init", "-j", place, "uidbasics"]);
    const [known, unknown] = [newUser(), byHand(place)];
    m.must(["jk_jailuser", "-n", "-m", "-j", place, known]);
    const out = `jk_jailuser --unjail -m ${known} && jk_jailuser --unjail -m -s /usr/sbin/nologin ${unknown}`;
    expect(m.run(["jailkit", "delete", "--yes", place]).stderr).toEndWith(`take them out first: ${out}\n`);
    expect(m.run(["jailkit", "forget", place]).stderr).toContain(
      `take them out first: ${out.replaceAll(" -m", "")}; or use`,
    );
    for (const [name, option] of [
      [known, ""],
      [unknown, "-s /usr/sbin/nologin "],
    ] as const)
      expect(run("-m", "-j", jail, name).stderr).toContain(
        `take it out first with: jk_jailuser --unjail -m ${option}${name}\n`,
      );
    // Deeper than it is looked for.
    m.mkdir("/root/a/b/c");
    m.must(["mv", place, "/root/a/b/c/told"]);
    const missing = out.replaceAll(" -m", "");
    expect(m.run(["jailkit", "list", place]).stderr).toContain(missing);
    m.must(["mv", "/root/a/b/c/told", place]);
    m.must(["sh", "-c", out]);
    expect([shellOf(known), shellOf(unknown)]).toEqual(["/bin/bash", "/usr/sbin/nologin"]);
    m.must(["jailkit", "delete", "--yes", place]);
  });

  test("jailkit delete --unjail lets it log in nowhere, and says so", () => {
    const place = "/srv/deleted";
    m.must(["jk_init", "-j", place, "uidbasics"]);
    const name = newUser();
    m.must(["jk_jailuser", "-n", "-m", "-j", place, name]);
    m.remove("/var/lib/jailkit");
    const usermod = `usermod -s /bin/sh ${name}`;
    const warning = `jailkit delete: warning: '${name}' has no recorded shell outside the jail, so it gets /usr/sbin/nologin; to let it log in: ${usermod}\n`;
    expect(m.run(["jailkit", "delete", "--dry-run", "--unjail", place])).toMatchObject({
      status: 0,
      stderr: warning,
    });
    expect(m.run(["jailkit", "delete", "--yes", "--unjail", place])).toMatchObject({
      status: 0,
      stderr: warning,
    });
    expect([shellOf(name), m.read(`/home/${name}/file`)]).toEqual(["/usr/sbin/nologin", name]);
    m.must(["sh", "-c", usermod]);
    expect(shellOf(name)).toBe("/bin/sh");
  });
});

test("supplementary groups go along", () => {
  const name = newUser();
  m.must(["groupadd", "-g", "4321", "project"]);
  m.must(["usermod", "-G", "project", name]);
  expect(run("-n", "-j", jail, name).status).toBe(0);
  expect(account("project", `${jail}/etc/group`)).toBe(`project:x:4321:${name}`);
  const second = newUser();
  m.must(["usermod", "-G", "project", second]);
  run("-n", "-j", jail, second);
  expect(account("project", `${jail}/etc/group`)).toBe(`project:x:4321:${name},${second}`);
});

test("a group with another gid in the jail refuses everything, before anything changes", () => {
  const name = newUser();
  m.must(["groupadd", "-g", "4400", "clash"]);
  m.must(["usermod", "-G", "clash", name]);
  m.write(`${jail}/etc/group`, `${m.read(`${jail}/etc/group`)}clash:x:4401:\n`);
  const before = [m.read("/etc/passwd"), m.snapshot(jail)];
  const result = run("-m", "-n", "-j", jail, name);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("gid 4401");
  expect([m.read("/etc/passwd"), m.snapshot(jail)]).toEqual(before);
  expect(m.exists(`/home/${name}/file`)).toBe(true);
});

test("an account with processes is refused, with their pids", async () => {
  const name = newUser();
  const process = m.start(["sh", "-c", "echo $$; exec sleep 100"], { user: name });
  const pid = (await process.until(({ stdout }) => /^(\d+)\n/.exec(stdout)?.[1])) ?? "";
  const before = m.read("/etc/passwd");
  const result = run("-m", "-n", "-j", jail, name);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain(`(${pid})`);
  expect(m.read("/etc/passwd")).toBe(before);
  expect(inJail(name)).toBeUndefined();
  process.kill();
});

test("one that cannot be jailed leaves no other half done", () => {
  const good = newUser();
  const before = m.read("/etc/passwd");
  const result = run("-n", "--json", "-j", jail, good, "root");
  expect(result.status).toBe(1);
  expect(m.read("/etc/passwd")).toBe(before);
  const users = reportOf(jailUserReportSchema, result.stdout).users;
  expect(users).toMatchObject([
    { user: good, status: "not-done" },
    { user: "root", status: "refused", error: expect.stringContaining("uid 0") },
  ]);
});

test("if usermod fails, the account and the home are unchanged", () => {
  const name = newUser();
  const before = [account(name), m.snapshot(`/home/${name}`), m.read(`${jail}/etc/passwd`)];
  // usermod waits for a lock of its own; a file that cannot be replaced fails at once
  m.must(["mount", "--bind", "/etc/passwd", "/etc/passwd"]);
  const result = run("-m", "-n", "-j", jail, name);
  m.must(["umount", "/etc/passwd"]);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("usermod failed");
  expect([account(name), m.snapshot(`/home/${name}`), m.read(`${jail}/etc/passwd`)]).toEqual(before);
  expect(m.exists(`${jail}/home/${name}`)).toBe(false);
  expect(run("-m", "-n", "-j", jail, name).status).toBe(0);
});

test("nobody reaches the copy of a home before the account has been changed, and it goes if usermod fails", () => {
  const name = newUser("/elsewhere");
  const before = [account(name), m.snapshot(`/elsewhere/${name}`), m.read(`${jail}/etc/passwd`)];
  const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
  m.must(["mv", usermod, real]);
  const look = `cd ${jail}/elsewhere; ls -A; stat -c '%U %a' .jk-home-*; stat -c '%U %a' .jk-home-*/home; exit 1`;
  m.write(usermod, `#!/bin/sh\n{ ${look}; } >/root/seen\n`, { mode: 0o755 });
  const { status, stderr } = run("-m", "-n", "-j", jail, name);
  m.must(["mv", "-f", real, usermod]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("usermod failed")]);
  const seen = m.read("/root/seen").replace(/^\.jk-home-\S+/, "copy");
  expect(seen).toBe(
    `copy\n${name}\nroot 700\n${name} ${m.stat(`/elsewhere/${name}`)?.mode.toString(8).slice(-3)}\n`,
  );
  expect([account(name), m.snapshot(`/elsewhere/${name}`), m.read(`${jail}/etc/passwd`)]).toEqual(before);
  expect(m.list(`${jail}/elsewhere`)).toEqual([]);
});

test("--dry-run changes nothing and shows what would be done", () => {
  const name = newUser();
  const before = [m.read("/etc/passwd"), m.snapshot(jail)];
  const result = run("-m", "--dry-run", "-j", jail, name);
  expect(result.status).toBe(0);
  expect(result.stdout).toContain(`would move '/home/${name}'`);
  expect([m.read("/etc/passwd"), m.snapshot(jail)]).toEqual(before);
});

test("--dry-run refuses what a move refuses", () => {
  const [theirs, present, nowhere] = [newUser(), newUser(), newUser()];
  m.chown(`/home/${theirs}`, 0, 0);
  m.write(`${jail}/bin/sh`, "", { mode: 0o755 });
  m.mkdir(`${jail}/home/${present}`);
  m.remove(`/home/${nowhere}`);
  const jailed = (name: string, ...more: string[]) =>
    run("-n", "-m", ...more, "-s", "/bin/sh", "-G", "games", "-j", jail, name);
  for (const [name, why] of [
    [theirs, `'/home/${theirs}' does not belong to the user`],
    [present, `'${jail}/home/${present}' exists already: keep it under another name: mv -nT `],
    [nowhere, `'/home/${nowhere}', the home of '${nowhere}', does not exist`],
  ] as const)
    for (const look of [[], ["--dry-run"]])
      expect(jailed(name, ...look)).toMatchObject({
        status: 1,
        stdout: "",
        stderr: expect.stringContaining(why),
      });
  // The command printed for the last one keeps the requested options.
  m.must(["sh", "-c", /create one: (.*)/.exec(jailed(nowhere).stderr)?.[1] ?? "false"]);
  expect(inJail(nowhere)).toEndWith(":/bin/sh");
  expect(m.must(["id", "-nG", nowhere]).stdout.trim()).toBe(`${nowhere} games`);
});

test("a jail is nobody's home in it: an account that has it as its home gets the usual one", () => {
  const name = newUser();
  m.must(["usermod", "-d", jail, name]);
  expect(run("-n", "-j", jail, name).status).toBe(0);
  expect(m.read("/etc/passwd")).toContain(`:${jail}/./home/${name}:/usr/sbin/jk_chrootsh\n`);
  expect(inJail(name)).toContain(`:/home/${name}:`);
});

test("the way out of another jail includes the home, if it should move", () => {
  const name = newUser();
  m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
  m.mkdir("/srv/second/etc");
  for (const file of ["passwd", "group"]) m.write(`/srv/second/etc/${file}`, "");
  const into = () => run("-n", "-m", "-j", "/srv/second", name);
  const command = /take it out first with: (.*)/.exec(into().stderr)?.[1] ?? "false";
  m.must(["sh", "-c", command]);
  expect(into().status).toBe(0);
  expect(m.read(`/srv/second/home/${name}/file`)).toBe(name);
});

test.each([
  [["-n"], 2],
  [["--bogus"], 1],
  [["-n", "root"], 33],
  [["-n", "-j", "/nojail", "root"], 33],
  [["-n", "-j", jail, "-s", "/bin/nosh", "root"], 33],
  [["-n", "-j", jail, "nosuch"], 1],
  [["--noninteractive", "-j", jail, "root"], 1],
  [["-?"], 0],
])("jk_jailuser %j ends with %i", (words, status) => {
  expect(run(...words).status).toBe(status);
});

test("only root may", () => {
  const result = m.run(["jk_jailuser", "-n", "-j", jail, "u0"], { user: "u0" });
  expect(result.status).toBe(5);
});

test("an unsafe jail is refused with the remedy", () => {
  m.mkdir("/srv/unsafe/etc");
  m.write("/srv/unsafe/etc/passwd", "");
  m.chmod("/srv/unsafe", 0o777);
  const result = run("-n", "-j", "/srv/unsafe", newUser());
  expect(result.status).toBe(33);
  expect(result.stderr).toContain("chmod");
});

test("nobody leaves a jail that became unsafe, until the printed command was run", () => {
  const unsafe = "/srv/became-unsafe";
  m.write(`${unsafe}/etc/passwd`, "");
  const name = newUser();
  m.must(["jk_jailuser", "-n", "-m", "-j", unsafe, name]);
  m.chmod(unsafe, 0o775);
  const foreseen = run("-n", "-m", "--unjail", "--dry-run", name);
  const refused = run("-n", "-m", "--unjail", name);
  expect(foreseen).toMatchObject({ status: refused.status, stderr: refused.stderr });
  const reason = `${unsafe}: not a safe jail: ${unsafe} is writable by its group (gid 0, mode 0775)`;
  expect(refused).toMatchObject({
    status: 1,
    stderr: `jk_jailuser: ${reason}; fix it with: chmod g-w ${unsafe}\n`,
  });
  expect(m.exists(`${unsafe}/home/${name}/file`)).toBe(true);
  m.must(["sh", "-c", refused.stderr.trim().split("; fix it with: ")[1] ?? "false"]);
  expect(run("-n", "-m", "--unjail", name).status).toBe(0);
  expect(m.exists(`/home/${name}/file`)).toBe(true);
});

test("the processes of an account are named in one way, and not all of thousands; the command ends them", async () => {
  const name = newUser();
  for (const words of [
    ["-n", "-m", "-j", jail, name],
    ["-n", "-m", "--unjail", name],
  ]) {
    const many = m.start(["sh", "-c", "for i in $(seq 24); do sleep infinity & done; echo; wait"], {
      user: name,
    });
    await many.until(({ stdout }) => (stdout === "" ? undefined : true));
    const { status, stderr } = run(...words);
    const text = `jk_jailuser: '${name}' has running processes \\([0-9]+( [0-9]+){19} and 5 more\\): end them first, with: `;
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(new RegExp(`^${text}jailkit terminate-user --uid=\\d+\n$`)),
    ]);
    typeRemedy(m, stderr.split(" with: ")[1] ?? "false");
    await many.ended;
    expect(run(...words).status).toBe(0);
  }
});

test("a mount without a directory that only root can write takes no home, and the printed command fixes it", () => {
  const other = "/srv/shared";
  m.mkdir(`${other}/etc`);
  m.write(`${other}/etc/passwd`, "");
  m.write(`${other}/etc/group`, "");
  m.mkdir(`${other}/home/my own`);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0775", "tmpfs", `${other}/home/my own`]);
  m.mkdir(`${other}/home/my own/deep`);
  const name = newUser();
  m.must(["usermod", "-d", `/home/my own/deep/${name}`, name]);
  m.mkdir("/home/my own/deep");
  m.rename(`/home/${name}`, `/home/my own/deep/${name}`);
  for (const more of [["--dry-run"], []]) {
    const { status, stderr } = run("-n", "-m", ...more, "-j", other, name);
    expect([status, m.exists(`/home/my own/deep/${name}/file`)]).toEqual([1, true]);
    const [, command = ""] = stderr.trim().split("; fix it with: ");
    expect(command).toBe(`chmod go-w '${other}/home/my own'`);
    if (more.length === 0) m.must(["sh", "-c", command]);
  }
  expect(run("-n", "-m", "-j", other, name).status).toBe(0);
  expect(m.read(`${other}/home/my own/deep/${name}/file`)).toBe(name);
  // Where everybody can write, and may have to, another place is what helps.
  m.must(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", `${other}/home`]);
  const another = newUser();
  const { status, stderr } = run("-n", "-m", "-j", other, another);
  expect([status, stderr]).toEqual([1, expect.stringContaining("; choose a home that is not below")]);
  expect(m.exists(`/home/${another}/file`)).toBe(true);
});

test("more extended attributes than can be listed are reported with the file and a remedy", () => {
  const name = newUser();
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", `/home/${name}`]);
  m.chown(`/home/${name}`, m.ids(name).uid, m.ids(name).gid);
  const script = `import os, sys
for path in sys.argv[1:]:
    for i in range(300): os.setxattr(path, "user." + "a" * 240 + str(i), b"x")`;
  m.write(`/home/${name}/many`, "mine", { owner: [m.ids(name).uid, m.ids(name).gid] });
  m.mkdir(`/home/${name}/d`, { owner: [m.ids(name).uid, m.ids(name).gid] });
  m.write(`/home/${name}/d/in`, "mine", { owner: [m.ids(name).uid, m.ids(name).gid] });
  m.must(["python3", "-c", script, `/home/${name}/many`, `/home/${name}/d`]);
  const before = m.snapshot(`/home/${name}`);
  for (const path of ["many", "d"]) {
    const { status, stderr } = run("-n", "-m", "-j", jail, name);
    expect(status).toBe(1);
    const [, shown, command = ""] =
      /: '(.+)' has more extended attributes .+ in its place: (.+)\n$/.exec(stderr) ?? [];
    expect(shown).toBe(`/home/${name}/${path}`);
    expect([m.exists(`${jail}/home/${name}`), account(name)?.includes(jail)]).toEqual([false, false]);
    m.must(["sh", "-c", command], { user: name });
  }
  const kept = (files: Record<string, string>) =>
    Object.fromEntries(Object.entries(files).map(([path, what]) => [path, what.replace(/^\S+ /, "")]));
  expect(kept(m.snapshot(`/home/${name}`))).toEqual(kept(before));
  expect(run("-n", "-m", "-j", jail, name).status).toBe(0);
  expect(m.read(`${jail}/home/${name}/d/in`)).toBe("mine");
});

test("it asks for the jail, and whether the home is to move", () => {
  const name = newUser();
  const result = m.run(["jk_jailuser", "-j", "/nojail", name], { stdin: `/nowhere\n${jail}\n\n` });
  expect(result.status).toBe(0);
  expect(result.stdout).toStartWith("enter jail directory: enter jail directory: ");
  expect(m.exists(`${jail}/home/${name}/file`)).toBe(true);
  expect(m.run(["jk_jailuser", "-j", "/nojail", name], { stdin: "" }).status).toBe(1);
});

test("nobody answers: no account is changed, because it could not log in without its home", () => {
  const names = [newUser(), newUser()];
  const before = m.read("/etc/passwd");
  expect(m.run(["jk_jailuser", "-j", jail, ...names], { stdin: "n\n" })).toMatchObject({
    status: 1,
    stderr: "jk_jailuser: nobody answered, and nothing was changed: use -m or -n\n",
  });
  expect(m.read("/etc/passwd")).toBe(before);
});

test("sshd's settings that no jail can confine are reported", () => {
  m.mkdir("/run/sshd");
  m.write(
    "/etc/ssh/sshd_config",
    "Subsystem sftp internal-sftp\nAllowTcpForwarding no\nAllowStreamLocalForwarding no\n",
  );
  const result = run("-n", "-j", jail, newUser());
  expect(result.status).toBe(0);
  expect(result.stderr).toContain("internal-sftp");
  expect(result.stderr).not.toContain("TCP");
});

test("a user's symbolic link from the jail to a directory of the host is not written through", () => {
  const name = newUser();
  m.mkdir("/srv/outside");
  m.mkdir(`${jail}/home2`);
  m.chown(`${jail}/home2`, m.ids(name).uid, 0);
  m.symlink("/srv/outside", `${jail}/home2/${name}`);
  m.must(["usermod", "-d", `/home2/${name}/x`, name]);
  m.mkdir(`/home2/${name}`);
  m.must(["mv", `/home/${name}`, `/home2/${name}/x`]);
  const result = run("-m", "-n", "-j", jail, name);
  expect(result.status).toBe(1);
  expect(result.stderr).toContain("symbolic link");
  expect(m.list("/srv/outside")).toEqual([]);
  expect(m.exists(`/home2/${name}/x/file`)).toBe(true);
});

test("jk_addjailuser creates an account in the jail, in either order of words", () => {
  for (const [words, name] of [
    [["-j", jail, "new1"], "new1"],
    [[jail, "new2"], "new2"],
    [["new3", jail], "new3"],
  ] as const) {
    expect(m.run(["jk_addjailuser", ...words])).toMatchObject({ status: 0, stdout: "" });
    expect(account(name)).toEndWith(`:${jail}/./home/${name}:/usr/sbin/jk_chrootsh`);
    expect(inJail(name)).toEndWith(`:/home/${name}:/usr/sbin/jk_lsh`);
    const { uid, gid } = m.ids(name);
    expect(m.stat(`${jail}/home/${name}`)).toMatchObject({ uid, gid });
    expect(account("users", `${jail}/etc/group`)).toContain(`users:x:${gid}:`);
  }
});

test("an interrupted move leaves the account unchanged, and the next one cleans up", async () => {
  const name = newUser("/elsewhere");
  const many = `cd /elsewhere/${name}; mkdir many; for i in $(seq 2000); do echo $i > many/$i; done`;
  m.must(["sh", "-ec", many], { user: name });
  const before = m.snapshot(`/elsewhere/${name}`);
  const copies = () =>
    m.exists(`${jail}/elsewhere`) ? m.list(`${jail}/elsewhere`).filter((one) => one.startsWith(".jk-")) : [];
  // strace counts the calls of each thread.
  const kill = ["-e", "trace=utimensat", "-e", "inject=utimensat:signal=KILL:when=500"];
  const cut = m.run([
    "strace",
    "-f",
    "-o",
    "/dev/null",
    ...kill,
    "jk_jailuser",
    "-n",
    "-m",
    "-j",
    jail,
    name,
  ]);
  expect(cut.signal).toBe("SIGKILL");
  expect([copies().length, m.snapshot(`/elsewhere/${name}`)]).toEqual([1, before]);
  expect(account(name)).toEndWith(`:/elsewhere/${name}:/bin/bash`);
  // One on which somebody works, and what has another name, stay.
  const work = `mkdir ${jail}/elsewhere/.jk-home-busy ${jail}/elsewhere/.jk-other; exec flock -F ${jail}/elsewhere/.jk-home-busy sh -c 'echo locked; exec sleep 1000'`;
  const busy = m.start(["sh", "-ec", work]);
  await busy.until(({ stdout }) => (stdout.includes("locked\n") ? true : undefined));
  expect(run("-n", "-m", "-j", jail, name).status).toBe(0);
  expect(copies()).toEqual([".jk-home-busy", ".jk-other"]);
  expect([m.snapshot(`${jail}/elsewhere/${name}`), m.exists(`/elsewhere/${name}`)]).toEqual([before, false]);
  busy.kill();
  await busy.ended;
  m.must(["rmdir", ...copies().map((one) => `${jail}/elsewhere/${one}`)]);
});

test("a move that is interrupted after the account has changed is completed, and an old home that is there again is told", () => {
  const name = newUser("/elsewhere");
  const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
  m.must(["mv", usermod, real]);
  m.write(usermod, `#!/bin/sh\n${real} "$@"\nkill -9 $PPID\n`, { mode: 0o755 });
  expect(run("-n", "-m", "-j", jail, name).status).toBe(137);
  m.must(["mv", "-f", real, usermod]);
  // An empty directory keeps the place.
  expect([m.exists(`/elsewhere/${name}`), m.list(`${jail}/elsewhere/${name}`)]).toEqual([true, []]);
  expect(run("-n", "-m", "-j", jail, name).status).toBe(0);
  expect([m.exists(`/elsewhere/${name}`), m.exists(`${jail}/elsewhere/${name}`)]).toEqual([false, true]);
  // As a restored backup.
  m.must(["cp", "-a", `${jail}/elsewhere/${name}`, `/elsewhere/${name}`]);
  const { status, stderr } = run("-n", "-m", "-j", jail, name);
  expect([status, stderr]).toEqual([
    0,
    expect.stringContaining(
      `'/elsewhere/${name}' is still there, from before the home moved: compare it with `,
    ),
  ]);
  m.must(["mv", `/elsewhere/${name}`, "/srv/compared"]);
  expect(run("-n", "-m", "-j", jail, name).stderr).not.toContain("still there");
  expect(run("-n", "-m", "--unjail", name).status).toBe(0);
  expect(account(name)).toEndWith(`:/elsewhere/${name}:/bin/bash`);
});

test.each([
  [["--unjail", "-m"], "the home moved"],
  [["--unjail"], "the home stays"],
])("%j that is interrupted after the account has changed is completed by the second run", (words, what) => {
  const name = newUser();
  const bare = newUser();
  expect(run("-n", "-m", "-j", jail, name).status).toBe(0);
  const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
  m.must(["mv", usermod, real]);
  m.write(usermod, `#!/bin/sh\n${real} "$@"\nkill -9 $PPID\n`, { mode: 0o755 });
  expect(run(...words, name).status).toBe(137);
  m.must(["mv", "-f", real, usermod]);
  const home = what === "the home moved" ? `/home/${name}` : `${jail}/home/${name}`;
  expect([account(name), inJail(name)]).toEqual([
    expect.stringContaining(`:${home}:/bin/bash`),
    expect.stringMatching(/:\/usr\/sbin\/jk_lsh$/),
  ]);
  const dry = run(...words, "--dry-run", name);
  expect([dry.status, dry.stdout]).toEqual(
    what === "the home moved" ? [1, ""] : [0, `would remove '${name}' from the jail's account files\n`],
  );
  if (what === "the home moved") expect(dry.stderr).toContain("what moves it to its place: jk_check --fix");
  expect(run("--unjail", "-j", "/srv/shared", name).stderr).toContain("is in no jail");
  const { status, stderr } = run(...words, name);
  expect([status, stderr, m.exists(`${jail}/home/${name}`)]).toEqual([0, "", what === "the home stays"]);
  expect([account(name), inJail(name)]).toEqual([expect.stringContaining(`:${home}:/bin/bash`), undefined]);
  expect(m.read(`${home}/file`)).toBe(name);
  for (const one of [name, bare])
    expect(run("--unjail", one)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("is in no jail"),
    });
});

test("--unjail removes what an interrupted first run left before the account was changed", () => {
  const name = newUser();
  const before = account(name);
  const [usermod, real] = ["/usr/sbin/usermod", "/usr/sbin/usermod.real"];
  m.must(["mv", usermod, real]);
  m.write(usermod, "#!/bin/sh\nkill -9 $PPID\n", { mode: 0o755 });
  expect(run("-n", "-j", jail, name).status).toBe(137);
  m.must(["mv", "-f", real, usermod]);
  expect([account(name), inJail(name)]).toEqual([before, expect.stringContaining(name)]);
  expect(run("--unjail", name)).toMatchObject({ status: 0, stderr: "" });
  expect([account(name), inJail(name)]).toEqual([before, undefined]);
});

test("jk_addjailuser removes the account again if useradd cannot create the home", () => {
  const useradd = "/usr/sbin/useradd";
  m.rename(useradd, `${useradd}.whole`);
  m.write(useradd, '#!/bin/sh\nuseradd.whole "$@"\necho useradd: no home >&2\nexit 12\n', { mode: 0o755 });
  const before = m.read("/etc/passwd");
  const failed = m.run(["jk_addjailuser", "-j", jail, "linked"]);
  m.rename(`${useradd}.whole`, useradd);
  // Not useradd's warning that jk_chrootsh is missing in this machine.
  expect(failed.stderr).toBe("jk_addjailuser: useradd failed with status 12: useradd: no home\n");
  expect(failed.status).toBe(1);
  expect([m.read("/etc/passwd"), inJail("linked")]).toEqual([before, undefined]);
  expect(m.exists(`${jail}/home/linked`)).toBe(false);
  expect(m.run(["jk_addjailuser", "-j", jail, "linked"])).toMatchObject({ status: 0 });
});

test("the printed command completes what a killed jk_addjailuser left", () => {
  const words = ["jk_addjailuser", "-j", jail, "-G", "adm", "-s", "/usr/lib/jk_lsh", "killed"];
  const [useradd, real] = ["/usr/sbin/useradd", "/usr/sbin/useradd.real"];
  m.must(["mv", useradd, real]);
  m.write(useradd, `#!/bin/sh\n${real} "$@"\nkill -9 $PPID\n`, { mode: 0o755 });
  expect(m.run(words).status).toBe(137);
  m.must(["mv", "-f", real, useradd]);
  expect([account("killed"), inJail("killed")]).toEqual([
    expect.stringContaining(":/usr/sbin/jk_chrootsh"),
    undefined,
  ]);
  const { status, stderr } = m.run(words);
  const command = `jk_jailuser -n -s /usr/lib/jk_lsh -G adm -j ${jail} killed`;
  expect([status, stderr]).toEqual([
    1,
    `jk_addjailuser: the user 'killed' exists already in this jail; if an earlier run was interrupted, complete it with: ${command}\n`,
  ]);
  m.must(["sh", "-c", command]);
  expect(inJail("killed")).toEndWith(":/home/killed:/usr/lib/jk_lsh");
  expect(account("adm", `${jail}/etc/group`)).toEndWith(":killed");
  expect(m.run(["sh", "-c", command])).toMatchObject({ status: 0 });
});

test("jk_addjailuser reports a home that existed before and belongs to somebody else", () => {
  const other = m.addUser("other");
  m.mkdir(`${jail}/home/theirs`, { owner: [other.uid, other.gid] });
  const { status, stderr } = m.run(["jk_addjailuser", "-j", jail, "theirs"]);
  expect([status, stderr]).toEqual([
    0,
    expect.stringContaining(`'${jail}/home/theirs' existed before and belongs to uid `),
  ]);
  m.must(["sh", "-c", /create a new one: (.*)/.exec(stderr)?.[1] ?? "false"]);
  const owners = ["theirs", "theirs.old"].map((home) => m.stat(`${jail}/home/${home}`)?.uid);
  expect(owners).toEqual([m.ids("theirs").uid, other.uid]);
});

test("jk_addjailuser gives nobody a directory of the jail itself, or another account's home", () => {
  m.must(["jk_addjailuser", "-j", jail, "first5"]);
  const before = m.read("/etc/passwd");
  const owner = m.stat(`${jail}/etc`)?.uid;
  for (const [home, what] of [
    ["/etc", "is a directory of the jail's own"],
    ["/home", "is a directory of the jail's own"],
    ["/home/first5/", "is the home of 'first5'"],
  ])
    for (const look of [[], ["--dry-run"]])
      expect(m.run(["jk_addjailuser", ...look, "-j", jail, "-d", `${home}`, "second5"])).toMatchObject({
        status: 1,
        stdout: "",
        stderr: expect.stringContaining(`${what}: name another home with -d`),
      });
  expect([m.read("/etc/passwd"), m.stat(`${jail}/etc`)?.uid]).toEqual([before, owner]);
  const uid = `${m.ids("first5").uid}`;
  m.must(["jk_addjailuser", "-j", jail, "-d", "/home/first5", "-o", "-u", uid, "third5"]);
});

test("jk_addjailuser hands useradd's options on", () => {
  m.must(["groupadd", "project4"]);
  const options = [
    "-c",
    "A comment; $(id)",
    "-d",
    "/work/new4",
    "-u",
    "4004",
    "-g",
    "project4",
    "-G",
    "project",
    "-M",
  ];
  expect(m.run(["jk_addjailuser", ...options, "-j", jail, "new4"]).status).toBe(0);
  expect(account("new4")).toMatch(/^new4:x:4004:\d+:A comment; \$\(id\):\/srv\/jail\/\.\/work\/new4:/);
  expect(m.exists(`${jail}/work/new4`)).toBe(false);
  expect(account("project", `${jail}/etc/group`)).toMatch(/[:,]new4$/);
});

test.each([
  [["-j", jail], 2],
  [[], 2],
  [["a", "b", "c"], 3],
  [["-j", "/nojail", "x"], 33],
  [["-j", jail, "root"], 1],
  [["-j", jail, "new1"], 1],
  [["-j", jail, "../x"], 1],
  [["-j", jail, "-d", "/a:b", "x"], 1],
])("jk_addjailuser %j ends with %i and changes nothing", (words, status) => {
  const before = [m.read("/etc/passwd"), m.read(`${jail}/etc/passwd`)];
  expect(m.run(["jk_addjailuser", ...words]).status).toBe(status);
  expect([m.read("/etc/passwd"), m.read(`${jail}/etc/passwd`)]).toEqual(before);
});

test("a jail that cannot take the account leaves no account on the host", () => {
  m.write(`${jail}/etc/group`, `${m.read(`${jail}/etc/group`)}mixed:x:9999:\n`);
  m.must(["groupadd", "mixed"]);
  const result = m.run(["jk_addjailuser", "-g", "mixed", "-j", jail, "new5"]);
  expect(result.status).toBe(1);
  expect(account("new5")).toBeUndefined();
  expect(inJail("new5")).toBeUndefined();
});

test("--jail-side-only writes the jail's lines from the host's account, and nothing on the host", () => {
  const name = newUser();
  m.must(["usermod", "-aG", "games", name]);
  const before = account(name);
  const home = m.snapshot(`/home/${name}`);
  const side = (...words: string[]) => run("--jail-side-only", "-v", ...words, "-j", jail, name);
  const { uid } = m.ids(name);
  expect(side("--dry-run").stdout).toContain(`would have added '${name}' to the jail's etc/passwd`);
  expect(inJail(name)).toBeUndefined();
  expect(side().status).toBe(0);
  expect(inJail(name)).toBe(`${name}:x:${uid}:${uid}::/home/${name}:/usr/sbin/jk_lsh`);
  expect(account("games", `${jail}/etc/group`)).toEndWith(name);
  expect(side()).toMatchObject({ status: 0, stdout: "" });
  const good = m.read(`${jail}/etc/passwd`);
  for (const [wrong, right] of [
    [`${name}:x:${uid}:`, `${name}:x:4321:`],
    [`${name}:x:`, `old:x:`],
    [`:/home/${name}:`, ":/elsewhere:"],
    [`${name}:x:${uid}:`, `old:x:${uid}:${uid}::/:/bin/sh\n${name}:x:${uid}:`],
  ] as const) {
    m.write(`${jail}/etc/passwd`, good.replace(wrong, right));
    expect(side().status).toBe(0);
    expect(m.read(`${jail}/etc/passwd`)).toBe(good);
  }
  const groups = m.read(`${jail}/etc/group`);
  for (const wrong of [`${name}:x:4322:`, `old:x:${uid}:`]) {
    m.write(`${jail}/etc/group`, groups.replace(`${name}:x:${uid}:`, wrong));
    expect(side().status).toBe(0);
    expect(m.read(`${jail}/etc/group`)).toBe(groups);
  }
  expect(account(name)).toBe(before);
  expect(m.snapshot(`/home/${name}`)).toEqual(home);
  m.must(["userdel", name]);
  expect(side().status).toBe(1);
  expect(side("--unjail").status).toBe(0);
  expect(inJail(name)).toBeUndefined();
  expect(account("games", `${jail}/etc/group`)).not.toContain(name);
});

test("--jail-side-only warns of one that can run nothing, when it brings the line back", () => {
  const name = newUser();
  m.must(["jk_jailuser", "-n", "-m", "-j", jail, name]);
  m.write(`${jail}/etc/passwd`, m.read(`${jail}/etc/passwd`).replace(`${inJail(name)}\n`, ""));
  const told = () => run("--jail-side-only", "-j", jail, name).stderr;
  expect(told()).toContain(`jk_jailuser: warning: '${name}' can run nothing: no section of`);
  expect(told()).toBe("");
});

test("--jail-side-only needs a jail, and has no use for -m", () => {
  expect(run("--jail-side-only", "root").status).toBe(2);
  expect(run("--jail-side-only", "-m", "-j", jail, "root").status).toBe(2);
  expect(run("--jail-side-only", "-j", jail, "root").status).toBe(1);
});

test("-m without a home to move: the printed command jails the account and creates one", () => {
  m.addUser("homeless", { home: "/home/homeless" });
  const refused = run("-n", "-m", "-j", jail, "homeless");
  expect(refused).toMatchObject({ status: 1, stdout: "" });
  const command = / create one: (.*)\n$/.exec(refused.stderr)?.[1] ?? "";
  expect(typeRemedy(m, command)).toMatchObject({ status: 0 });
  const { uid } = m.ids("homeless");
  expect(m.stat(`${jail}/home/homeless`)).toMatchObject({ uid, mode: 0o40700 });
  expect(account("homeless")).toContain(`:${jail}/./home/homeless:`);
});

test("wrong lines in the jail's files are fixed by the printed command", () => {
  const name = newUser();
  m.write(`${jail}/etc/passwd`, `${m.read(`${jail}/etc/passwd`)}${name}:x:4999:4999::/elsewhere:/bin/sh\n`);
  m.write(`${jail}/etc/group`, `${m.read(`${jail}/etc/group`)}${name}:x:4999:\n`);
  const refused = run("-n", "-j", jail, name);
  expect(refused.status).toBe(1);
  expect(typeRemedy(m, /fix it with: (.*)\n$/.exec(refused.stderr)?.[1] ?? "")).toMatchObject({ status: 0 });
  expect(run("-n", "-j", jail, name).status).toBe(0);
  m.write(`${jail}/etc/passwd`, `${m.read(`${jail}/etc/passwd`)}stale:x:4998:4998::/home/stale:/bin/sh\n`);
  const add = () => m.run(["jk_addjailuser", "-j", jail, "stale"]);
  const { status, stderr } = add();
  expect(status).toBe(1);
  expect(typeRemedy(m, /fix it with: (.*)\n$/.exec(stderr)?.[1] ?? "")).toMatchObject({ status: 0 });
  expect(add().status).toBe(0);
});

test("standard output that is full after some lines stops no change, and is reported", () => {
  m.must(["mkdir", "-p", "/run/full"]);
  m.must(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", "/run/full"]);
  const into = (room: number, ...words: string[]) => {
    const fill = `head -c ${4096 - room} /dev/zero > /run/full/out`;
    const { status, stderr } = m.run(["sh", "-c", `${fill}; exec "$@" >> /run/full/out`, "sh", ...words]);
    const said = stderr.split("\n").filter((line) => line.includes("standard output"));
    expect([status, said]).toEqual([1, [`${words[0]}: standard output: write: No space left on device`]]);
  };
  for (const lines of [0, 1, 2, 3]) {
    const name = newUser();
    const home = `${jail}/home/${name}`;
    const steps = [
      `added '${name}' to the jail's etc/passwd\n`,
      `the account '${name}' has the home '${jail}/./home/${name}' and the shell '/usr/sbin/jk_chrootsh'\n`,
      `moved '/home/${name}' to '${home}'\n`,
    ];
    if (lines < 3) {
      into(steps.slice(0, lines).join("").length, "jk_jailuser", "-v", "-n", "-m", "-j", jail, name);
      expect(m.read(`${home}/file`)).toBe(name);
      expect([account(name)?.split(":")[5], inJail(name)?.split(":")[5]]).toEqual([
        `${jail}/./home/${name}`,
        `/home/${name}`,
      ]);
    } else expect(run("-n", "-m", "-j", jail, name).status).toBe(0);
    expect(m.exists(`/home/${name}`)).toBe(false);
    into(lines, "jk_jailuser", "-v", "-m", "--unjail", name);
    expect(m.read(`/home/${name}/file`)).toBe(name);
    expect([account(name)?.split(":")[5], inJail(name), m.exists(home)]).toEqual([
      `/home/${name}`,
      undefined,
      false,
    ]);
  }
  into(0, "jk_addjailuser", "-v", "-j", jail, "unheard");
  expect(inJail("unheard")).toContain(":/home/unheard:");
  m.must(["umount", "/run/full"]);
});

test("a relative jail means nothing in a directory that was removed", () => {
  const name = newUser();
  const before = account(name);
  const command = `mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone; jk_jailuser -n -j ${jail.slice(1)} ${name}`;
  const result = m.run(["sh", "-c", command]);
  const stderr = `jk_jailuser: ${jail.slice(1)}: getcwd: No such file or directory\n`;
  expect(result).toMatchObject({ status: 33, stdout: "", stderr });
  expect(account(name)).toBe(before);
});

test("a jail that users cannot pass is reported", () => {
  const name = newUser();
  m.chmod(jail, 0o705);
  m.must(["chgrp", name, jail]);
  const { status, stderr } = run("-n", "-j", jail, name);
  expect(status).toBe(0);
  const [, remedy = ""] = /cannot pass \S+: no login works; fix it with: (.*)\n/.exec(stderr) ?? [];
  expect(typeRemedy(m, remedy)).toMatchObject({ status: 0 });
  expect(run("-n", "-j", jail, name).stderr).not.toContain("cannot pass");
  // Who leaves the jail need not enter it.
  m.must(["chmod", "0700", jail]);
  const out = run("--jail-side-only", "--unjail", "-j", jail, name);
  m.must(["chmod", "0755", jail]);
  expect(out).toMatchObject({ status: 0, stderr: "" });
  m.must(["chgrp", "root", jail]);
  m.chmod(jail, 0o755);
});

/** The finding about the home, and the remedy. */
const homeSaid = (stderr: string) =>
  /(\S+ cannot log in, path .*); fix it with: (.*)\n/.exec(stderr)?.slice(1);

test("a home that jk_chrootsh would refuse is reported, with a remedy", () => {
  const name = newUser();
  m.chmod(`/home/${name}`, 0o775);
  const { status, stderr } = run("-m", "-j", jail, name);
  const home = `${jail}/./home/${name}`;
  const why = `path ${home} is group writable, set option 'relax_home_group_permissions' to relax this check`;
  expect([status, homeSaid(stderr)]).toEqual([0, [`${name} cannot log in, ${why}`, `chmod g-w ${home}`]]);
  expect(typeRemedy(m, `chmod g-w ${home}`).status).toBe(0);
  expect(homeSaid(run("-m", "-j", jail, name).stderr)).toBeUndefined();
});

test("a home that is a directory of the jail itself is reported, and the remedy gives another", () => {
  const name = newUser();
  m.must(["usermod", "-d", `${jail}/etc`, name]);
  const { status, stderr } = run("-n", "-j", jail, name);
  const [what, remedy = ""] = homeSaid(stderr) ?? [];
  expect([status, what]).toEqual([
    0,
    `${name} cannot log in, path ${jail}/./etc is not owned by ${m.ids(name).uid}`,
  ]);
  expect(typeRemedy(m, remedy).status).toBe(0);
  expect(homeSaid(run("-n", "-j", jail, name).stderr)).toBeUndefined();
  expect(account(name)).toContain(`:${jail}/./home/${name}:`);
  expect(m.stat(`${jail}/etc`)).toMatchObject({ uid: 0, mode: 0o40755 });
});

test("the home that useradd creates is reported if jk_chrootsh would refuse it", () => {
  const before = m.read("/etc/login.defs");
  m.write("/etc/login.defs", `${before.replace(/^HOME_MODE.*\n/gm, "")}HOME_MODE 0775\n`);
  const { status, stderr } = m.run(["jk_addjailuser", "-p", "*", "-s", "/bin/sh", jail, "wide"]);
  m.write("/etc/login.defs", before);
  expect([status, homeSaid(stderr)?.[1]]).toEqual([0, `chmod g-w ${jail}/./home/wide`]);
});

const add = (...words: string[]) => m.run(["jk_addjailuser", "-j", jail, "-s", "/bin/sh", ...words]);

test.each([
  [["-u", "UID"], "the uid UID belongs to 'first': choose another with -u"],
  [["-u", "0x10"], "'0x10' is not a uid"],
  [["-u", "4294967295"], "'4294967295' is not a uid"],
  [["-o"], "-o needs a uid: -u UID"],
  [["-o", "-u", "0"], "'fresh' has uid 0: a jail cannot hold root"],
  [["-c", "a:b"], "'a:b' cannot be the comment: it has a ':' or a control character, or is not UTF-8"],
  [["-c", "a\tb"], "'a\\tb' cannot be the comment: it has a ':' or a control character, or is not UTF-8"],
  [["-c", "\xff"], "'\\xff' cannot be the comment: it has a ':' or a control character, or is not UTF-8"],
  [["-p", "a:b"], "'a:b' cannot be the password: it has a ':' or a control character, or is not UTF-8"],
  [["-d", "/a:b"], "'/a:b' cannot be the home: it has a ':' or a control character, or is not UTF-8"],
  [["-f", "x"], "'x' is not a number of days; -1 means none"],
  [["-f", ""], "the value of option '--inactive' is empty; see 'jk_addjailuser --help'"],
])("a dry run of jk_addjailuser %j refuses what the real run refuses", (words, message) => {
  if (!m.read("/etc/passwd").includes("\nfirst:")) m.must(["useradd", "-M", "first"]);
  const uid = `${m.ids("first").uid}`;
  const given = words.map((word) => word.replace("UID", uid));
  const stderr = `jk_addjailuser: ${message.replace("uid UID", `uid ${uid}`)}\n`;
  const before = m.read("/etc/passwd");
  for (const dry of [["--dry-run"], []])
    expect(add(...dry, ...given, "fresh")).toMatchObject({ status: 1, stdout: "", stderr });
  expect(m.read("/etc/passwd")).toBe(before);
});

test("a name of digits alone is refused, and no option is named that jk_addjailuser does not have", () => {
  for (const dry of [["--dry-run"], []]) {
    const { status, stderr } = add(...dry, "123");
    expect([status, stderr]).toEqual([
      1,
      "jk_addjailuser: '123' cannot be an account's name: it is a number\n",
    ]);
  }
});

test("an empty value of an option of useradd is that option's value, and takes no other word", () => {
  const { status, stderr } = add("-c", "", "-e", "", "-p", "", "empty");
  expect([status, account("empty")?.split(":")[4]]).toEqual([0, ""]);
  expect(stderr).toContain("jk_addjailuser: warning: the password is empty: nobody is asked for one\n");
  expect(account("empty", "/etc/shadow")).toMatch(/^empty::/);
});

test("what useradd silently accepts is reported, in a dry run too", () => {
  const words = ["-k", "/nosuch", "-p", "plain", "-e", "tomorrow"];
  const warnings = [
    "jk_addjailuser: warning: the value of -p is not a hash of crypt(3): no password matches it",
    "jk_addjailuser: warning: the date 'tomorrow' is not YYYY-MM-DD: useradd decides what it means",
    "jk_addjailuser: warning: '/nosuch' is not a directory: the new home is empty",
    "jk_addjailuser: 'silent' has no password and no key, and cannot log in; fix it with: passwd silent; or instead: ",
  ];
  for (const dry of [["--dry-run"], []]) {
    const { status, stderr } = add(...dry, ...words, "silent");
    expect(status).toBe(0);
    for (const warning of warnings) expect(stderr).toContain(warning);
  }
  expect(m.list(`${jail}/home/silent`)).toEqual([]);
  expect(add("--dry-run", "-p", "!", "nobody-logs-in").stderr).not.toContain("crypt(3)");
});

/** What is said of groups, and what takes the account out of them. */
const groupsSaid = (stderr: string) =>
  /a member (of the groups? .* can become root) on most machines; unless you want that, (.*)\n/
    .exec(stderr)
    ?.slice(1);

test("groups that can make somebody root are reported, and the remedy removes the account from them", () => {
  const what = "of the groups 'root', 'sudo', 'disk' can become root";
  expect(groupsSaid(add("--dry-run", "-G", "root,sudo,adm,disk", "mighty").stderr)).toEqual([
    what,
    "omit that",
  ]);
  const { status, stderr } = add("-G", "root,sudo,adm,disk", "mighty");
  const [said, remedy = ""] = groupsSaid(stderr) ?? [];
  expect([status, said]).toEqual([0, what]);
  expect(typeRemedy(m, remedy.replace("take it out: ", "")).status).toBe(0);
  expect(groupsSaid(run("-n", "-j", jail, "mighty").stderr)).toBeUndefined();
  expect(m.must(["id", "-nG", "mighty"]).stdout).toBe("users adm\n");

  expect(groupsSaid(run("-n", "-j", jail, "-G", "shadow", "mighty").stderr)).toEqual([
    "of the group 'shadow' can become root",
    "take it out: gpasswd -d mighty shadow",
  ]);
  m.must(["usermod", "-g", "sudo", "mighty"]);
  const first = groupsSaid(run("-n", "-j", jail, "mighty").stderr)?.[1] ?? "";
  expect(first).toStartWith("take it out: usermod -g users mighty && gpasswd -d");
  expect(typeRemedy(m, first.replace("take it out: ", "")).status).toBe(0);
  expect(groupsSaid(run("-n", "-j", jail, "mighty").stderr)).toBeUndefined();
});
