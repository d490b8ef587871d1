/**
 * Sockets of services in jails under attack: what must not be mounted; a service that puts traps into its directory; users
 * of the jail; runs that are killed at each call. Nothing outside the jail changes, and the mount can never be written.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(300_000);

const jail = "/srv/jail";
const DELETE = ["jailkit", "delete", "--yes", "--unjail", "--user-files", jail];
const LIMITED = expect.stringMatching(/^ro,nosuid,nodev,noexec,\S* -$/);
const SVC = { uid: 0, gid: 0 };
let m: Machine;

const init = (...sections: string[]) => m.run(["jk_init", "-c", "/etc/test.ini", "-j", jail, ...sections]);
/** Makes an ini file with a section for a socket. */
const section = (socket: string) =>
  m.write("/etc/test.ini", `[base]\npaths = /usr/bin/true\n[svc]\nsockets = ${socket}\n`);
const mounts = () =>
  Object.fromEntries(
    m
      .must(["cat", "/proc/self/mountinfo"])
      .stdout.split("\n")
      .map((line) => line.split(" "))
      .filter((fields) => fields[4]?.startsWith(`${jail}/`))
      .map((fields) => [fields[4]?.slice(jail.length), `${fields[5]} ${fields[6]}`]),
  );
/** Each file of the host that could be changed, with the time of its last change. Account tools rename files in /etc. */
const host = () => {
  const find = "find /run/svc /etc -xdev -mindepth 1 -printf '%p %y %m %U %G %s %C@\\n' | sort";
  const users = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid", "fstab", ".pwd.lock", "jailkit"];
  const lines = m.must(["sh", "-c", find]).stdout.split("\n");
  return lines.filter((line) => !users.some((name) => line.startsWith(`/etc/${name}`)));
};
const listen = (path: string) =>
  m.must(["python3", "-c", `import socket; socket.socket(socket.AF_UNIX).bind("${path}")`]);

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: [
      "jk_init",
      "jk_cp",
      "jk_update",
      "jk_check",
      "jk_addjailuser",
      "jk_jailuser",
      "jailkit",
      "jk_chrootsh",
    ],
  });
  m.must(["useradd", "--system", "svc"]);
  m.addUser("alice");
  Object.assign(SVC, m.ids("svc"));
});
afterAll(async () => m.close());
afterEach(() => {
  m.run(["umount", "--recursive", "--lazy", jail]);
  m.run(DELETE);
  m.remove(jail);
  m.remove("/run/svc");
});

/** The directory of the service, with a socket. */
const makeService = (mode = 0o755) => {
  m.mkdir("/run/svc", { mode, owner: [SVC.uid, SVC.gid] });
  listen("/run/svc/s.sock");
  section("/run/svc/s.sock");
};

describe("is not mounted", () => {
  const cases: Readonly<Record<string, readonly [reason: string, prepare: () => void]>> = {
    "a socket in /run itself": [
      "directory of its own below /run",
      () => {
        listen("/run/docker.sock");
        section("/run/docker.sock");
      },
    ],
    "a directory in place of a socket": [
      "directory of its own below /run",
      () => {
        makeService();
        section("/run/svc");
      },
    ],
    "a socket elsewhere": ["directory of its own below /run", () => section("/tmp/s.sock")],
    "a directory of root": [
      "belongs to root",
      () => {
        m.mkdir("/run/rootd");
        listen("/run/rootd/s.sock");
        section("/run/rootd/s.sock");
      },
    ],
    "a directory of a user": [
      "which is not the account of a service",
      () => {
        const { uid, gid } = m.ids("alice");
        m.mkdir("/run/alice", { owner: [uid, gid] });
        listen("/run/alice/s.sock");
        section("/run/alice/s.sock");
      },
    ],
    "a directory that everyone can write": ["is writable by everyone", () => makeService(0o777)],
    "a directory in one of the service, which it can exchange": [
      "is in a directory that users other than root can write",
      () => {
        makeService();
        m.mkdir("/run/svc/below", { owner: [SVC.uid, SVC.gid] });
        section("/run/svc/below/s.sock");
      },
    ],
    "a symbolic link to a directory": [
      "leads through a symbolic link",
      () => {
        makeService();
        m.symlink("svc", "/run/link");
        section("/run/link/s.sock");
      },
    ],
    "a symbolic link above it": [
      "leads through a symbolic link",
      () => {
        m.mkdir("/root/secret/svc", { owner: [SVC.uid, SVC.gid] });
        m.symlink("/root/secret", "/run/linked");
        section("/run/linked/svc/s.sock");
      },
    ],
    "a file system that the service mounted there": [
      "is a mount point",
      () => {
        m.mkdir("/run/mounted");
        m.must(["mount", "-t", "tmpfs", "-o", `uid=${SVC.uid},mode=755`, "tmpfs", "/run/mounted"]);
        section("/run/mounted/s.sock");
      },
    ],
    "a file that is no socket": [
      "is not a socket",
      () => {
        makeService();
        m.write("/run/svc/password", "secret");
        section("/run/svc/password");
      },
    ],
  };
  test.each(Object.entries(cases))("%s", (_, [reason, prepare]) => {
    prepare();
    const { status, stderr } = init("base", "svc");
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(reason) });
    expect(mounts()).toEqual({});
    expect(m.read("/etc/fstab")).not.toContain(jail);
    m.run(["jk_update", "-j", jail]);
    expect(mounts()).toEqual({});
  });

  test("where the jail has a symbolic link, or files of its own", () => {
    makeService();
    init("base");
    m.mkdir(`${jail}/run`);
    m.symlink("/etc", `${jail}/run/svc`);
    expect(init("svc")).toMatchObject({ status: 1, stderr: expect.stringContaining("symbolic link") });
    m.remove(`${jail}/run/svc`);
    m.write(`${jail}/run/svc/own`, "x");
    expect(init("svc")).toMatchObject({ status: 1, stderr: expect.stringContaining("files of its own") });
    m.remove(`${jail}/run/svc`);
    m.chmod(`${jail}/run`, 0o777);
    expect(init("svc").status).toBe(3);
    expect(mounts()).toEqual({});
  });

  test("a directory that the service exchanged afterwards", () => {
    makeService();
    init("base", "svc");
    m.must(["jailkit", "unmount", jail]);
    // Only root can do this.
    m.rename("/run/svc", "/run/svc2");
    m.symlink("/etc", "/run/svc");
    expect(m.run(["jailkit", "mount", jail]).status).toBe(0);
    expect(mounts()).toEqual({});
    m.remove("/run/svc");
    m.mkdir("/run/svc");
    expect(m.run(["jailkit", "mount", jail])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("belongs to root"),
    });
    expect(mounts()).toEqual({});
    m.remove("/run/svc2");
  });
});

test("the service cannot exchange its directory", () => {
  makeService();
  for (const words of [
    ["mv", "/run/svc", "/run/other"],
    ["rmdir", "/run/svc"],
    ["mount", "--bind", "/etc", "/run/svc"],
  ])
    expect(m.run(words, { user: "svc" }).status).not.toBe(0);
});

/** What a service puts into its directory, to be followed, read, changed or executed by root's tools in the jail. */
const TRAPS = `
  cd /run/svc; ln -s /etc/passwd link; ln -s /etc dir; ln -s / root; ln -s . loop; mkfifo fifo; mkdir -p deep/er
  cp /usr/bin/id setuid; chmod 6755 setuid; echo "#!/run/svc/fifo" > script; chmod 755 script; echo x > file; chmod 666 file
  cp /usr/bin/id "$(printf 'new\nline')"; ln file hard; mkdir lib; cp /usr/bin/id lib/libx.so.1; ln -s /run/svc/fifo lib/libc.so.6`;

const TOOLS: readonly (readonly string[])[] = [
  ["jk_init", "-f", "-c", "/etc/test.ini", "-j", jail, "base", "svc", "traps"],
  ["jk_cp", "-f", "-j", jail, "/run/svc/file"],
  ["jk_cp", "-f", "-o", "-s", "-j", jail, "/run/svc"],
  ["jk_check", "--fix", jail],
  ["jk_check", "--run", jail],
  ["jk_update", "-j", jail],
  ["jailkit", "adopt", "--force", jail],
  ["jk_update", "-j", jail],
  ["jailkit", "disk", jail],
  ["jailkit", "list", jail],
  ["jk_cp", "--remove", "-j", jail, "/run/svc/file"],
  ["jk_addjailuser", "-j", jail, "-d", "/run/svc/carol", "-s", "/usr/bin/true", "carol"],
  ["jk_jailuser", "-m", "-s", "/usr/bin/true", "-j", jail, "alice"],
  ["jk_jailuser", "--unjail", "-m", "alice"],
  ["jailkit", "unmount", jail],
  ["jailkit", "mount", jail],
  ["jk_init", "--remove", "-c", "/etc/test.ini", "-j", jail, "svc"],
];

describe("traps in the directory: nothing outside the jail changes, and nothing hangs", () => {
  for (const way of ["as it is mounted", "writable by mistake"])
    test(way, () => {
      makeService();
      m.must(["sh", "-c", TRAPS], { user: "svc" });
      expect(init("base", "svc").status).toBe(0);
      m.write(
        "/etc/test.ini",
        `${m.read("/etc/test.ini")}[traps]\npaths = /run/svc/file, /run/svc/script, /run/svc/dir/hosts, /run/svc/setuid\nemptydirs = /run/svc/empty\n`,
      );
      if (way !== "as it is mounted")
        m.must(["mount", "-o", "remount,bind,rw,exec,suid,dev", `${jail}/run/svc`]);
      const before = host();
      for (const words of TOOLS) {
        const { status, signal } = m.run(words);
        expect([words, status, signal]).toEqual([words, expect.any(Number), undefined]);
        expect([words, host()]).toEqual([words, before]);
      }
      m.run(["userdel", "-f", "carol"]);
      m.must(DELETE);
      expect(host()).toEqual(before);
      expect(m.exists(jail)).toBe(false);
    });
});

test("a jailed user connects, and can neither write nor execute there", () => {
  makeService();
  m.must(["cp", "/usr/bin/id", "/run/svc/id"]);
  m.must(["chmod", "4777", "/run/svc/id"]);
  m.must(["jk_init", "-j", jail, "basicshell", "python"]);
  init("svc");
  m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", "mallory"]);
  const inJail = (command: string) => m.run(["jk_chrootsh", "-c", command], { user: "mallory" });
  m.must(["chmod", "666", "/run/svc/s.sock"]);
  const connect = "import socket; socket.socket(socket.AF_UNIX).connect('/run/svc/s.sock')";
  // Nobody listens: the kernel has let her reach it.
  expect(inJail(`python3 -c "${connect}"`).stderr).toContain("ConnectionRefusedError");
  expect(inJail("/run/svc/id").stderr).toContain("Permission denied");
  expect(inJail("echo x >/run/svc/id").stderr).toContain("Read-only file system");
  m.run(["userdel", "mallory"]);
  // Each restriction counts.
  for (const lost of ["rw", "exec", "suid", "dev"]) {
    m.must(["mount", "-o", `remount,bind,ro,nosuid,nodev,noexec,${lost}`, `${jail}/run/svc`]);
    expect([lost, m.run(["jk_check", jail]).stdout]).toEqual([
      lost,
      expect.stringContaining("and is not read-only"),
    ]);
    m.must(["jailkit", "mount", jail]);
    expect(m.run(["jk_check", jail]).stdout).not.toContain("and is not read-only");
  }
});

/** Each time that a command makes one of these system calls. */
function pointsOf(command: readonly string[], calls: readonly string[]) {
  m.must(["strace", "-o", "/root/trace", "-e", `trace=${calls.join(",")}`, ...command]);
  const made = m
    .read("/root/trace")
    .split("\n")
    .map((line) => /^(\w+)(?=\()/.exec(line)?.[1] ?? "");
  return calls.flatMap((call) => {
    const times = made.filter((name) => name === call).length;
    return Array.from({ length: times }, (_, index) => `${call}:signal=KILL:when=${index + 1}`);
  });
}
const CALLS = "open_tree mount_setattr move_mount umount2 renameat2 unlinkat mkdirat symlinkat linkat".split(
  " ",
);

test("killed at each of its calls, jk_init and its removal leave no open mount, and a second run completes them", () => {
  makeService();
  init("base");
  const add = ["jk_init", "-c", "/etc/test.ini", "-j", jail, "svc"];
  const remove = ["jk_init", "--remove", "-c", "/etc/test.ini", "-j", jail, "svc"];
  const adding = pointsOf(add, CALLS);
  const removing = pointsOf(remove, CALLS);
  expect(adding.length).toBeGreaterThan(8);
  expect(removing.length).toBeGreaterThan(2);
  let count = 0;
  const kill = (command: readonly string[], point: string) => {
    const { signal } = m.run(["strace", "-o", "/dev/null", "-e", `inject=${point}`, ...command]);
    if (signal === "SIGKILL") count++;
  };
  for (const point of adding) {
    kill(add, point);
    for (const options of Object.values(mounts())) expect([point, options]).toEqual([point, LIMITED]);
    m.must(add);
    expect([point, mounts()]).toEqual([point, { "/run/svc": LIMITED }]);
    expect(m.read("/etc/fstab").split(`${jail}/`).length - 1).toBe(1);
    m.must(remove);
    expect([point, mounts(), m.read("/etc/fstab").includes(jail)]).toEqual([point, {}, false]);
  }
  for (const point of removing) {
    m.must(add);
    kill(remove, point);
    for (const options of Object.values(mounts())) expect([point, options]).toEqual([point, LIMITED]);
    m.run(remove);
    expect([point, mounts(), m.read("/etc/fstab").includes(jail)]).toEqual([point, {}, false]);
  }
  expect(m.list("/run/svc")).toEqual(["s.sock"]);
  expect(count).toBeGreaterThan(7);
});
