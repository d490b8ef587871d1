/**
 * Sockets of services of the host in jails: a real server of MariaDB, whose socket and directory are created again, and
 * the tools that know of the mount.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const DATA = "/srv/mysql";
const RUN = "/run/mysqld";
const LIVE = "/srv/live";
const COPIED = "/srv/copied";
const JAILS = [LIVE, COPIED];
const GENERATOR = "/usr/lib/systemd/system-generators/systemd-fstab-generator";
const OPTIONS = ["ro", "nosuid", "nodev", "noexec"];
let m: Machine;
let server: ReturnType<Machine["start"]>;

const makeDirectory = () => {
  const { uid, gid } = m.ids("mysql");
  m.mkdir(RUN, { mode: 0o755, owner: [uid, gid] });
};

async function startServer() {
  server = m.start([
    "mariadbd",
    "--no-defaults",
    "--user=mysql",
    `--datadir=${DATA}/data`,
    "--skip-networking",
    `--socket=${RUN}/mysqld.sock`,
    `--init-file=${DATA}/init.sql`,
  ]);
  await server.until(({ stderr }) => stderr.includes("ready for connections") || undefined, 60_000);
}

async function stopServer() {
  server.kill("SIGTERM");
  await server.ended;
}

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove(RUN);
  const { uid, gid } = m.ids("mysql");
  m.mkdir(DATA, { mode: 0o700, owner: [uid, gid] });
  m.must(["mariadb-install-db", "--no-defaults", "--user=mysql", `--datadir=${DATA}/data`], {
    timeout: 120_000,
  });
  // By the uid of the client, without a password.
  const create = (user: string) =>
    `CREATE USER IF NOT EXISTS ${user}@localhost IDENTIFIED VIA unix_socket;\n`;
  m.write(`${DATA}/init.sql`, create("lily") + create("max"), { owner: [uid, gid] });
  m.must(["jk_init", "--live", "-j", LIVE, "basicshell"]);
  m.must(["jk_init", "-j", COPIED, "basicshell", "mysqlclient"]);
  for (const [jail, user] of [
    [LIVE, "lily"],
    [COPIED, "max"],
  ] as const)
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", user]);
}, 300_000);
afterAll(async () => m.close());

/** What the server says to the user of a jail, who has the account `as` there. */
const ask = (user: string, as = user) => {
  const command = `mysql -N -u ${as} -e 'select current_user()'`;
  const { stdout, stderr } = m.run(["jk_chrootsh", "-c", command], { user });
  return stdout || stderr;
};
const mountOf = (path: string) => {
  const lines = m.must(["cat", "/proc/self/mountinfo"]).stdout.split("\n");
  return lines.map((line) => line.split(" ")).filter((fields) => fields[4] === path);
};
const list = (jail: string) =>
  reportOf(listReportSchema, m.run(["jailkit", "list", "--json", jail]).stdout).jails[0];
const rules = (jail: string) => {
  const report = reportOf(checkReportSchema, m.run(["jk_check", "--json", jail]).stdout);
  return report.jails.flatMap(({ findings }) => findings.map(({ rule, path }) => `${rule} ${path}`));
};
const fstab = () => m.read("/etc/fstab");

test("before the service has run, the sections are installed with a warning, and all is well", () => {
  for (const jail of JAILS) {
    const { status, stderr } = m.run(["jk_init", "-j", jail, "mysqlsocket"]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringContaining(`jailkit mount ${jail}`),
    });
    expect(list(jail)).toMatchObject({ state: "ready", sockets: [RUN] });
    expect(rules(jail)).toEqual([]);
    expect(m.run(["jailkit", "mount", jail])).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(mountOf(jail + RUN)).toEqual([]);
    const { warnings } = reportOf(
      populateReportSchema("jk_init"),
      m.must(["jk_init", "--json", "-j", jail, "mysqlsocket"]).stdout,
    );
    expect(warnings).toEqual([expect.stringContaining("does not exist")]);
  }
  expect(m.run(["jailkit", "explain", "lily"]).stdout).not.toContain("mysqld");
});

test("when it runs, every tool names the command that mounts the directory, and users connect", async () => {
  makeDirectory();
  await startServer();
  for (const jail of JAILS) {
    const remedy = `jailkit mount ${jail}`;
    expect(list(jail)).toMatchObject({ state: "unmounted", reason: expect.stringContaining(remedy) });
    expect(rules(jail)).toEqual([`live-mount ${jail}${RUN}`]);
    expect(m.run(["jk_check", jail]).stdout).toContain(`remedy: ${remedy}\n`);
  }
  expect(m.run(["jailkit", "explain", "lily"]).stdout).toContain(`jailkit mount ${LIVE}`);
  expect(m.must(["jailkit", "mount", "-n", "--all"]).stdout).toContain(`would be mounted: ${COPIED}${RUN}\n`);
  expect(m.must(["jailkit", "mount", "--all"]).stdout).toBe(
    `mounted ${COPIED}${RUN}\nmounted ${LIVE}${RUN}\n`,
  );
  for (const jail of JAILS) {
    const [fields, ...others] = mountOf(jail + RUN);
    expect(others).toEqual([]);
    expect(fields?.[5]?.split(",")).toEqual(expect.arrayContaining(OPTIONS));
    // No peer group: the separator comes next.
    expect(fields?.[6]).toBe("-");
    expect(list(jail)?.state).toBe("ready");
    expect(rules(jail)).toEqual([]);
    expect(m.run(["jk_update", "--check", "-j", jail])).toMatchObject({ status: 0, stdout: "" });
    expect(m.readlink(`${jail}/var/run`)).toBe("/run");
  }
  expect(ask("lily")).toBe("lily@localhost\n");
  expect(ask("max")).toBe("max@localhost\n");
  // The server knows its clients by uid.
  expect(ask("max", "lily")).toContain("Access denied for user 'lily'@'localhost'");
});

test("a second run changes nothing, and nobody can write there", () => {
  const before = fstab();
  for (const jail of JAILS) {
    expect(m.must(["jk_init", "-j", jail, "mysqlsocket"]).stdout).toBe("");
    expect(m.run(["touch", `${jail}${RUN}/x`]).stderr).toContain("Read-only file system");
    const copy = m.run(["jk_cp", "-f", "-j", jail, `${RUN}/mysqld.sock`]);
    expect({ status: copy.status, exists: m.exists(`${RUN}/x`) }).toEqual({ status: 0, exists: false });
  }
  expect(fstab()).toBe(before);
});

test("the socket is created again when the server is restarted", async () => {
  await stopServer();
  expect(ask("lily")).toContain("Can't connect");
  await startServer();
  expect(ask("lily")).toBe("lily@localhost\n");
});

test("the directory is created again, while users keep the old one: reported, and mounted again", async () => {
  const idle = m.start(["jk_chrootsh", "-c", `cd ${RUN} && echo ready && cat`], { user: "lily" });
  await idle.until(({ stdout }) => stdout.includes("ready\n") || undefined);
  await stopServer();
  m.remove(RUN);
  // While the service is stopped, there is nothing to mount.
  for (const jail of JAILS) expect([list(jail)?.state, rules(jail)]).toEqual(["ready", []]);
  makeDirectory();
  await startServer();
  expect(ask("lily")).toContain("Can't connect");
  for (const jail of JAILS) {
    expect(list(jail)?.state).toBe("unmounted");
    expect(rules(jail)).toEqual([`live-mount ${jail}${RUN}`]);
  }
  m.must(["jailkit", "mount", "--all"]);
  for (const jail of JAILS) expect(mountOf(jail + RUN).length).toBe(1);
  expect(ask("lily")).toBe("lily@localhost\n");
  idle.kill("SIGTERM");
  await idle.ended;
});

test("PostgreSQL, whose directory its group can write", async () => {
  const run = "/run/postgresql";
  const { uid, gid } = m.ids("postgres");
  m.mkdir(run, { owner: [uid, gid] });
  m.must(["chmod", "2775", run]);
  m.mkdir("/srv/postgresql", { mode: 0o700, owner: [uid, gid] });
  const bin = `/usr/lib/postgresql/${m.list("/usr/lib/postgresql").at(-1)}/bin`;
  const as = { user: "postgres", timeout: 120_000 } as const;
  m.must([`${bin}/initdb`, "-D", "/srv/postgresql/data", "-A", "peer"], as);
  const settings = ["-c", "listen_addresses=", "-c", `unix_socket_directories=${run}`];
  const postgres = m.start([`${bin}/postgres`, "-D", "/srv/postgresql/data", ...settings], as);
  await postgres.until(({ stderr }) => stderr.includes("ready to accept connections") || undefined, 60_000);
  m.must([`${bin}/createuser`, "-h", run, "max"], as);
  const { stderr } = m.must(["jk_init", "-j", COPIED, "postgresqlclient", "postgresqlsocket"]);
  expect(stderr).toBe("");
  const query = "psql -h /run/postgresql -d postgres -Atc 'select current_user'";
  const client = (command: string) => m.run(["jk_chrootsh", "-c", command], { user: "max" });
  expect(client(query)).toMatchObject({ status: 0, stdout: "max\n", stderr: "" });
  expect(client(`${query} -U postgres`).stderr).toContain("Peer authentication failed");
  expect(list(COPIED)).toMatchObject({ state: "ready", sockets: [RUN, run] });
  const { stdout } = m.must(["jk_init", "--remove", "-j", COPIED, "postgresqlclient", "postgresqlsocket"]);
  expect(stdout).toContain(`unmounted ${COPIED}${run}\n`);
  expect([mountOf(COPIED + run), mountOf(COPIED + RUN).length]).toEqual([[], 1]);
  postgres.kill("SIGTERM");
  await postgres.ended;
});

describe("at boot", () => {
  const line = (jail: string) =>
    `${RUN} ${jail}${RUN} none bind,ro,nosuid,nodev,noexec,private,nofail,x-jailkit,x-systemd.after=systemd-tmpfiles-setup.service 0 0\n`;

  test("mount -a mounts it, in a new mount namespace", () => {
    for (const jail of JAILS) expect(fstab()).toContain(line(jail));
    const script = `umount ${LIVE}${RUN}; mount -a; cat /proc/self/mountinfo`;
    const lines = m.must(["unshare", "-m", "sh", "-c", script]).stdout.split("\n");
    const fields = lines.map((each) => each.split(" ")).filter((one) => one[4] === LIVE + RUN);
    expect(fields.length).toBe(1);
    expect(fields[0]?.[5]?.split(",")).toEqual(expect.arrayContaining(OPTIONS));
    expect(fields[0]?.[6]).toBe("-");
  });

  test("mount -a passes over a directory that is missing", () => {
    const script = `umount ${LIVE}${RUN}; mount -t tmpfs tmpfs /run; mount -a`;
    expect(m.run(["unshare", "-m", "sh", "-c", script])).toMatchObject({ status: 0 });
  });

  test.skipIf(!existsSync(GENERATOR))("systemd mounts it after the directories in /run are created", () => {
    const directory = mkdtempSync(join(tmpdir(), "jailkit-fstab-"));
    try {
      const file = join(directory, "fstab");
      Bun.spawnSync(["cp", "/dev/stdin", file], { stdin: new TextEncoder().encode(line(LIVE)) });
      const env = { SYSTEMD_FSTAB: file, SYSTEMD_PROC_CMDLINE: "" };
      Bun.spawnSync([GENERATOR, directory, directory, directory], { env });
      const unit = readFileSync(join(directory, "srv-live-run-mysqld.mount"), "utf8");
      expect(unit).toContain("\nAfter=systemd-tmpfiles-setup.service\n");
      // With nofail, the boot does not wait for it.
      expect(unit).not.toContain("Before=");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

test("jk_update mounts it as it mounts proc, and jailkit unmount leaves the line", () => {
  expect(m.must(["jailkit", "unmount", COPIED]).stdout).toBe(`unmounted ${COPIED}${RUN}\n`);
  expect(fstab()).toContain(` ${COPIED}${RUN} none `);
  expect(m.run(["jk_update", "--check", "-j", COPIED]).status).toBe(10);
  expect(m.run(["jk_update", "--dry-run", "-j", COPIED]).stdout).toContain(
    `will make the sockets in ${RUN} visible`,
  );
  m.must(["jk_update", "-j", COPIED]);
  expect(mountOf(COPIED + RUN).length).toBe(1);
});

test("jk_update hides what a section does not ask for any more", () => {
  const file = "/etc/jailkit/jk_init.d/own.ini";
  m.write(file, `[own]\nsockets = ${RUN}/mysqld.sock\n`);
  m.must(["jk_init", "-j", "/srv/own", "uidbasics", "own"]);
  expect(mountOf(`/srv/own${RUN}`).length).toBe(1);
  m.write(file, "[own]\n");
  expect(m.run(["jk_update", "--dry-run", "-j", "/srv/own"]).stdout).toContain(
    `will hide the sockets in ${RUN}`,
  );
  m.must(["jk_update", "-j", "/srv/own"]);
  expect(mountOf(`/srv/own${RUN}`)).toEqual([]);
  expect(fstab()).not.toContain("/srv/own/");
  expect(m.run(["jk_update", "--check", "-j", "/srv/own"]).status).toBe(0);
});

test("jailkit adopt finds it in fstab, with its section", () => {
  m.write(`/var/lib/jailkit/jails/${list(LIVE)?.record}/manifest.json`, "damaged");
  m.must(["jailkit", "adopt", "--force", LIVE]);
  expect(list(LIVE)).toMatchObject({ state: "ready", live: ["/usr"], sockets: [RUN] });
  expect(list(LIVE)?.sections).toContain("mysqlsocket");
  m.must(["jk_update", "-j", LIVE]);
  expect(list(LIVE)).toMatchObject({ state: "ready", sockets: [RUN] });
});

test("a mount that lacks a restriction is reported, and the remedy adds it", () => {
  m.must(["mount", "-o", "remount,bind,rw,exec", `${LIVE}${RUN}`]);
  expect(rules(LIVE)).toEqual([`live-mount ${LIVE}${RUN}`]);
  const [, remedy = ""] = /remedy: (.*)\n/.exec(m.run(["jk_check", LIVE]).stdout) ?? [];
  m.must(["sh", "-c", remedy]);
  expect(rules(LIVE)).toEqual([]);
});

test("a service with other sockets in its directory: jk_init warns of them", () => {
  m.must(["python3", "-c", `import socket; socket.socket(socket.AF_UNIX).bind("${RUN}/admin.sock")`]);
  const { status, stderr } = m.run(["jk_init", "-j", LIVE, "mysqlsocket"]);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: expect.stringContaining("other sockets too: admin.sock"),
  });
});

describe("taking it away", () => {
  test("jk_init --remove unmounts it and removes the line", () => {
    const { stdout } = m.must(["jk_init", "--remove", "-j", COPIED, "mysqlsocket"]);
    expect(stdout).toContain(`unmounted ${COPIED}${RUN}\n`);
    expect(mountOf(COPIED + RUN)).toEqual([]);
    expect(fstab()).not.toContain(COPIED);
    expect(list(COPIED)).toMatchObject({ state: "ready", sockets: [] });
    expect(m.run(["jailkit", "mount", COPIED]).stderr).toContain("no sockets of the host");
  });

  test("an emptied jail that is filled again does not keep it", () => {
    m.must(["jk_init", "-j", COPIED, "mysqlsocket"]);
    m.must(["sh", "-c", `cd ${COPIED} && rm -rf bin dev etc lib lib64 sbin usr var`]);
    expect(list(COPIED)?.state).toBe("emptied");
    expect(m.must(["jk_init", "-j", COPIED, "basicshell"]).stdout).toContain(`unmounted ${COPIED}${RUN}\n`);
    expect(fstab()).not.toContain(COPIED);
  });

  test("jailkit forget leaves the mount with its line, and says so", () => {
    const jail = "/srv/forgotten";
    m.must(["jk_init", "-j", jail, "mysqlsocket"]);
    expect(m.must(["jailkit", "forget", jail]).stderr).toContain(`: umount ${jail}${RUN} && sed -i `);
    expect(fstab()).toContain(` ${jail}${RUN} none `);
    m.must(["umount", jail + RUN]);
  });

  test("jailkit delete unmounts it, and nothing in it is lost", () => {
    const names = m.list(RUN).sort();
    m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", LIVE]);
    expect(m.list(RUN).sort()).toEqual(names);
    expect(fstab()).not.toContain(LIVE);
    expect(m.exists(LIVE)).toBe(false);
  });
});
