/**
 * jk_socketd and what changes around it: its configuration, the directories of its sockets, and how it starts and ends.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  arrived,
  counters,
  firstSocket,
  jail,
  log,
  m,
  monitor,
  own,
  pidfile,
  relay,
  send,
  setScene,
  socket,
  sockets,
  start,
  stop,
  told,
  wide,
} from "./socketd-scene.ts";

setScene();

describe("the configuration", () => {
  const listening = (path: string, rates: string) => told(`listening on socket ${path} with rates ${rates}`);

  test("is read again when the file changes, or a drop-in is added or removed", async () => {
    start(`[${socket}]\n${wide}`);
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 100\npeak = 200\ninterval = 1\n`);
    await listening(socket, "[100:200]/1.000000");
    m.write("/etc/jailkit/jk_socketd.d/more.ini", `[${jail}/more]\n`);
    await listening(`${jail}/more`, "[511:2048]/5.000000");
    expect(m.stat(`${jail}/more`)?.mode).toBe(0o140666);
    m.write("/etc/jailkit/jk_socketd.d/third.ini", `[${jail}/third]\n`);
    await listening(`${jail}/third`, "[511:2048]/5.000000");
    m.remove("/etc/jailkit/jk_socketd.d/more.ini");
    await told(`socket ${jail}/more is closed`);
    expect([m.exists(`${jail}/more`), m.exists(`${jail}/third`)]).toEqual([false, true]);
    expect(sockets().map(({ path }) => path)).toEqual([socket, `${jail}/third`]);
  });

  test("keeps the counters of a socket when its limits change, and creates it again when its type does", async () => {
    start(`[${socket}]\n${wide}`);
    send(["b'<13>t: one'"]);
    await arrived("one");
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 100\npeak = 200\n`);
    await listening(socket, "[100:200]/5.000000");
    expect(counters().messages).toBe(1);
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 100\npeak = 200\ntype = stream\n`);
    await log.waitForLog(
      (line) => line.message.includes("is closed") || line.message.includes("[100:200]/5"),
    );
    while (sockets()[0]?.type !== "stream");
    send(["b'<13>t: two'"], { type: "stream" });
    await arrived("two");
    expect(counters().messages).toBe(1);
  });

  test("is kept if the new one cannot be used", async () => {
    start(`[${socket}]\n${wide}`);
    m.write("/etc/jailkit/jk_socketd.ini", "[\0");
    await told("cannot reload the configuration");
    await log.clear();
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}[${jail}/b]\n`, { mode: 0o666 });
    await told("can be written by its group or by others");
    await log.clear();
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    m.chown("/etc/jailkit", 4001, 0);
    m.must(["kill", "-HUP", monitor()]);
    await told("belongs to uid 4001");
    m.chown("/etc/jailkit", 0, 0);
    send(["b'<13>t: still here'"]);
    await arrived("still here");
  });

  test("of jk_init's need_logsocket is served", async () => {
    m.write("/srv/own.ini", "[logs]\npaths = /bin/true\nneed_logsocket = 1\n");
    start(`[${jail}/first]\n`);
    m.mkdir("/home/made");
    m.must(["jk_init", "-c", "/srv/own.ini", "-j", "/home/made", "logs"]);
    await listening("/home/made/dev/log", "[512:2048]/10.000000");
    send(["b'<13>t: from a new jail'"], { path: "/home/made/dev/log" });
    expect(await arrived("from a new jail")).toMatchObject([
      { message: "from a new jail (jail=/home/made uid=4001)" },
    ]);
    stop();
    m.remove("/home/made");
  });

  test("SIGHUP is enough, too", async () => {
    start(`[${socket}]\n${wide}`);
    m.must(["kill", "-HUP", monitor()]);
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\nbase = 77\n`);
    m.must(["kill", "-HUP", monitor()]);
    await listening(socket, "[77:2048]/5.000000");
  });
});

describe("a socket", () => {
  const again = () => told("listening on socket");

  test("that is removed is created again", async () => {
    start(`[${socket}]\n${wide}`);
    await again();
    await log.clear();
    m.remove(socket);
    await again();
    expect(m.stat(socket)?.mode).toBe(0o140666);
    send(["b'<13>t: again'"]);
    await arrived("again");
  });

  test("comes back with its jail", async () => {
    start(`[${socket}]\n${wide}`);
    await again();
    m.rename(jail, "/srv/away");
    await log.clear();
    m.mkdir(`${jail}/dev`);
    await again();
    send(["b'<13>t: back'"]);
    await arrived("back");
    stop();
    m.remove("/srv/away");
  });

  test("is closed when somebody empties its jail, which is said once, and comes back when it is filled", async () => {
    start(`[${socket}]\n${wide}`);
    await again();
    await log.clear();
    // jk_socketd may put the socket back meanwhile.
    while (m.run(["rm", "-rf", `${jail}/dev`]).status !== 0);
    await told(`while opening ${socket}: No such file or directory`);
    // The name of its directory may come and go.
    for (const name of ["etc", "usr"]) m.mkdir(`${jail}/${name}`);
    expect(firstSocket()).toMatchObject({ path: socket, listening: false });
    // One that it put back was told, too.
    const complaints = (await log.lines())
      .filter(own)
      .filter(({ message }) => !message.includes("listening on"));
    expect(complaints).toHaveLength(1);
    m.mkdir(`${jail}/dev`);
    await again();
    send(["b'<13>t: filled'"]);
    await arrived("filled");
    expect(firstSocket()).toMatchObject({ listening: true });
  });

  test("waits for a jail that does not exist yet", async () => {
    start(`[${socket}]\n${wide}[/srv/later/dev/log]\n${wide}`);
    await told("while opening /srv/later/dev/log");
    m.mkdir("/srv/later/dev");
    await told("listening on socket /srv/later/dev/log");
    send(["b'<13>t: later'"], { path: "/srv/later/dev/log" });
    await arrived("later");
    stop();
    m.remove("/srv/later");
  });

  const refused: [where: string, arrange: () => void, reason: string][] = [
    ["its directory belongs to a user", () => m.chown(`${jail}/dev`, 4001, 4001), "belongs to uid 4001"],
    [
      "its directory can be written by a group",
      () => m.chmod(`${jail}/dev`, 0o775),
      "is writable by its group",
    ],
    ["the jail belongs to a user", () => m.chown(jail, 4001, 4001), "belongs to uid 4001"],
    [
      "its directory is a link that a user may have made",
      () => {
        m.remove(`${jail}/dev`);
        m.symlink("/etc", `${jail}/dev`);
        m.chown(jail, 4001, 4001);
      },
      "is a symbolic link in a directory that users can write",
    ],
    ["a directory is in the way", () => m.mkdir(socket), "a directory is in the way"],
    ["a device is in the way", () => m.must(["mknod", socket, "c", "1", "3"]), "a device is in the way"],
  ];
  test.each(refused)(
    "is not created if %s",
    async (_, arrange, reason) => {
      arrange();
      const before = m.snapshot(jail);
      start(`[${socket}]\n${wide}[/srv/fine]\n${wide}`);
      await log.waitForLog(
        (line) => own(line) && line.message.includes(socket) && line.message.includes(reason),
      );
      stop();
      expect(m.snapshot(jail)).toEqual(before);
      expect(m.exists("/etc/log")).toBe(false);
      m.chown(jail, 0, 0);
      // What is never told would be waited for without end.
    },
    30_000,
  );

  test("replaces what is there, never the target of a symbolic link", async () => {
    m.write("/srv/precious", "data");
    m.symlink("/srv/precious", socket);
    m.write(`${jail}/other`, "a file");
    start(`[${socket}]\n${wide}[${jail}/other]\n`);
    await again();
    expect([m.stat(socket)?.mode, m.stat(`${jail}/other`)?.mode]).toEqual([0o140666, 0o140666]);
    expect(m.read("/srv/precious")).toBe("data");
    expect(m.list(`${jail}/dev`)).toEqual(["log"]);
  });

  test("is not created in the host's /dev, mounted in a jail", async () => {
    m.mkdir("/srv/bound/dev");
    m.must(["mount", "--bind", "/dev", "/srv/bound/dev"]);
    const before = m.stat("/dev/log");
    start(`[/srv/bound/dev/log]\n${wide}[${socket}]\n`);
    await told("is the host's /dev");
    expect(m.stat("/dev/log")).toEqual(before);
    m.must(["umount", "/srv/bound/dev"]);
    // What is never told would be waited for without end.
  }, 30_000);

  test("of this machine's own log daemon is never used", async () => {
    start(`[/dev/log]\n[/dev/./log]\n[${socket}]\n`);
    await told("is the socket of the host's own log daemon");
    m.must(["logger", "-t", "host", "still mine"]);
    await log.waitForLog((line) => line.ident === "host");
  });
});

describe("from start to end", () => {
  test("at the end it removes what it created, and nothing of others", () => {
    start(`[${socket}]\n${wide}[${jail}/other]\n`);
    const stopped = monitor();
    const state = (letter: string) =>
      new RegExp(`^State:\\t${letter}`, "m").test(m.read(`/proc/${stopped}/status`));
    // It waits: whatever it has seen of its start is dealt with.
    while (!state("S"));
    m.must(["kill", "-STOP", stopped]);
    // kill(2) does not wait for it.
    while (!state("T"));
    m.write("/srv/new", "somebody else's");
    m.rename("/srv/new", `${jail}/other`);
    m.must(["kill", "-INT", stopped]);
    stop("CONT");
    expect(m.read(`${jail}/other`)).toBe("somebody else's");
    expect([m.exists(socket), m.exists(pidfile)]).toEqual([false, false]);
    expect(m.run(["pgrep", "jk_socketd"]).stdout).toBe("");
    expect(m.list("/run/jailkit/log-sockets")).toEqual([]);
  });

  test("in the background it keeps nobody waiting, and the exit status reports failures", () => {
    m.remove("/etc/jailkit/jk_socketd.ini");
    expect(m.run(["jk_socketd"])).toMatchObject({ status: 11 });
    start(`[${socket}]\n${wide}`);
    const at = `/proc/${monitor()}`;
    expect([0, 1, 2].map((fd) => m.readlink(`${at}/fd/${fd}`))).toEqual([
      "/dev/null",
      "/dev/null",
      "/dev/null",
    ]);
    expect(m.readlink(`${at}/cwd`)).toBe("/");
    // A session of its own: proc(5), the fifth and sixth word behind the name.
    expect(m.read(`${at}/stat`).split(") ")[1]?.split(" ").slice(2, 4)).toEqual([monitor(), monitor()]);
  });

  test("a pidfile does not follow a user's link", () => {
    m.mkdir("/srv/users", { mode: 0o777, owner: [4001, 4001] });
    m.write("/srv/precious", "data");
    m.symlink("/srv/precious", "/srv/users/pid");
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    m.must(["jk_socketd", "-p", "/srv/users/pid"]);
    expect(m.read("/srv/precious")).toBe("data");
    m.must(["sh", "-c", "pkill -o jk_socketd; while pgrep jk_socketd; do :; done"]);
  });

  test("a pidfile never replaces a device", async () => {
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    const { mode } = m.stat("/dev/null") ?? {};
    m.must(["jk_socketd", "-p", "/dev/null"]);
    await told("failed to write pidfile: /dev/null: is a device, which stays");
    expect(m.stat("/dev/null")?.mode).toBe(mode as number);
    m.must(["sh", "-c", "pkill -o jk_socketd; while pgrep jk_socketd; do :; done"]);
    expect(m.stat("/dev/null")?.mode).toBe(mode as number);
  });

  test("a service manager gets its messages and passes sockets", async () => {
    m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
    const service = m.start(["python3", "/usr/local/bin/manager.py", socket]);
    await service.until(({ stdout }) => stdout.includes("READY=1\n") || undefined);
    const inode = m.stat(socket)?.ino;
    send(["b'<13>t: activated'"]);
    expect(await arrived("activated")).toMatchObject([{ message: `activated (jail=${jail} uid=4001)` }]);
    expect(sockets()[0]).toMatchObject({ path: socket, activated: true });
    const pid = m.must(["pgrep", "-o", "-x", "jk_socketd"]).stdout.trim();
    m.must(["kill", "-HUP", pid]);
    await service.until(
      ({ stdout }) => /RELOADING=1\nMONOTONIC_USEC=\d+\nREADY=1\n/.test(stdout) || undefined,
    );
    m.must(["kill", pid]);
    await service.until(({ stdout }) => stdout.includes("STOPPING=1\n") || undefined);
    // The socket is the service manager's.
    expect(m.stat(socket)?.ino).toBe(inode);
    service.kill();
  });

  test("jailkit log-sockets shows it", async () => {
    expect(m.run(["jailkit", "log-sockets"])).toMatchObject({ status: 1, stdout: "" });
    start(`[${socket}]\nbase = 600\n`);
    send(["b'<13>t: shown'"]);
    await arrived("shown");
    expect(m.must(["jailkit", "log-sockets"]).stdout).toBe(
      `${"SOCKET".padEnd(socket.length)}  LIMITS      STATE      MESSAGES  BYTES  PAUSES  DROPPED
${socket}  600:2048/5  listening         1     12       0        0
`,
    );
    expect(sockets()).toMatchObject([
      {
        path: socket,
        jail,
        pid: Number(monitor()),
        type: "datagram",
        trust: "kernel",
        base: 600,
        interval: 5,
      },
    ]);
    expect(m.run(["jailkit", "log-sockets"], { user: "u" })).toMatchObject({ status: 1, stdout: "" });
    expect(
      m.run(
        [
          "python3",
          "-c",
          `import socket; socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect("/run/jailkit/log-sockets/${monitor()}")`,
        ],
        { user: "u" },
      ).stderr,
    ).toContain("PermissionError");
  });
});

test("a second one for the same socket ends, and the first keeps the socket", async () => {
  start(`[${socket}]\n${wide}`);
  const served = () => m.stat(socket)?.ino;
  const before = served();
  const message = `jk_socketd: ${socket}: another jk_socketd serves it, process ${monitor()}: end that one first\n`;
  for (const options of [[], ["--socket", socket]])
    expect(m.run(["jk_socketd", ...options])).toEqual(
      expect.objectContaining({ status: 1, stdout: "", stderr: message }),
    );
  expect(served()).toBe(before);
  // Another socket is none of its business, and one that is told to end is waited for.
  const other = m.start(["jk_socketd", "-n", `--socket=${jail}/other`]);
  await other.until(({ stdout }) => stdout.includes(`listening on socket ${jail}/other`) || undefined);
  other.kill();
  m.must(["sh", "-c", `kill ${monitor()}; exec jk_socketd -p ${pidfile}`]);
  send(["b'<13>t: the next one'"]);
  await arrived("the next one");
});

test("it works with the capabilities of the example unit", async () => {
  const unit = readFileSync(join(import.meta.dir, "../../docs/units/jk_socketd.service"), "utf8");
  const kept = /^CapabilityBoundingSet=(.*)$/m.exec(unit)?.[1]?.split(" ") ?? [];
  const set = `-all${kept.map((name) => `,+${name.slice("CAP_".length).toLowerCase()}`).join("")}`;
  m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n${wide}`);
  const bounded = ["setpriv", "--no-new-privs", `--bounding-set=${set}`, `--inh-caps=${set}`];
  m.must([...bounded, "jk_socketd", "-p", pidfile]);
  expect(m.read(`/proc/${monitor()}/status`)).toMatch(/^CapEff:\t00000000000401e0$/m);
  send(["b'<13>t: with few capabilities'"]);
  await arrived("with few capabilities");
  m.write("/etc/jailkit/jk_socketd.d/more.ini", `[${jail}/more]\n`);
  await told(`listening on socket ${jail}/more`);
  m.must(["kill", "-KILL", relay()]);
  await told("the relay ended");
  send(["b'<13>t: the second relay'"]);
  await arrived("the second relay");
  stop();
  expect(m.exists(socket)).toBe(false);
});
