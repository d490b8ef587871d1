/** jk_init keeps the plan of an empty jail: the next jail is the same, and never one of an earlier host. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { populateReportSchema as schemaFor } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine, type RunResult } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/jail";
const PLANS = "/var/lib/jailkit/plans";
const DROP_IN = "/etc/jailkit/jk_init.d/test.ini";
const INIT = ["jk_init", "-v", "-j", JAIL, "test"];
const MARK = "this plan was kept";
const EVE = 1234;
const MANY = 10;
// In milliseconds.
const PAUSE = 500;
const LIBRARIES = "/usr/lib/x86_64-linux-gnu";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jailkit"] });
  const programs = ["/usr/bin/ls", "/opt/run", "/opt/python", "/opt/tool"];
  const files = ["/opt/app", "/opt/plain/file", "/opt/late/file", "/opt/shared", "/opt/group", "/opt/*.glob"];
  m.write(
    DROP_IN,
    [
      "[test]",
      `paths = ${[...programs, ...files].join(", ")}`,
      "paths_w_setuid = /opt/mount/setuid",
      "devices = /opt/mount/null, /dev/null",
      "includesections = tested",
      "[tested]",
      "paths = /usr/share/zoneinfo",
      "[outside]",
      "paths = /opt/zones",
      "[inside]",
      "paths = /opt/app/empty",
      "includesections = tested",
      "[users]",
      "paths = /opt/users",
      "includesections = tested",
      ...Array.from({ length: MANY }, (_, n) => `[n${n}]\nemptydirs = /opt\nincludesections = tested`),
    ].join("\n"),
  );
  const program = { mode: 0o755 };
  m.write("/opt/run", "#!/usr/bin/dd\n", program);
  m.write("/opt/python", "#!/usr/bin/python3\n", program);
  m.symlink("/etc/alternatives/tool", "/opt/tool");
  m.symlink("/usr/bin/wc", "/etc/alternatives/tool");
  m.write("/opt/app/file", "1");
  m.write("/opt/app/old/file", "1");
  m.write("/opt/app2/file", "2");
  m.mkdir("/opt/app/empty");
  m.symlink("file", "/opt/app/link");
  m.write("/opt/plain/file", "1");
  m.write("/opt/shared", "1", { mode: 0o640 });
  m.must(["setfacl", "-m", "g::rw,m::rw", "/opt/shared"]);
  m.mkdir("/opt/group", { mode: 0o775 });
  m.symlink("/opt/app2", "/opt/group/link");
  m.write("/opt/one.glob", "1");
  m.write("/opt/users/file", "1", { owner: [EVE, EVE] });
  m.mkdir("/opt/mount");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/opt/mount"]);
  m.write("/opt/mount/setuid", "1", { mode: 0o4755 });
  m.must(["mknod", "-m", "0660", "/opt/mount/null", "c", "1", "3"]);
  m.must(["setfacl", "-m", "g::rw,m::rw", "/opt/mount/null"]);
  m.must(["cp", `${LIBRARIES}/libselinux.so.1`, "/opt/app2/"]);
  // What is left is large enough for a plan.
  m.remove("/usr/share/zoneinfo/right");
  m.must(["cp", "-r", "/usr/share/zoneinfo", "/opt/zones"]);
  m.write("/root/times", "");
  // Libraries are searched in the directories.
  m.remove("/etc/ld.so.cache");
});
afterAll(() => m?.close());
beforeEach(() => m.remove("/var/lib/jailkit"));

const plans = () => (m.exists(PLANS) ? m.list(PLANS) : []);
const sha256 = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");

/** Fills a new jail. */
function fill(words = INIT, jail = JAIL): RunResult {
  m.remove(jail);
  return m.run(words);
}

function record(): string {
  const [name] = m.exists("/var/lib/jailkit/jails") ? m.list("/var/lib/jailkit/jails") : [];
  if (name === undefined) return "";
  const text = m.read(`/var/lib/jailkit/jails/${name}/manifest.json`);
  return text.replaceAll(/"(?:ino|time)":"?\d+"?/g, "");
}

/** All that can be seen of a new jail. */
function outcome(words = INIT) {
  m.remove("/var/lib/jailkit/jails");
  const { status, stdout, stderr } = fill(words);
  return { status, stdout, stderr, record: record(), jail: m.snapshot(JAIL) };
}

/** The same with a new plan. */
function planned(words = INIT) {
  m.remove(PLANS);
  return outcome(words);
}

/** Fills new jails until a plan is kept, since what it looks at must be some seconds old. Returns its path. */
function keep(words = INIT): string {
  m.remove(PLANS);
  for (let attempt = 0; attempt < 200 && plans().length === 0; attempt++) {
    // Seconds full of jails would be most of the work of this file.
    if (attempt > 0) Bun.sleepSync(PAUSE);
    fill(words);
  }
  const [name] = plans();
  if (name === undefined) throw new Error("no plan is kept");
  return `${PLANS}/${name}`;
}

/** The bytes of a kept plan, with a line more that jk_init prints. */
function marked(bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes).toString("latin1");
  const content = text.slice(text.indexOf("\n") + 1);
  const at = content.lastIndexOf('"warnings":[') + '"warnings":['.length;
  const mark = `"${MARK}"${content[at] === "]" ? "" : ","}`;
  const forged = Buffer.from(content.slice(0, at) + mark + content.slice(at), "latin1");
  return Buffer.concat([Buffer.from(`${sha256(forged)}\n`), forged]);
}

/** Keeps a plan, and marks it. */
function keepMarked(words = INIT): string {
  const plan = keep(words);
  m.write(plan, marked(m.readBytes(plan)), { mode: 0o600 });
  return plan;
}

const usesPlan = (words = INIT, jail = JAIL) => fill(words, jail).stderr.includes(MARK);

/**
 * Keeps a plan, and returns the outcome of a jail that uses it. The directories of this overlay get other inode numbers when
 * the kernel needs the memory of the old ones; then the plan is made anew, and this is done once more.
 */
function outcomeOfKept(words = INIT): ReturnType<typeof outcome> {
  for (let attempt = 0; attempt < 10; attempt++) {
    keepMarked(words);
    const found = outcome(words);
    if (found.stderr.includes(MARK)) return found;
  }
  throw new Error("no kept plan is used");
}

describe("the same host", () => {
  test("the second jail is the first: files, record, lines", () => {
    const first = planned();
    expect(first.status).toBe(0);
    expect(first.stderr).toContain("/opt/python is a script for /usr/bin/python3");
    keep();
    expect(outcome()).toEqual(first);
    outcomeOfKept();
  });

  test("the second report is the first", () => {
    const words = ["jk_init", "--json", "-j", JAIL, "test"];
    const schema = schemaFor("jk_init");
    const first = reportOf(schema, fill(words).stdout);
    keep();
    const second = reportOf(schema, fill(words).stdout);
    expect(second).toEqual(first);
    expect(second.actions.length).toBeGreaterThan(500);
  });

  test("no directory of the plan is listed, and no program is read", () => {
    const calls = (text: string) => {
      m.remove(JAIL);
      m.mkdir(JAIL);
      m.must(["strace", "-f", "-o", "/root/trace", "-e", "trace=getdents64,pread64", ...INIT]);
      return m.read("/root/trace").split(text).length - 1;
    };
    keep();
    const elf = "\\177ELF";
    expect(calls(elf)).toBe(0);
    const listed = calls("getdents64(");
    m.remove(PLANS);
    expect(calls(elf)).toBeGreaterThan(5);
    m.remove(PLANS);
    expect(calls("getdents64(")).toBeGreaterThan(listed + 30);
  });

  test("a plan is root's alone", () => {
    const plan = keep();
    const owner = (path: string) => m.must(["stat", "-c", "%u:%g %a", path]).stdout;
    expect([owner(PLANS), owner(plan)]).toEqual(["0:0 700\n", "0:0 600\n"]);
  });
});

test.each([
  ["a file of sections of its own", ["jk_init", "-c", "/etc/jailkit/jk_init.ini", "-j", JAIL, "tested"]],
  ["hard links", ["jk_init", "-k", "-j", JAIL, "tested"]],
  ["--force", ["jk_init", "--force", "-j", JAIL, "tested"]],
  ["--dry-run", ["jk_init", "--dry-run", "-j", JAIL, "tested"]],
  ["--why", ["jk_init", "--why", "/usr/share/zoneinfo", "-j", JAIL, "tested"]],
])("%s uses no plan, and leaves none", (_, words) => {
  outcomeOfKept(["jk_init", "-j", JAIL, "tested"]);
  expect(usesPlan(words)).toBe(false);
  m.remove(PLANS);
  fill(words);
  expect(plans()).toEqual([]);
});

test("a live jail uses no plan, and leaves none", () => {
  const sections = ["-j", JAIL, "livebasics", "outside"];
  outcomeOfKept(["jk_init", ...sections]);
  const live = ["jk_init", "--live", ...sections];
  try {
    expect(usesPlan(live)).toBe(false);
    m.must(["jailkit", "unmount", JAIL]);
    m.remove(PLANS);
    expect(fill(live).status).toBe(0);
    expect(plans()).toEqual([]);
  } finally {
    m.run(["jailkit", "unmount", JAIL]);
  }
});

test("a jail with something in it uses no plan", () => {
  outcomeOfKept();
  m.remove(JAIL);
  m.write(`${JAIL}/usr/share/zoneinfo/UTC`, "mine");
  const { status, stderr } = m.run(INIT);
  expect([status, stderr.includes(MARK)]).toEqual([0, false]);
  expect(m.read(`${JAIL}/usr/share/zoneinfo/UTC`)).toBe("mine");
});

test.each([
  ["is an empty directory of the plan", "inside", "it is the jail itself"],
  ["is in a directory of the plan", "test", "the jail is in it"],
])("a jail that %s uses no plan", (_, section, message) => {
  const inside = "/opt/app/empty";
  const words = (jail: string) => ["jk_init", "-j", jail, section];
  outcomeOfKept(words(JAIL));
  try {
    expect(usesPlan(words("/srv/other"), "/srv/other")).toBe(true);
    const { stderr } = m.run(words(inside));
    expect(stderr).not.toContain(MARK);
    expect(stderr).toContain(message);
  } finally {
    m.remove(inside);
    m.mkdir(inside);
  }
});

test("a plan with files of users is not kept", () => {
  keep();
  fill(["jk_init", "-j", JAIL, "users"]);
  fill(["jk_init", "-j", JAIL, "users"]);
  expect(plans()).toHaveLength(1);
});

test("a plan with a problem is not kept", () => {
  keep(["jk_init", "-j", JAIL, "tested"]);
  m.remove(PLANS);
  m.must(["mount", "-o", "remount,nodev", "/opt/mount"]);
  try {
    expect(fill().stderr).toContain("nodev");
    expect(plans()).toEqual([]);
  } finally {
    m.must(["mount", "-o", "remount,dev", "/opt/mount"]);
  }
});

test("the newest eight plans are kept, and a directory between them does no harm", () => {
  const words = (n: number) => ["jk_init", "-j", JAIL, `n${n}`];
  const first = keep(words(0));
  m.write(`${PLANS}/directory/file`, "");
  m.must(["touch", "-d", "2001-01-01", first, `${PLANS}/directory`]);
  for (let n = 1; n < MANY; n++) {
    fill(words(n));
    m.must([
      "touch",
      "-d",
      `200${n}-02-01`,
      ...plans()
        .map((name) => `${PLANS}/${name}`)
        .filter((each) => Number(m.stat(each)?.mtime ?? 0) > 1.3e18),
    ]);
  }
  expect(plans()).toHaveLength(9);
  expect(m.exists(first)).toBe(false);
  m.remove(`${PLANS}/directory`);
});

/** What changes on the host, and how that is undone. */
const CHANGES: readonly (readonly [what: string, change: () => void, undo: () => void])[] = [
  [
    "a new file in a directory, with old times",
    () => {
      m.write("/opt/app/new", "1");
      m.must(["touch", "-d", "2001-01-01", "/opt/app/new", "/opt/app"]);
    },
    () => m.remove("/opt/app/new"),
  ],
  ["a file is removed", () => m.remove("/opt/app/file"), () => m.write("/opt/app/file", "1")],
  [
    "a name in a directory",
    () => m.rename("/opt/app/old", "/opt/app/older"),
    () => m.rename("/opt/app/older", "/opt/app/old"),
  ],
  [
    "a directory is replaced by a link",
    () => {
      m.rename("/opt/app/old", "/opt/old");
      m.symlink("/opt/old", "/opt/app/old");
    },
    () => {
      m.remove("/opt/app/old");
      m.rename("/opt/old", "/opt/app/old");
    },
  ],
  [
    "a file is replaced by a directory",
    () => {
      m.remove("/opt/app/file");
      m.mkdir("/opt/app/file");
    },
    () => {
      m.remove("/opt/app/file");
      m.write("/opt/app/file", "1");
    },
  ],
  [
    "the target of a link",
    () => {
      m.remove("/opt/app/link");
      m.symlink("/opt/app2", "/opt/app/link");
    },
    () => {
      m.remove("/opt/app/link");
      m.symlink("file", "/opt/app/link");
    },
  ],
  [
    "an alternative",
    () => {
      m.remove("/etc/alternatives/tool");
      m.symlink("/usr/bin/tac", "/etc/alternatives/tool");
    },
    () => {
      m.remove("/etc/alternatives/tool");
      m.symlink("/usr/bin/wc", "/etc/alternatives/tool");
    },
  ],
  [
    "the interpreter of a script, with the same size and times",
    () => {
      m.must(["touch", "-r", "/opt/run", "/root/times"]);
      m.must(["cp", "/dev/stdin", "/opt/run"], { stdin: "#!/usr/bin/df\n" });
      m.must(["touch", "-r", "/root/times", "/opt/run"]);
    },
    () => m.write("/opt/run", "#!/usr/bin/dd\n", { mode: 0o755 }),
  ],
  ["the mode of a file", () => m.chmod("/opt/app/file", 0o600), () => m.chmod("/opt/app/file", 0o644)],
  ["the mode of a directory above", () => m.chmod("/opt/plain", 0o700), () => m.chmod("/opt/plain", 0o755)],
  ["a directory becomes a user's", () => m.chown("/opt/group", EVE, EVE), () => m.chown("/opt/group", 0, 0)],
  [
    "the ACL of a file, with the same mode",
    () => m.must(["setfacl", "-m", "g::---,m::rw", "/opt/shared"]),
    () => m.must(["setfacl", "-m", "g::rw,m::rw", "/opt/shared"]),
  ],
  [
    "the ACL of a directory, with the same mode",
    () => m.must(["setfacl", "-m", `u:${EVE}:rwx`, "/opt/group"]),
    () => m.must(["setfacl", "-b", "/opt/group"]),
  ],
  [
    "the ACL of a device, with the same mode",
    () => m.must(["setfacl", "-m", "g::---,m::rw", "/opt/mount/null"]),
    () => m.must(["setfacl", "-m", "g::rw,m::rw", "/opt/mount/null"]),
  ],
  [
    "a mount on a directory",
    () => m.must(["mount", "--bind", "/opt/app2", "/opt/app/empty"]),
    () => m.must(["umount", "/opt/app/empty"]),
  ],
  [
    "a mount on a file",
    () => m.must(["mount", "--bind", "/usr/bin/cut", "/opt/run"]),
    () => m.must(["umount", "/opt/run"]),
  ],
  [
    "nosuid",
    () => m.must(["mount", "-o", "remount,nosuid", "/opt/mount"]),
    () => m.must(["mount", "-o", "remount,suid", "/opt/mount"]),
  ],
  [
    "nodev",
    () => m.must(["mount", "-o", "remount,nodev", "/opt/mount"]),
    () => m.must(["mount", "-o", "remount,dev", "/opt/mount"]),
  ],
  ["a missing file is there", () => m.write("/opt/late/file", "1"), () => m.remove("/opt/late")],
  ["a match of a pattern", () => m.write("/opt/two.glob", "1"), () => m.remove("/opt/two.glob")],
  [
    "glibc-hwcaps",
    () => m.must(["install", "-D", "-t", `${LIBRARIES}/glibc-hwcaps/x86-64-v2`, "/opt/app2/libselinux.so.1"]),
    () => m.remove(`${LIBRARIES}/glibc-hwcaps`),
  ],
  [
    "ld.so.conf.d",
    () => m.write("/etc/ld.so.conf.d/test.conf", "/opt/app2\n"),
    () => m.remove("/etc/ld.so.conf.d/test.conf"),
  ],
  [
    "ld.so.cache",
    () => {
      m.write("/etc/ld.so.conf.d/test.conf", "/opt/app2\n");
      m.must(["ldconfig"]);
      m.remove("/etc/ld.so.conf.d/test.conf");
    },
    () => m.remove("/etc/ld.so.cache"),
  ],
  [
    "nsswitch.conf",
    () => m.write("/etc/nsswitch.conf", "passwd: files compat\ngroup: files\n"),
    () => m.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\n"),
  ],
  [
    "a section that a script's interpreter has",
    () => m.write("/etc/jailkit/jk_init.d/python3.ini", "[python3]\npaths = /usr/bin/python3\n"),
    () => m.remove("/etc/jailkit/jk_init.d/python3.ini"),
  ],
  [
    "an included section",
    () => m.write(DROP_IN, m.read(DROP_IN).replace("[tested]\n", "[tested]\nemptydirs = /opt/app2\n")),
    () => m.write(DROP_IN, m.read(DROP_IN).replace("emptydirs = /opt/app2\n", "")),
  ],
];

describe("a change of the host", () => {
  beforeAll(() => m.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\n"));

  test.each([...CHANGES])("%s: the next jail is one of a new plan", (_, change, undo) => {
    const before = outcomeOfKept();
    change();
    try {
      const after = outcome();
      expect(after.stderr).not.toContain(MARK);
      expect(after).toEqual(planned());
      expect(after).not.toEqual({ ...before, stderr: before.stderr.replace(new RegExp(`.*${MARK}\n`), "") });
    } finally {
      undo();
    }
  });
});

describe("a change while jk_init runs", () => {
  // With names that are some seconds old, so that only the places of the files tell.
  test.each([
    ["the mode of a directory above", () => m.chmod("/opt/plain", 0o777), () => m.chmod("/opt/plain", 0o755)],
    [
      "a mount on a directory",
      () => m.must(["mount", "--bind", "/opt/app2", "/opt/plain"]),
      () => m.must(["umount", "/opt/plain"]),
    ],
    [
      "nosuid",
      () => m.must(["mount", "-o", "remount,nosuid", "/opt/mount"]),
      () => m.must(["mount", "-o", "remount,suid", "/opt/mount"]),
    ],
  ])("%s: the plan is not used for the changed host", async (_, change, undo) => {
    keep();
    m.remove(PLANS);
    m.remove(JAIL);
    m.mkdir(JAIL);
    const trace = ["strace", "-f", "-e", "trace=symlinkat", "-e", "inject=symlinkat:signal=STOP:when=1"];
    const running = m.start([...trace, ...INIT]);
    await running.until(({ stderr }) => stderr.includes("stopped by SIGSTOP") || undefined, 60_000);
    change();
    try {
      const [pid = ""] = m.must(["pidof", "jk_init"]).stdout.trim().split(" ");
      m.must(["kill", "-CONT", pid]);
      expect((await running.ended).status).toBe(0);
      expect(outcome()).toEqual(planned());
    } finally {
      undo();
    }
  });
});

describe("a plan that is not jk_init's", () => {
  let plan: string;
  let bytes: Buffer;
  let expected: ReturnType<typeof outcome>;
  const renew = () => {
    m.remove("/var/lib/jailkit");
    plan = keep();
    bytes = marked(m.readBytes(plan));
  };
  beforeAll(() => {
    renew();
    expected = planned();
  });
  beforeEach(() => m.write(plan, bytes, { mode: 0o600 }));
  const put = (path: string, content: Uint8Array) => m.write(path, content, { mode: 0o600 });
  const other = (at: number) => bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));

  test("whole, it would be used", () => {
    m.mkdir(PLANS, { mode: 0o700 });
    // As in outcomeOfKept.
    for (let attempt = 0; attempt < 10 && !usesPlan(); attempt++) {
      renew();
      put(plan, bytes);
    }
    expect(usesPlan()).toBe(true);
  });

  test.each<[string, () => void]>([
    ["truncated", () => put(plan, bytes.subarray(0, bytes.length / 2))],
    ["without its end", () => put(plan, bytes.subarray(0, -1))],
    ["empty", () => put(plan, new Uint8Array())],
    [
      "garbage",
      () =>
        put(
          plan,
          other(3).map((byte) => byte ^ 0x55),
        ),
    ],
    ["one bit of its sum", () => put(plan, other(5))],
    ["one bit of its text", () => put(plan, other(bytes.length - 100))],
    [
      "a directory",
      () => {
        m.remove(plan);
        m.write(`${plan}/file`, "");
      },
    ],
    [
      "a FIFO",
      () => {
        m.remove(plan);
        m.must(["mkfifo", plan]);
      },
    ],
    [
      "a symbolic link",
      () => {
        put("/root/plan", bytes);
        m.remove(plan);
        m.symlink("/root/plan", plan);
      },
    ],
    ["a user's", () => m.chown(plan, EVE, 0)],
    ["writable by a group", () => m.chmod(plan, 0o620)],
    ["writable by all", () => m.chmod(plan, 0o602)],
    ["in a directory that a group can write", () => m.chmod(PLANS, 0o770)],
    ["in a user's directory", () => m.chown(PLANS, EVE, 0)],
    [
      "in a directory behind a link",
      () => {
        m.must(["cp", "-a", PLANS, "/tmp/plans"]);
        m.chown("/tmp/plans", EVE, 0);
        m.remove(PLANS);
        m.symlink("/tmp/plans", PLANS);
      },
    ],
  ])("%s: the jail is right", (_, damage) => {
    damage();
    expect(outcome()).toEqual(expected);
    m.remove("/tmp/plans");
    expect(outcome()).toEqual(expected);
  });

  test("the directory is a file: the jail is right", () => {
    m.remove(PLANS);
    m.write(PLANS, "");
    expect(outcome()).toEqual(expected);
  });

  test("a full disk: the jail is right, and no part of a plan stays", () => {
    m.remove(PLANS);
    m.mkdir(PLANS, { mode: 0o700 });
    m.must(["mount", "-t", "tmpfs", "-o", "mode=0700,size=16k", "tmpfs", PLANS]);
    try {
      expect(outcome()).toEqual(expected);
      expect(plans()).toEqual([]);
    } finally {
      m.must(["umount", PLANS]);
    }
  });

  test("a directory that cannot be written: the jail is right", () => {
    m.remove(PLANS);
    m.mkdir(PLANS, { mode: 0o700 });
    m.must(["mount", "-t", "tmpfs", "-o", "mode=0700,ro", "tmpfs", PLANS]);
    try {
      expect(outcome()).toEqual(expected);
    } finally {
      m.must(["umount", PLANS]);
    }
  });
});
