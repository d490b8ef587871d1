/** The units of the deb, run by systemd as the manager of the machine, with journald for a log daemon. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Booted, boot } from "../machine/booted.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { bring, packages } from "./packages-scene.ts";

setDefaultTimeout(300_000);

const jail = "/srv/jail";
const socket = `${jail}/dev/log`;
const sender = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.connect(sys.argv[1])
s.send(sys.argv[2].encode())
`;

let m: Machine;
let deb: string;
let there: Booted;
const install = () => there.must(["env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "-i", deb]);

beforeAll(async () => {
  m = await openMachine();
  m.must(["dpkg", "--purge", "jailkit"]);
  // Where services are not to be started this machine may say so; that one has its own.
  m.must(["rm", "-f", "/usr/sbin/policy-rc.d"]);
  [deb = ""] = bring(m, "/root", packages().deb);
  m.addUser("u", { uid: 4001 });
  m.write("/root/sender.py", sender);
  m.mkdir(`${jail}/dev`);
  there = boot(m, ["systemd-journald.service"]);
  install();
  m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n`);
});
afterAll(() => m?.close());

const systemctl = (...words: string[]) => there.must(["systemctl", ...words]).stdout.trim();
const property = (unit: string, name: string) => systemctl("show", "-P", name, unit);

/** Sends a message as a user, and returns what journald has of it when it has come. */
function logged(path: string, text: string): Record<string, string> {
  const who = ["setpriv", "--reuid=4001", "--regid=4001", "--clear-groups"];
  there.must([...who, "python3", "-c", sender, path, `<13>program[1]: ${text}`]);
  for (;;) {
    const { stdout } = there.must(["journalctl", "--no-pager", "-o", "json", "SYSLOG_IDENTIFIER=program"]);
    const entries = stdout
      .trim()
      .split("\n")
      .filter((line) => line !== "");
    const entry = entries.map((line) => JSON.parse(line)).find(({ MESSAGE }) => MESSAGE.startsWith(text));
    if (entry !== undefined) return entry;
  }
}

test("the package enables and starts nothing", () => {
  for (const unit of ["jk_socketd.service", "jailkit-update.timer"]) {
    expect(there.run(["systemctl", "is-enabled", unit]).stdout).toBe("disabled\n");
    expect(there.run(["systemctl", "is-active", unit]).stdout).toBe("inactive\n");
  }
});

test("jk_socketd.service relays to journald, with all restrictions of the unit", () => {
  systemctl("start", "jk_socketd.service");
  expect(systemctl("is-active", "jk_socketd.service")).toBe("active");
  const entry = logged(socket, "from a jail");
  expect(entry).toMatchObject({
    MESSAGE: `from a jail (jail=${jail} uid=4001)`,
    SYSLOG_FACILITY: "1",
    PRIORITY: "5",
  });
  // The pid from the kernel, not the one that was sent.
  expect(Number(entry.SYSLOG_PID)).toBeGreaterThan(1);
  // No abstract socket of the machine is in its reach.
  const network = (pid: string) => there.must(["readlink", `/proc/${pid}/ns/net`]).stdout;
  expect(network(property("jk_socketd.service", "MainPID"))).not.toBe(network("1"));
});

test("a reload reads the configuration again", () => {
  const pid = property("jk_socketd.service", "MainPID");
  const other = "/srv/other/dev/log";
  m.mkdir("/srv/other/dev");
  m.write("/etc/jailkit/jk_socketd.ini", `[${socket}]\n[${other}]\n`);
  systemctl("reload", "jk_socketd.service");
  while (!m.exists(other));
  expect(logged(other, "after a reload").MESSAGE).toBe("after a reload (jail=/srv/other uid=4001)");
  expect(property("jk_socketd.service", "MainPID")).toBe(pid);
});

test("a new version of the package restarts what runs, and starts nothing else", () => {
  const pid = property("jk_socketd.service", "MainPID");
  install();
  expect(systemctl("is-active", "jk_socketd.service")).toBe("active");
  expect(property("jk_socketd.service", "MainPID")).not.toBe(pid);
  expect(logged(socket, "by the new one").MESSAGE).toStartWith("by the new one (");
  expect(there.run(["systemctl", "is-active", "jailkit-update.timer"]).stdout).toBe("inactive\n");
  expect(property("jailkit-update.service", "ExecMainStartTimestampMonotonic")).toBe("0");
});

test("it serves a socket of systemd, and messages that arrive while it is stopped are kept", () => {
  systemctl("stop", "jk_socketd.service");
  const example = m.read("/usr/share/doc/jailkit/examples/jk_socketd.socket");
  expect(example).toContain("ListenDatagram=/srv/jail/dev/log\n");
  m.write("/etc/systemd/system/jk_socketd.socket", example);
  systemctl("daemon-reload");
  systemctl("start", "jk_socketd.socket");
  expect(logged(socket, "through a socket of systemd's").MESSAGE).toContain(`jail=${jail}`);
  expect(systemctl("is-active", "jk_socketd.service")).toBe("active");
  systemctl("stop", "jk_socketd.service", "jk_socketd.socket");
  m.remove("/etc/systemd/system/jk_socketd.socket");
  systemctl("daemon-reload");
});

test("the timer updates jails", () => {
  m.must(["cp", "/usr/bin/echo", "/usr/bin/of-the-host"]);
  there.must(["jk_cp", "-j", jail, "/usr/bin/of-the-host"]);
  m.must(["cp", "/usr/bin/true", "/usr/bin/of-the-host"]);
  m.write(
    "/etc/systemd/system/jailkit-update.timer.d/near.conf",
    "[Timer]\nOnCalendar=\nOnActiveSec=1ms\nAccuracySec=1us\nRandomizedDelaySec=0\n",
  );
  systemctl("daemon-reload");
  systemctl("enable", "--now", "jailkit-update.timer");
  const service = "jailkit-update.service";
  while (property(service, "ExecMainExitTimestampMonotonic") === "0");
  expect(property(service, "Result")).toBe("success");
  expect(m.readBytes(`${jail}/usr/bin/of-the-host`)).toEqual(m.readBytes("/usr/bin/true"));
  expect(property(service, "TriggeredBy")).toBe("jailkit-update.timer");
});

test("removing the package stops what runs", () => {
  systemctl("start", "jk_socketd.service");
  expect(m.exists(socket)).toBe(true);
  there.must(["dpkg", "--purge", "jailkit"]);
  expect(m.exists(socket)).toBe(false);
  for (const unit of ["jk_socketd.service", "jailkit-update.timer"])
    expect(there.run(["systemctl", "is-active", unit]).stdout).toBe("inactive\n");
  expect(
    m.must(["find", "/etc/systemd", "/var/lib/systemd", "-name", "j*k*.wants*", "-o", "-name", "jk_*"])
      .stdout,
  ).toBe("");
});
