/** What `jailkit explain` says that the kernel stops of a command is what sessions find; its remedies work, typed. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const chrootsh = "/etc/jailkit/jk_chrootsh.ini";
const uchroot = "/etc/jailkit/jk_uchroot.ini";
const lsh = `${J}/etc/jailkit/jk_lsh.ini`;
const PROGRAMS = ["cat", "ls", "head", "tee", "mkdir", "touch", "rm", "cp", "mv", "rsync", "ssh"];
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics"]);
  m.must(["jk_cp", "-j", J, ...PROGRAMS.map((name) => `/usr/bin/${name}`)]);
  // All machines share the kernel's count of a user's processes, which nproc limits: no other one has these users.
  for (const [name, uid, shell] of [
    ["shell", 48_001, "/bin/bash"],
    ["lima", 48_002, "/usr/sbin/jk_lsh"],
  ] as const) {
    m.addUser(name, { uid, home: `/home/${name}`, createHome: true });
    m.must(["jk_jailuser", "-n", "-m", "-s", shell, "-j", J, name]);
  }
  m.addUser("guest", { createHome: true });
  m.must(["jk_jailuser", "--jail-side-only", "-j", J, "guest"]);
}, 120_000);
afterAll(() => m?.close());

beforeEach(() => {
  for (const file of [chrootsh, uchroot, lsh]) m.remove(file);
  for (const name of ["data", "other"]) {
    m.remove(`${J}/${name}`);
    m.mkdir(`${J}/${name}`);
    m.chmod(`${J}/${name}`, 0o777);
    m.write(`${J}/${name}/file`, "content\n", { mode: 0o666 });
  }
  m.write(`${J}/fixed/file`, "content\n");
  m.remove(`${J}/home/shell/link`);
  m.must(["ln", "-s", "/fixed/file", `${J}/home/shell/link`]);
  m.remove(`${J}/home/shell/in`);
  m.mkdir(`${J}/home/shell/in`);
  m.write(`${J}/home/shell/own`, "");
  m.must(["chown", "shell", `${J}/home/shell/in`, `${J}/home/shell/own`]);
});

type Kind = "jk_chrootsh" | "jk_lsh" | "jk_uchroot" | "jk_chrootlaunch";
const write = (kind: Kind, keys: string) => {
  if (kind === "jk_chrootsh") m.write(chrootsh, `[shell]\n${keys}\n`);
  const executables = PROGRAMS.map((name) => `/usr/bin/${name}`).join(", ");
  if (kind === "jk_lsh") m.write(lsh, `[lima]\npaths = /usr/bin\nexecutables = ${executables}\n${keys}\n`);
  if (kind === "jk_uchroot") m.write(uchroot, `[guest]\nallowed_jails = ${J}\n${keys}\n`);
};
const launchWords = (line: string, keys: string) => {
  const [name = "", ...args] = line.split(" ");
  const options = keys
    .split("\n")
    .filter((key) => key !== "")
    .map((key) => `--${key.replace(" = ", "=").replace("_", "-")}`);
  return ["-j", J, "-x", `/usr/bin/${name}`, "-u", "guest", ...options, "--", ...args];
};

/** Runs a command line, by its program without a directory. */
function run(kind: Kind, line: string, keys = "") {
  const [name = "", ...args] = line.split(" ");
  const of = (user: string, words: string[]) =>
    m.run(words, { user, env: { USER: user }, cwd: "/", stdin: "x" });
  if (kind === "jk_chrootsh") return of("shell", ["jk_chrootsh", "-c", line]);
  if (kind === "jk_lsh") return of("lima", ["jk_chrootsh", "-c", line]);
  if (kind === "jk_uchroot")
    return of("guest", ["jk_uchroot", "-j", J, "-x", `/usr/bin/${name}`, "--", ...args]);
  return m.run(["jk_chrootlaunch", ...launchWords(line, keys)], { cwd: "/", stdin: "x" });
}

/** The steps about what is stopped. */
function explain(kind: Kind, line: string, keys = "") {
  const [name = "", ...args] = line.split(" ");
  const words = {
    jk_chrootsh: ["--su", "shell", "--", line],
    jk_lsh: ["--su", "lima", "--", line],
    jk_uchroot: ["-j", J, "guest", "--", `/usr/bin/${name}`, ...args],
    jk_chrootlaunch: ["--launch", "--", ...launchWords(line, keys)],
  }[kind];
  const { stdout } = m.run(["jailkit", "explain", "--json", ...words]);
  const { steps, verdict, exitStatus } = reportOf(explainReportSchema, stdout);
  const own = steps.filter((one) => ["paths", "network", "limits"].includes(one.name) && one.stage === kind);
  return {
    verdict,
    exitStatus,
    told: own.map(({ message }) => message),
    remedy: own[0]?.remedy ?? optionIn(own[0]?.message),
    own,
  };
}

describe("paths of a command", () => {
  /** A key, a command, and what is said of it; "" if it works. */
  const rows: [Kind[], string, string, string][] = [
    [
      ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_chrootlaunch"],
      "read = /other",
      "cat /fixed/file",
      "may not read '/fixed/file': read allows /other",
    ],
    [["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_chrootlaunch"], "read = /other", "cat /other/file", ""],
    [
      ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_chrootlaunch"],
      "write = /other",
      "touch /data/new",
      "may not create '/data/new': write allows /other",
    ],
    [["jk_chrootsh", "jk_lsh", "jk_uchroot"], "write = /other", "touch /other/new", ""],
    [
      ["jk_chrootsh", "jk_lsh"],
      "write = none",
      "mkdir -p /data/new",
      "may not create '/data/new': write allows none",
    ],
    // Landlock does not cover the time of a file.
    [["jk_chrootsh"], "write = none", "touch /home/shell/own", ""],
    [
      ["jk_chrootsh", "jk_lsh", "jk_uchroot"],
      "read = none",
      "ls /data",
      "may not read '/data': read allows none",
    ],
    [["jk_chrootsh", "jk_lsh", "jk_uchroot"], "read = none", "ls /data/file", ""],
    [
      ["jk_chrootsh", "jk_uchroot"],
      "read = none",
      "head -n 1 /etc/passwd /fixed/file",
      "may not read '/fixed/file'",
    ],
    [["jk_chrootsh", "jk_lsh"], "read = none", "cat /etc/passwd", ""],
    [["jk_chrootsh"], "read = ~/in\nwrite = ~/in", "cat link", "may not read '/home/shell/link'"],
    [["jk_chrootsh"], "read = ~/in\nwrite = ~/in", "touch ~/in/new", ""],
    [["jk_chrootsh"], "read = ~/in\nwrite = ~/in", "touch ~/new", "may not create '/home/shell/new'"],
    [["jk_chrootsh"], "write = ~", "touch new", ""],
    [["jk_chrootsh", "jk_lsh"], "write = /other", "rm /data/file", "may not remove '/data/file'"],
    [["jk_chrootsh", "jk_lsh"], "write = /other", "cp /data/file /other", ""],
    [["jk_chrootsh", "jk_lsh"], "write = /other", "cp /other/file /data/copy", "may not create '/data/copy'"],
    [["jk_chrootsh", "jk_lsh"], "write = /other", "cp /other/file /data", "may not write '/data'"],
    [
      ["jk_chrootsh", "jk_lsh"],
      "write = /other",
      "mv /data/file /other/moved",
      "may not remove '/data/file'",
    ],
    [["jk_chrootsh", "jk_lsh"], "write = /other", "tee /data/file", "may not write '/data/file'"],
    [["jk_chrootsh", "jk_lsh"], "write = /data/file", "tee /data/file", ""],
    [["jk_lsh"], "read = /other", "rsync --server --sender -e.LsfxCIvu . /data", "may not read '/data'"],
  ];
  const cases = rows.flatMap(([kinds, ...row]) => kinds.map((kind) => [kind, ...row] as const));
  test.each(cases)("%s %j: %s: %s", (kind, keys, line, message) => {
    write(kind, keys);
    const { verdict, told, remedy, own } = explain(kind, line, keys);
    expect(told).toEqual(message === "" ? [] : [expect.stringContaining(message)]);
    expect(verdict).toBe("works");
    if (message === "") {
      const { status, stderr } = run(kind, line, keys);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      return;
    }
    const client = line.startsWith("rsync");
    const before = run(kind, line, keys);
    if (!client)
      expect([before.status === 0, before.stderr]).toEqual([
        false,
        expect.stringContaining("Permission denied"),
      ]);
    expect(own[0]?.outcome).toBe("warned");
    expect(remedy).not.toBe("");
    if (kind === "jk_chrootlaunch") {
      const more = remedy.replace(/^'?--(\w+)=(.*?)'?$/, "$1 = $2");
      expect(explain(kind, line, more).told).toEqual([]);
      expect(run(kind, line, more).status).toBe(0);
      return;
    }
    typeRemedy(m, remedy);
    expect(explain(kind, line).told).toEqual([]);
    if (!client) expect(run(kind, line)).toMatchObject({ status: 0, stderr: "" });
  });

  test("a place that would not count is not named by a remedy", () => {
    write("jk_chrootsh", "read = /other");
    const { told, remedy } = explain("jk_chrootsh", "cat /data/file");
    expect([told.length, remedy]).toEqual([1, ""]);
    write("jk_chrootsh", "read = /other\nwrite = none");
    typeRemedy(m, explain("jk_chrootsh", "cat /data/file").remedy);
    expect(run("jk_chrootsh", "cat /data/file")).toMatchObject({ status: 0, stdout: "content\n" });
  });

  test("a user who asks about himself is told the same", () => {
    for (const keys of ["read = /other", "limits = as 2M", "network = none", ""]) {
      write("jk_uchroot", keys);
      for (const command of ["cat /fixed/file", "ssh -p 1 127.0.0.1"]) {
        const [name = "", ...args] = command.split(" ");
        const words = ["jailkit", "explain", "--json", "-j", J, "guest", "--", `/usr/bin/${name}`, ...args];
        const { stdout } = m.run(words, { user: "guest" });
        const { steps } = reportOf(explainReportSchema, stdout);
        const own = steps.filter((one) => ["paths", "network", "limits"].includes(one.name));
        const ofTool = own.filter(({ stage }) => stage === "jk_uchroot");
        expect(ofTool.map(({ message }) => message)).toEqual(explain("jk_uchroot", command).told);
      }
    }
  });

  test("of a line that is more than plain words nothing is said", () => {
    write("jk_chrootsh", "read = none");
    for (const line of ["cat /fixed/file; true", "cat '/data/file'", "X=1 cat /fixed/file", "cat /data/*"])
      expect(explain("jk_chrootsh", line).told).toEqual([]);
  });

  test("jk_chrootsh.ini stops a command of the limited shell in it, too", () => {
    write("jk_lsh", "");
    m.write(chrootsh, "[lima]\nread = /other\n");
    expect(run("jk_lsh", "cat /fixed/file").stderr).toContain("Permission denied");
    const { stdout } = m.run(["jailkit", "explain", "--json", "--su", "lima", "--", "cat /fixed/file"]);
    const { steps } = reportOf(explainReportSchema, stdout);
    const step = steps.find(({ name }) => name === "paths");
    expect(step).toMatchObject({ stage: "jk_chrootsh", message: expect.stringContaining("may not read") });
    typeRemedy(m, step?.remedy ?? "");
    expect(run("jk_lsh", "cat /fixed/file")).toMatchObject({ status: 0, stdout: "content\n" });
  });
});

test("a path of read that counts only with write is explained", () => {
  m.write(`${J}/home/shell/in/file`, "content\n");
  write("jk_chrootsh", "read = ~/in");
  const { told } = explain("jk_chrootsh", "cat in/file");
  expect(told).toEqual([
    "read = /home/shell/in allows nothing: without the key write, a user may have moved something else there",
    expect.stringContaining("may not read '/home/shell/in/file'"),
  ]);
  expect(run("jk_chrootsh", "cat in/file").stderr).toContain("Permission denied");
  write("jk_chrootsh", "read = ~/in\nwrite = none");
  expect(explain("jk_chrootsh", "cat in/file").told).toEqual([]);
  expect(run("jk_chrootsh", "cat in/file").status).toBe(0);
  write("jk_chrootsh", "read = /nosuch\nwrite = none");
  expect(explain("jk_chrootsh", "true").told).toEqual([
    "read = /nosuch allows nothing: No such file or directory",
  ]);
});

test("a path that leads nowhere is told once, though what is written is also read", () => {
  write("jk_lsh", "read = /nosuch\nwrite = /nosuch");
  const missing = "write = /nosuch allows nothing: No such file or directory";
  expect(explain("jk_lsh", "true").told).toEqual([missing]);
  m.write(lsh, "[lima]\nallow = rsync\npaths = /usr/bin\nwrite = /nosuch\n");
  expect(
    explain("jk_lsh", "rsync --server . /nosuch").told.filter((one) => one.includes("allows nothing")),
  ).toEqual([missing]);
});

describe("the network", () => {
  const line = "ssh -F none -o BatchMode=yes -p 1 127.0.0.1";
  const kinds: Kind[] = ["jk_chrootsh", "jk_lsh", "jk_uchroot", "jk_chrootlaunch"];
  test.each(kinds.flatMap((kind) => ["local", "none"].map((value) => [kind, value] as const)))(
    "%s network = %s",
    (kind, value) => {
      const keys = `network = ${value}`;
      write(kind, keys);
      const { told, remedy } = explain(kind, line, keys);
      expect(told).toEqual([
        expect.stringContaining(`needs sockets of the network, and network = ${value} refuses`),
      ]);
      expect(run(kind, line, keys).stderr).not.toContain("Connection refused");
      expect(explain(kind, "ssh -V", keys).told).toEqual([]);
      expect(run(kind, "ssh -V", keys).status).toBe(0);
      if (kind !== "jk_chrootlaunch") typeRemedy(m, remedy);
      expect(explain(kind, line, "network = all").told).toEqual([]);
      expect(run(kind, line, "network = all").stderr).toContain("Connection refused");
    },
  );

  test("opens nothing for a program that is not there", () => {
    for (const keys of ["network = none", "tcp_connect = none"]) {
      write("jk_chrootsh", keys);
      for (const line of ["curl http://127.0.0.1/", "/usr/bin/curl http://127.0.0.1/"]) {
        expect(explain("jk_chrootsh", line).told).toEqual([]);
        expect(run("jk_chrootsh", line).status).toBe(127);
      }
    }
  });

  test("a port that tcp_connect does not name", () => {
    write("jk_chrootsh", "tcp_connect = 22");
    const { told, remedy } = explain("jk_chrootsh", "rsync rsync://127.0.0.1/x");
    expect(told).toEqual([expect.stringContaining("connects to TCP port 873, and tcp_connect allows 22")]);
    expect(run("jk_chrootsh", "rsync rsync://127.0.0.1/x").stderr).toContain("Permission denied");
    typeRemedy(m, remedy);
    expect(explain("jk_chrootsh", "rsync rsync://127.0.0.1/x").told).toEqual([]);
    expect(run("jk_chrootsh", "rsync rsync://127.0.0.1/x").stderr).toContain("Connection refused");
  });
});

describe("limits", () => {
  const kinds: Kind[] = ["jk_chrootsh", "jk_lsh", "jk_uchroot"];
  test.each(kinds.flatMap((kind) => ["as 2M", "nofile 3"].map((limit) => [kind, limit] as const)))(
    "%s cannot start a program with %s",
    (kind, limit) => {
      write(kind, `limits = core 0, ${limit}`);
      const { verdict, exitStatus, told, remedy } = explain(kind, "ls /data");
      expect([verdict, told]).toEqual([
        "refused",
        [expect.stringMatching(/address space|cannot open its libraries/)],
      ]);
      const { status } = run(kind, "ls /data");
      expect(status).not.toBe(0);
      if (exitStatus !== null) expect(status).toBe(exitStatus);
      typeRemedy(m, remedy);
      expect(explain(kind, "ls /data")).toMatchObject({ verdict: "works", told: [] });
      expect(run(kind, "ls /data").status).toBe(0);
    },
  );

  test("nproc 1 starts no other process, and fsize 0 writes nothing", () => {
    write("jk_chrootsh", "limits = nproc 1");
    expect(explain("jk_chrootsh", "ls /data").told).toEqual([
      expect.stringContaining("can start another process"),
    ]);
    expect(run("jk_chrootsh", "ls /data; true").status).not.toBe(0);
    write("jk_chrootsh", "limits = nproc 2");
    expect(explain("jk_chrootsh", "ls /data").told).toEqual([]);
    expect(run("jk_chrootsh", "ls /data; true").status).toBe(0);
    write("jk_chrootsh", "limits = fsize 0");
    const { told, remedy } = explain("jk_chrootsh", "tee /data/new");
    expect(told).toEqual(["limits = fsize 0: nothing can be written to a file"]);
    expect(run("jk_chrootsh", "tee /data/new").status).not.toBe(0);
    typeRemedy(m, remedy);
    expect(run("jk_chrootsh", "tee /data/new").status).toBe(0);
  });

  test("the least that config check names are enough for a shell, and its programs", () => {
    write("jk_chrootsh", "limits = nofile 16, nproc 2, as 4M, data 512K, stack 64K, fsize 1");
    expect(m.run(["jailkit", "config", "check", chrootsh]).stdout).toBe("");
    expect(run("jk_chrootsh", "ls /data; tee /data/new").status).toBe(0);
    // And not much more than what is needed; with 8K of stack, some start, by chance.
    for (const limit of ["as 2M", "data 128K", "stack 4K", "nofile 3"]) {
      write("jk_chrootsh", `limits = ${limit}`);
      expect([limit, run("jk_chrootsh", "ls /data; true").status]).not.toEqual([limit, 0]);
      const { verdict, remedy } = explain("jk_chrootsh", "ls /data; true");
      expect([limit, verdict]).toEqual([limit, /^(?:data|stack)/.test(limit) ? "unknown" : "refused"]);
      expect(m.run(["jailkit", "config", "check", chrootsh]).stdout).toContain("[limit-too-low]");
      typeRemedy(m, remedy);
      expect(explain("jk_chrootsh", "ls /data; true")).toMatchObject({ verdict: "works", told: [] });
      expect([limit, run("jk_chrootsh", "ls /data; true").status]).toEqual([limit, 0]);
    }
  });
});

describe("a section with the key allow", () => {
  const ask = (line: string) => {
    const { stdout } = m.run(["jailkit", "explain", "--json", "--su", "lima", "--", line]);
    const { steps, verdict } = reportOf(explainReportSchema, stdout);
    const failed = steps.filter(({ outcome }) => outcome === "failed" || outcome === "unknown");
    return { verdict, remedy: failed.map(({ remedy }) => remedy ?? "").join("\n") };
  };
  const section = (keys: string) => m.write(lsh, `[lima]\n${keys}\n`);

  test.each([
    ["rsync --server --sender -e.LsfxCIvu . /data", "allow = sftp, rsync download"],
    ["rsync --server -e.LsfxCIvu . '/data'", "allow = sftp, rsync upload"],
  ])("gets the word that allows %s, and as little else as possible", (line, wanted) => {
    section("allow = sftp");
    const { verdict, remedy } = ask(line);
    expect([verdict, remedy.split("\n").slice(1)]).toEqual(["refused", [wanted]]);
    typeRemedy(m, remedy);
    expect(ask(line).verdict).toBe("works");
    expect(m.read(lsh)).not.toContain("executables");
  });

  test("gets no word that does not allow the command, and the program where it is missing", () => {
    section("allow = sftp\nread = /other\nwrite = none");
    expect(ask("rsync --server --sender -e.LsfxCIvu . /data")).toEqual({ verdict: "refused", remedy: "" });
    section("allow = sftp");
    expect(ask("git-upload-pack '/data'").remedy).toBe(
      `jk_init -j ${J} gitserver; then in section [lima] of ${lsh} write:\nallow = sftp, git read`,
    );
    section("allow = borg");
    expect(ask("borg serve").remedy).not.toContain("executables");
    // What no word is about is listed.
    section("allow = sftp");
    expect(ask("cat /data/file").remedy).toContain("executables = /usr/bin/cat");
  });

  test("is told how to raise a limit", () => {
    section("allow = rsync\nlimits = stack 4K, data 8K, core 0");
    const line = "rsync --server --sender -e.LsfxCIvu . /data";
    const { verdict, remedy } = ask(line);
    expect(verdict).toBe("unknown");
    expect(run("jk_lsh", line).status).toBeGreaterThan(126);
    typeRemedy(m, remedy);
    expect(m.read(lsh)).toContain("limits = stack 8M, data 2G, core 0");
    expect(ask(line).verdict).toBe("works");
  });
});

/** The option of jk_chrootlaunch that is advised in words. */
const optionIn = (message = "") => /; give it (.*)$/.exec(message)?.[1] ?? "";

describe("a home that could be mounted noexec", () => {
  const loader = process.arch === "x64" ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux-aarch64.so.1";
  const HOMES = `${J}/home`;
  const note = (kind: Kind, line = "true") => {
    const { steps, verdict } = explainAll(kind, line);
    expect(verdict).toBe("works");
    return steps.filter(({ name }) => name === "noexec");
  };
  const explainAll = (kind: Kind, line: string) => {
    const user = kind === "jk_lsh" ? "lima" : "shell";
    const { stdout } = m.run(["jailkit", "explain", "--json", "--su", user, "--", line]);
    return reportOf(explainReportSchema, stdout);
  };
  const maps = () => run("jk_chrootsh", `${loader} ./program`).status === 0;
  const upload = () => {
    m.must(["cp", "/usr/bin/true", `${HOMES}/shell/program`]);
    m.must(["chown", "shell", `${HOMES}/shell/program`]);
  };
  beforeEach(upload);

  test("that of a shell: one note, whose command is typed", () => {
    write("jk_chrootsh", "confine = 1");
    expect(run("jk_chrootsh", "./program").status).not.toBe(0);
    expect(maps()).toBe(true);
    const [one, ...more] = note("jk_chrootsh");
    expect([one?.outcome, more]).toEqual(["passed", []]);
    const line = `${HOMES} ${HOMES} none bind,noexec 0 0`;
    expect(one?.message).toContain(`the line '${line}' in /etc/fstab keeps it`);
    expect(m.run(["jailkit", "explain", "--su", "shell"]).stdout).toContain(`advice: mount --bind ${HOMES} `);
    typeRemedy(m, one?.remedy ?? "");
    expect([maps(), note("jk_chrootsh"), run("jk_chrootsh", "true").status]).toEqual([false, [], 0]);
    m.must(["umount", HOMES]);
    expect(maps()).toBe(true);
    m.write("/etc/fstab", `${line}\n`);
    m.must(["mount", HOMES]);
    expect([maps(), note("jk_chrootsh"), run("jk_chrootsh", "true").status]).toEqual([false, [], 0]);
    m.must(["umount", HOMES]);
  });

  test("that of a jail on a mount with restrictions keeps them", () => {
    write("jk_chrootsh", "confine = 1");
    m.must(["mount", "--bind", J, J]);
    m.must(["mount", "-o", "remount,bind,nosuid,nodev", J]);
    const [one] = note("jk_chrootsh");
    const line = `${HOMES} ${HOMES} none bind,nosuid,nodev,noexec 0 0`;
    expect(one?.message).toContain(`the line '${line}' in /etc/fstab keeps it`);
    const options = () => m.must(["findmnt", "-no", "VFS-OPTIONS", HOMES]).stdout;
    typeRemedy(m, one?.remedy ?? "");
    expect(options()).toContain("nosuid,nodev,noexec");
    m.must(["umount", HOMES]);
    m.write("/etc/fstab", `${line}\n`);
    // As mount(8) of util-linux 2.38 does it.
    m.must(["env", "LIBMOUNT_FORCE_MOUNT2=always", "mount", HOMES]);
    expect(options()).toContain("nosuid,nodev,noexec");
    m.must(["umount", HOMES]);
    m.must(["umount", J]);
  });

  test("that is on a mount of its own is mounted again", () => {
    write("jk_chrootsh", "execute = system");
    m.must(["mount", "-t", "tmpfs", "-o", "nosuid,mode=0755", "none", HOMES]);
    m.mkdir(`${HOMES}/shell`);
    upload();
    m.must(["chown", "-R", "shell:shell", `${HOMES}/shell`]);
    expect(maps()).toBe(true);
    const [one] = note("jk_chrootsh");
    expect(one?.remedy).toStartWith('mount -o "remount,bind,');
    typeRemedy(m, one?.remedy ?? "");
    expect([maps(), note("jk_chrootsh")]).toEqual([false, []]);
    expect(m.must(["findmnt", "-no", "VFS-OPTIONS", HOMES]).stdout).toContain("nosuid");
    m.must(["umount", HOMES]);
  });

  test.each(["", "execute = any", "execute = system, /home", "write = none", "write = /other"])(
    "there is no note with %j",
    (keys) => {
      write("jk_chrootsh", keys);
      expect(note("jk_chrootsh")).toEqual([]);
    },
  );

  test("jk_chrootlaunch and jk_uchroot have one for a home in the jail", () => {
    const notes = (...words: string[]) => {
      const { stdout } = m.run(["jailkit", "explain", "--json", ...words]);
      return reportOf(explainReportSchema, stdout).steps.filter(({ name }) => name === "noexec").length;
    };
    const launch = (keys: string) => notes("--launch", "--", ...launchWords("cat", keys));
    write("jk_uchroot", "");
    const call = () => notes("-j", J, "guest", "--", "/usr/bin/cat");
    expect([launch("execute = system"), call()]).toEqual([0, 0]);
    m.mkdir(`${HOMES}/guest`);
    expect([launch("execute = system"), launch("syscalls = login"), call()]).toEqual([1, 0, 1]);
    m.remove(`${HOMES}/guest`);
  });

  test("the limited shell has one for programs that it does not know, and none for a known server", () => {
    write("jk_lsh", "");
    expect(note("jk_lsh", "cat /etc/passwd")).toHaveLength(1);
    expect(note("jk_lsh", "rsync --server --sender -e.LsfxCIvu . /data")).toEqual([]);
    write("jk_lsh", "execute = any");
    expect(note("jk_lsh", "cat /etc/passwd")).toEqual([]);
  });
});
