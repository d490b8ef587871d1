/** Files on the host that users other than root can write do not choose what of the host is copied into a jail. */
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
import { checkout } from "../machine/helper.ts";
import { type Machine, type MachineProcess, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const ALICE = 4001;
const BOB = 4002;
/** No section has it, so that a script brings it. */
const INTERPRETER = "/usr/local/bin/interpreter";
const alice: readonly [number, number] = [ALICE, ALICE];
let m: Machine;
let jails = 0;
let jail: string;
let racer: MachineProcess | undefined;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jailkit"] });
  m.addUser("alice", { uid: ALICE });
  m.addUser("bob", { uid: BOB });
  m.write("/usr/local/share/odd/thing", "x");
  m.write("/root/x.c", '#include <stdio.h>\nint main(void) { return puts("ran") < 0; }\n');
  m.must(["gcc", "-o", "/root/x", "/root/x.c"]);
  m.write(INTERPRETER, m.readBytes("/root/x"), { mode: 0o755 });
  m.must(["gcc", "-o", "/root/odd", "/root/x.c", "-Wl,--dynamic-linker=/usr/bin/perl"]);
});
beforeEach(() => {
  jail = `/srv/j${++jails}`;
  m.mkdir(jail);
  m.remove("/srv/www");
  m.mkdir("/srv/www", { owner: alice });
  m.write("/srv/www/index.html", "hello", { owner: alice });
});
afterEach(async () => {
  racer?.kill();
  await racer?.ended;
  racer = undefined;
});
afterAll(async () => m.close());

const copy = (name: string, from: string) =>
  m.write(`/srv/www/${name}`, m.readBytes(from), { mode: 0o755, owner: alice });
const link = (name: string, target: string) => {
  m.symlink(target, `/srv/www/${name}`);
  m.must(["chown", "-h", "alice:alice", `/srv/www/${name}`]);
};
const script = (name: string, line: string) =>
  m.write(`/srv/www/${name}`, `#!${line}\nprint "ran\\n";\n`, { mode: 0o755, owner: alice });
const ran = (path: string) => m.run(["chroot", jail, path]).stdout;
/** What is in the jail outside of the tree, but for the cache of the dynamic linker, which is made there. */
const outside = () =>
  m
    .list(jail)
    .filter((name) => name !== "srv" && name !== "etc")
    .concat(m.exists(`${jail}/etc`) ? m.list(`${jail}/etc`).filter((name) => name !== "ld.so.cache") : []);
/** The command that a warning ends with. */
function remedies(stderr: string): string[][] {
  return stderr
    .split("\n")
    .flatMap((line) => /^\w+: warning: .* run: (.*)$/.exec(line)?.[1]?.split("; ") ?? [])
    .map((command) => command.split(" "));
}
const warnings = (stderr: string) => stderr.split("\n").filter((line) => /^\w+: warning: /.test(line));

/** What alice puts into her directory, and what root's copy of it would bring along. */
const HERS: Readonly<Record<string, { put: () => void; brings: string; offered?: boolean }>> = {
  "a link to a program": { put: () => link("a", "/usr/bin/perl"), brings: "/usr/bin/perl" },
  "a link upwards": { put: () => link("a", "../../usr/bin/perl"), brings: "/usr/bin/perl" },
  "a link through a second one": {
    put: () => {
      link("b", "../../usr/local/share/odd");
      link("a", "b/thing");
    },
    brings: "/usr/local/share/odd/thing",
  },
  "a link to what not everybody may read": {
    put: () => link("a", "/etc/shadow"),
    brings: "/etc/shadow",
    offered: false,
  },
  "a link to a device": { put: () => link("a", "/dev/null"), brings: "/dev/null", offered: false },
  "a script": { put: () => script("a", "/usr/bin/perl"), brings: "/usr/bin/perl" },
  "a script of env's": { put: () => script("a", "/usr/bin/env perl"), brings: "/usr/bin/perl" },
  "a program": { put: () => copy("a", "/root/x"), brings: "/usr/lib/x86_64-linux-gnu/libc.so.6" },
  "a program with perl as its dynamic linker": { put: () => copy("a", "/root/odd"), brings: "/usr/bin/perl" },
};

describe("a directory of alice's", () => {
  test.each(Object.keys(HERS))("%s brings nothing along, and the remedy does", (what) => {
    const { put, brings, offered = true } = HERS[what] ?? { put: () => {}, brings: "" };
    put();
    for (const options of [["--dry-run"], []]) {
      const { status, stderr } = m.run(["jk_cp", ...options, "-j", jail, "/srv/www"]);
      expect([status, warnings(stderr).length, outside()]).toEqual([0, 1, []]);
      expect(stderr).toContain("users other than root can change files in '/srv/www'");
      expect(remedies(stderr).length).toBe(offered ? 1 : 0);
    }
    expect(m.stat(`${jail}/srv/www/a`)).toBeDefined();
    const again = m.run(["jk_update", "-j", jail]);
    expect([again.status, warnings(again.stderr).length, outside()]).toEqual([0, 1, []]);
    if (!offered) return;
    for (const command of remedies(again.stderr)) m.must(command);
    expect(m.stat(jail + brings)).toBeDefined();
    expect(m.run(["jk_update", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
    expect(m.stat(jail + brings)).toBeDefined();
  });

  test("devices, and files that she can name but not read, are not copied", () => {
    m.must(["mknod", "-m", "0666", "/srv/www/null", "c", "1", "3"]);
    m.must(["ln", "/etc/shadow", "/srv/www/shadow"]);
    m.write("/srv/www/bobs", "x", { mode: 0o600, owner: [BOB, BOB] });
    m.write("/srv/www/hers", "x", { mode: 0o600, owner: alice });
    const { status, stderr } = m.run(["jk_cp", "-o", "-j", jail, "/srv/www"]);
    expect([status, m.list(`${jail}/srv/www`)]).toEqual([0, ["hers", "index.html"]]);
    expect(stderr).toContain("/srv/www/null");
    expect(stderr).toContain("/srv/www/shadow");
    expect(stderr).toContain("/srv/www/bobs");
    for (const command of remedies(stderr)) m.must(command);
    expect(m.stat(`${jail}/srv/www/null`)).toMatchObject({ rdevMajor: 1, rdevMinor: 3, mode: 0o020666 });
    // By name the administrator may have them.
    m.must(["jk_cp", "-o", "-j", jail, "/srv/www/bobs", "/srv/www/shadow"]);
    expect(m.stat(`${jail}/srv/www/bobs`)).toMatchObject({ uid: BOB, mode: 0o100600 });
    expect(m.run(["jk_update", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
  });

  test("a device that is named there is refused", () => {
    m.must(["mknod", "-m", "0666", "/srv/www/null", "c", "1", "3"]);
    const { status, stderr } = m.run(["jk_cp", "-j", jail, "/srv/www/null"]);
    expect([status, m.exists(`${jail}/srv/www/null`)]).toEqual([1, false]);
    expect(stderr).toContain("name the one in /dev");
    m.must(["jk_cp", "-j", jail, "/dev/null"]);
  });

  test("-s keeps no setuid bit that she could have found elsewhere", () => {
    m.must(["ln", "/usr/bin/passwd", "/srv/www/passwd"]);
    expect(m.stat("/srv/www/passwd")?.mode).toBe(0o104755);
    m.must(["jk_cp", "-s", "-o", "-j", jail, "/srv/www"]);
    m.must(["jk_cp", "-s", "-o", "-f", "-j", jail, "/srv/www/passwd"]);
    expect(m.stat(`${jail}/srv/www/passwd`)?.mode).toBe(0o100755);
  });

  test("a link of hers that becomes a directory leads nowhere in the jail", () => {
    m.must(["jk_cp", "-j", jail, "/bin/true"]);
    link("a", "/etc");
    m.must(["jk_cp", "-j", jail, "/srv/www"]);
    expect(m.readlink(`${jail}/srv/www/a`)).toBe("/etc");
    m.remove("/srv/www/a");
    m.write("/srv/www/a/ld.so.preload", "/srv/www/evil.so", { owner: alice });
    m.chown("/srv/www/a", ALICE, ALICE);
    for (const name of ["/srv/www", "/srv/www/a", "/srv/www/a/ld.so.preload"]) {
      const { status, stderr } = m.run(["jk_cp", "-f", "-j", jail, name]);
      expect([name, status, stderr]).toEqual([name, 1, expect.stringContaining("not followed")]);
    }
    expect(m.exists(`${jail}/etc/ld.so.preload`)).toBe(false);
    expect(m.run(["jk_update", "-j", jail]).status).toBe(0);
    expect(m.exists(`${jail}/etc/ld.so.preload`)).toBe(false);
    expect(m.read(`${jail}/srv/www/a/ld.so.preload`)).toBe("/srv/www/evil.so");
  });

  test("symbolic links within the tree are copied as such, without a warning", () => {
    link("a", "sub/b");
    link("c", "/srv/www/index.html");
    m.mkdir("/srv/www/sub", { owner: alice });
    link("sub/b", "../index.html");
    const { status, stderr } = m.run(["jk_cp", "-j", jail, "/srv/www"]);
    expect([status, stderr, outside()]).toEqual([0, "", []]);
    expect(m.must(["chroot", "--skip-chdir", "/", "cat", `${jail}/srv/www/a`]).stdout).toBe("hello");
  });
});

test("no command copies a disk or the memory of the machine from a directory of hers", () => {
  const make = "cd /srv/www; mknod disk b 8 0; mknod mem c 1 1; mknod null c 1 3; chmod 666 disk mem null";
  m.must(["sh", "-ec", `${make}; chown alice: disk mem null`]);
  const { stderr } = m.run(["jk_cp", "-j", jail, "/srv/www"]);
  expect(stderr).toContain("'/srv/www/disk', '/srv/www/mem', '/srv/www/null'");
  const [, commands] = /run: (.*)/.exec(stderr) ?? [];
  expect(commands).toBe(`mknod -m 0666 ${jail}/srv/www/null c 1 3`);
});

describe("files of hers that are named", () => {
  test("a program comes with the libraries of the system, and runs", () => {
    copy("tool", "/root/x");
    const { status, stderr } = m.run(["jk_cp", "-j", jail, "/srv/www/tool"]);
    expect([status, stderr, ran("/srv/www/tool")]).toEqual([0, "", "ran\n"]);
  });

  test("also if its directory was requested before", () => {
    copy("tool", "/root/x");
    m.write("/etc/jailkit/jk_init.d/x.ini", "[x]\npaths = /srv/www, /srv/www/tool\n");
    const { status, stderr } = m.run(["jk_init", "-j", jail, "x"]);
    m.remove("/etc/jailkit/jk_init.d/x.ini");
    expect([status, stderr, ran("/srv/www/tool")]).toEqual([0, "", "ran\n"]);
  });

  test.each(["script", "odd program", "link"])("%s: brings nothing along, and the remedy does", (what) => {
    if (what === "script") script("tool", "/usr/bin/perl");
    else if (what === "link") link("tool", "/usr/bin/perl");
    else copy("tool", "/root/odd");
    const { status, stderr } = m.run(["jk_cp", "-j", jail, "/srv/www/tool"]);
    expect([status, warnings(stderr).length]).toEqual([0, 1]);
    expect(stderr).toContain("users other than root can change '/srv/www/tool'");
    expect(remedies(stderr)).toEqual([["jk_cp", "-j", jail, "/usr/bin/perl"]]);
    expect(m.exists(`${jail}/usr/bin/perl`)).toBe(false);
    for (const command of remedies(stderr)) m.must(command);
    expect(m.run(["jk_update", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
    if (what === "script") expect(ran("/srv/www/tool")).toBe("ran\n");
    if (what === "link") expect(m.must(["chroot", jail, "/srv/www/tool", "-v"]).stdout).toContain("perl");
  });

  test("a program of a tree runs after the remedy", () => {
    copy("bin/tool", "/root/x");
    m.chown("/srv/www/bin", ALICE, ALICE);
    const { stderr } = m.run(["jk_cp", "-j", jail, "/srv/www"]);
    expect(ran("/srv/www/bin/tool")).toBe("");
    expect(remedies(stderr)).toEqual([["jk_cp", "-j", jail, "/srv/www/bin/tool"]]);
    for (const command of remedies(stderr)) m.must(command);
    expect(ran("/srv/www/bin/tool")).toBe("ran\n");
  });

  test("through a symbolic link of hers is refused", () => {
    link("a", "/usr/share");
    m.write("/usr/share/data", "data");
    const { status, stderr } = m.run(["jk_cp", "-j", jail, "/srv/www/a/data"]);
    expect([status, outside(), m.exists(`${jail}/srv`)]).toEqual([1, [], false]);
    expect(stderr).toContain(
      "is reached through a symbolic link in a directory that users other than root can write",
    );
  });

  test("misleading names are shown unambiguously, and can be typed", () => {
    const odd = "/usr/local/share/x y\n\xff'";
    m.write(odd, "odd");
    link("a\njk_cp: warning: b", odd);
    const { status, stderr } = m.run(["jk_cp", "-v", "-j", jail, "/srv/www"]);
    expect([status, warnings(stderr).length]).toEqual([0, 1]);
    const command = / run: (.*)$/m.exec(stderr)?.[1] ?? "";
    m.must(["bash", "-c", command]);
    expect(m.read(jail + odd)).toBe("odd");
    expect(m.run(["jk_cp", "-j", jail, "/srv/www"]).stderr).toBe("");
  });

  test("many are counted", () => {
    for (let i = 0; i < 30; i++) {
      m.write(`/usr/local/share/many/${i}`, "x");
      link(`l${i}`, `/usr/local/share/many/${i}`);
    }
    const { stderr } = m.run(["jk_cp", "-j", jail, "/srv/www"]);
    expect(stderr).toContain("and 22 more (-v lists them)");
    const told = m.run(["jk_cp", "-v", "-j", jail, "/srv/www"]);
    expect(`${told.stdout}${told.stderr}`.match(/is left out: the symbolic link/g)?.length).toBe(30);
    for (let round = 0; round < 4; round++) {
      for (const command of remedies(m.run(["jk_cp", "-j", jail, "/srv/www"]).stderr)) m.must(command);
    }
    expect(m.run(["jk_cp", "-j", jail, "/srv/www"]).stderr).toBe("");
  });
});

/** Where a script is, and whether its interpreter is copied along. */
const GROUNDS: readonly (readonly [what: string, comes: boolean, make: () => void])[] = [
  ["a directory of root's", true, () => {}],
  ["one that root's group can write", true, () => m.chmod("/srv/www/d", 0o775)],
  [
    "one that root's group can write, and alice by its ACL",
    false,
    () => {
      m.chmod("/srv/www/d", 0o775);
      m.must(["setfacl", "-m", `u:${ALICE}:rwx`, "/srv/www/d"]);
    },
  ],
  [
    "one that another group can write",
    false,
    () => {
      m.chown("/srv/www/d", 0, BOB);
      m.chmod("/srv/www/d", 0o775);
    },
  ],
  ["a sticky one that all can write", false, () => m.chmod("/srv/www/d", 0o1777)],
  ["one of root's below a sticky one", true, () => m.chmod("/srv/www", 0o1777)],
  ["one of root's below alice's", false, () => m.chown("/srv/www", ALICE, ALICE)],
  ["one of alice's below root's", false, () => m.chown("/srv/www/d", ALICE, ALICE)],
  ["a script of alice's in a directory of root's", false, () => m.chown("/srv/www/d/s", ALICE, ALICE)],
  ["a script that all can write in a directory of root's", false, () => m.chmod("/srv/www/d/s", 0o777)],
  [
    "a bind mount of root's below alice's",
    false,
    () => {
      m.chown("/srv/www", ALICE, ALICE);
      m.must(["cp", "-a", "/srv/www/d", "/srv/elsewhere"]);
      m.must(["mount", "--bind", "/srv/elsewhere", "/srv/www/d"]);
    },
  ],
];

test.each(GROUNDS)("ground: %s", (_what, comes, make) => {
  m.chown("/srv/www", 0, 0);
  m.write("/srv/www/d/s", `#!${INTERPRETER}\n`, { mode: 0o755 });
  make();
  try {
    for (const name of ["/srv/www", "/srv/www/d", "/srv/www/d/s"]) {
      const to = `${jail}${name.replaceAll("/", "-")}`;
      m.mkdir(to);
      const { status, stderr } = m.run(["jk_cp", "-j", to, name]);
      const came = m.exists(to + INTERPRETER);
      expect([name, status, came, warnings(stderr).length]).toEqual([name, 0, comes, comes ? 0 : 1]);
      expect(m.exists(`${to}/srv/www/d/s`)).toBe(true);
    }
  } finally {
    m.run(["umount", "/srv/www/d"]);
    m.remove("/srv/elsewhere");
  }
});

describe("what was copied along before", () => {
  const thing = "/usr/local/share/odd/thing";
  beforeEach(() => {
    m.write(thing, "first");
    m.chown("/srv/www", 0, 0);
    link("a", thing);
    m.must(["jk_cp", "-j", jail, "/srv/www"]);
    expect(m.read(jail + thing)).toBe("first");
    m.chown("/srv/www", ALICE, ALICE);
    m.write(thing, "second");
  });

  test.each([[[]], [["--prune"]]])(
    "stays and is not updated, and that is reported: jk_update %j",
    (options) => {
      for (const more of [["--dry-run"], []]) {
        const { status, stdout, stderr } = m.run(["jk_update", "-v", ...options, ...more, "-j", jail]);
        expect([status, m.read(jail + thing)]).toEqual([0, "first"]);
        expect(stderr).toContain("1 entry of the jail was copied because of '/srv/www'");
        expect(stdout + stderr).toContain(`${jail}${thing} was copied because of '/srv/www'`);
        for (const command of more.length === 0 ? remedies(stderr) : []) m.must(command);
      }
      // Named once, it is renewed with the rest.
      expect(m.run(["jk_update", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
      expect(m.read(jail + thing)).toBe("second");
    },
  );

  test("and her own files are updated without it", () => {
    script("s", "/usr/bin/perl");
    copy("t", "/root/x");
    m.must(["jk_cp", "-j", jail, "/srv/www"]);
    m.write("/srv/www/s", "#!/usr/bin/perl\n# new\n", { mode: 0o755, owner: alice });
    m.write("/srv/www/t", `${m.read("/root/x")}new`, { mode: 0o755, owner: alice });
    m.write("/srv/www/broken", "\x7fELF, and no more", { mode: 0o755, owner: alice });
    expect(m.run(["jk_update", "-j", jail]).status).toBe(0);
    for (const name of ["s", "t", "broken"]) {
      expect(m.read(`${jail}/srv/www/${name}`)).toBe(m.read(`/srv/www/${name}`));
    }
    expect(m.exists(`${jail}/usr/bin/perl`)).toBe(false);
  });

  test("is removed when nothing there names it any more", () => {
    m.remove("/srv/www/a");
    expect(m.run(["jk_update", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
    expect(m.exists(jail + thing)).toBe(false);
  });

  test("is removed with the directory", () => {
    m.must(["jk_cp", "--remove", "-j", jail, "/srv/www"]);
    expect([m.exists(jail + thing), m.exists(`${jail}/srv/www`)]).toEqual([false, false]);
  });
});

describe("alice exchanges two names all the time", () => {
  /** Copies `name` into a new jail, again and again meanwhile; what became of the copies, each once. */
  async function copies(first: string, second: string, name: string, look: (to: string) => string) {
    const program = `${checkout}/test/attack/escape-racer.ts`;
    racer = m.start([process.execPath, program, String(ALICE), "100000000", first, second]);
    await racer.until(({ stdout }) => (stdout.includes("started") ? true : undefined));
    const seen = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const to = `${jail}-${round}`;
      m.mkdir(`${to}/etc`);
      m.run(["jk_cp", "-f", "-j", to, name]);
      seen.add(look(to));
    }
    return [...seen].sort();
  }
  const contents = (to: string, ...paths: string[]) =>
    paths.map((path) => ((m.stat(to + path)?.mode ?? 0) >> 12 === 8 ? m.read(to + path) : "-")).join(" ");

  test("a directory and a link to root's", async () => {
    m.write("/root/private/f", "secret");
    m.chmod("/root/private", 0o700);
    m.write("/srv/www/d/f", "hers", { owner: alice });
    m.chown("/srv/www/d", ALICE, ALICE);
    link("l", "/root/private");
    const seen = await copies("/srv/www/d", "/srv/www/l", "/srv/www", (to) => {
      const real = (name: string) => (m.stat(`${to}/srv/www/${name}`)?.mode ?? 0) >> 12 === 4;
      return [
        m.exists(`${to}/root`) ? "root's" : "",
        ...["d", "l"].map((name) => (real(name) ? contents(to, `/srv/www/${name}/f`) : "")),
      ].join("");
    });
    expect(seen).toContain("hers");
    expect(seen.filter((one) => /root|secret/.test(one))).toEqual([]);
  });

  test("a file and a name of one that she cannot read", async () => {
    m.write("/root/secret", "secret", { mode: 0o600 });
    m.write("/srv/www/f", "hers", { mode: 0o600, owner: alice });
    m.must(["ln", "/root/secret", "/srv/www/g"]);
    const look = (to: string) => contents(to, "/srv/www/f", "/srv/www/g");
    const seen = await copies("/srv/www/f", "/srv/www/g", "/srv/www", look);
    expect(seen.filter((one) => one.includes("secret"))).toEqual([]);
    expect(seen.some((one) => one.includes("hers"))).toBe(true);
  });

  test("a directory, and a link to where her file would be root's configuration", async () => {
    m.write("/srv/www/d/ld.so.preload", "hers", { owner: alice });
    m.chown("/srv/www/d", ALICE, ALICE);
    link("l", "/etc");
    const look = (to: string) => contents(to, "/etc/ld.so.preload", "/srv/www/d/ld.so.preload");
    const seen = await copies("/srv/www/d", "/srv/www/l", "/srv/www/d/ld.so.preload", look);
    expect(seen.filter((one) => one.startsWith("hers"))).toEqual([]);
    expect(seen).toContain("- hers");
  });
});
