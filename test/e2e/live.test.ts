/**
 * Live jails: the host's /usr is mounted in the jail, and the programs in it work without a list. The main job by real
 * clients, an upgrade under a running session, a reboot, and what is reported when a mount is missing.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/srv/live";
const OPTIONS = ["ro", "nosuid", "nodev"];
let m: Machine;
let sshd: Sshd;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "--live", "-j", jail, "basicshell", "sftp", "git", "perl", "editors"]);
  m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", "lily"]);
  m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", "max"]);
  const sftpOnly = ["Match User max", `ChrootDirectory ${jail}`, "ForceCommand internal-sftp"];
  sshd = await m.startSshd({ config: sftpOnly });
});
afterAll(async () => m.close());

const mountOf = (path: string) => {
  const lines = m.must(["cat", "/proc/self/mountinfo"]).stdout.split("\n");
  return lines.map((line) => line.split(" ")).find((fields) => fields[4] === path);
};
const inJail = (...command: string[]) => sshd.ssh("lily", command);
const listed = () => reportOf(listReportSchema, m.run(["jailkit", "list", "--json", jail]).stdout).jails[0];
const state = () => listed()?.state;
const rules = () => {
  const report = reportOf(checkReportSchema, m.run(["jk_check", "--json", jail]).stdout);
  return report.jails.flatMap(({ findings }) => findings.map(({ rule, path }) => `${rule} ${path}`));
};

describe("the jail", () => {
  test("has /usr of the machine, read-only, nosuid, nodev and private, and no files of its own there", () => {
    const fields = mountOf(`${jail}/usr`) ?? [];
    expect(fields[3]).toBe("/usr");
    expect(fields[5]?.split(",")).toEqual(expect.arrayContaining(OPTIONS));
    // No peer group: the separator comes next.
    expect(fields[6]).toBe("-");
    expect(m.readlink(`${jail}/bin`)).toBe("usr/bin");
    expect(m.read("/etc/fstab")).toContain(
      `\n/usr ${jail}/usr none bind,ro,nosuid,nodev,private,nofail,x-jailkit 0 0\n`,
    );
    expect(listed()).toMatchObject({
      state: "ready",
      live: ["/usr"],
      sections: ["livebasics", "basicshell", "sftp", "git", "perl", "editors"],
    });
    expect(rules()).toEqual([]);
    expect(m.run(["jk_update", "--check", "-j", jail])).toMatchObject({ status: 0, stdout: "" });
  });

  test("a second run changes nothing, and other sections and files need no copy", () => {
    const before = m.read("/etc/fstab");
    expect(m.must(["jk_init", "--live", "-j", jail, "basicshell"]).stdout).toBe("");
    expect(m.must(["jk_init", "-f", "-j", jail, "rsync"]).stdout).not.toContain("/usr/bin/rsync");
    expect(m.must(["jk_cp", "-f", "-j", jail, "/usr/bin/id"])).toMatchObject({ stdout: "", stderr: "" });
    expect(m.read("/etc/fstab")).toBe(before);
  });

  test("a jail with files in /usr does not become live; one that is live by hand does", () => {
    m.must(["jk_init", "-j", "/srv/copied", "basicshell"]);
    const { status, stderr } = m.run(["jk_init", "--live", "-j", "/srv/copied", "basicshell"]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining("has files of its own"),
    });
    expect(mountOf("/srv/copied/usr")).toBeUndefined();
    const dry = m.run(["jk_init", "-n", "--live", "-j", "/srv/copied", "basicshell"]);
    expect(dry).toMatchObject({ status, stderr });
    m.must(["mkdir", "-p", "/srv/hand/usr"]);
    m.must(["mount", "--bind", "-o", "ro,nosuid,nodev", "/usr", "/srv/hand/usr"]);
    m.must(["jk_init", "--live", "-j", "/srv/hand"]);
    expect(m.read("/etc/fstab")).toContain(" /srv/hand/usr none bind,");
  });

  test("only directories of programs can be named", () => {
    const run = (value: string) => m.run(["jk_init", `--live=${value}`, "-j", "/srv/other"]);
    for (const value of ["/etc", "/", "/usr/../etc", "usr", "/usr,/home", "/opt/..", "/var"])
      expect([value, run(value).status]).toEqual([value, 1]);
    m.write("/opt/tool/bin/hello", "#!/bin/sh\necho hello from opt\n", { mode: 0o755 });
    expect(run("/usr,/opt/tool").status).toBe(0);
    expect(m.must(["chroot", "/srv/other", "/opt/tool/bin/hello"]).stdout).toBe("hello from opt\n");
  });
});

test("a directory with jails in it is not shown to users", () => {
  const run = (live: string, at: string) => m.run(["jk_init", `--live=/usr,${live}`, "-j", at]);
  const visible = expect.stringContaining("its files would be visible");
  expect(run("/opt", "/opt/jails/one")).toMatchObject({ status: 1, stderr: visible });
  expect(m.exists("/opt/jails")).toBe(false);
  m.must(["jk_init", "-j", "/opt/jails/two", "uidbasics"]);
  expect(run("/opt", "/srv/third")).toMatchObject({ status: 1, stderr: visible });
  m.must(["jailkit", "delete", "--yes", "/opt/jails/two"]);
});

describe("a jail that begins in a directory that a live jail shows is refused", () => {
  const inner = "/opt/shown/inner";
  const visible = expect.stringContaining(
    `${inner}: a jail there is in /opt/shown, which is live in /srv/shows, and its files would be visible there`,
  );
  const refused = (...command: string[]) =>
    expect(m.run(command)).toMatchObject({ status: 1, stderr: visible });
  const withoutLines = () => m.must(["sed", "-i", "/shows/d", "/etc/fstab"]);
  beforeAll(() => {
    m.mkdir("/opt/shown");
    m.must(["jk_init", "--live=/opt/shown", "-j", "/srv/shows"]);
  });
  afterAll(() => {
    for (const jail of ["/srv/shows", "/srv/copy"]) m.must(["jailkit", "delete", "--yes", jail]);
    withoutLines();
  });

  test("by jk_init, jk_cp and jailkit import, also with --dry-run, and while nothing is mounted", () => {
    m.must(["jk_init", "-j", "/srv/copy", "uidbasics"]);
    m.must(["jailkit", "export", "-o", "/root/copy.json", "/srv/copy"]);
    for (const state of ["mount", "unmount"]) {
      m.must(["jailkit", state, "/srv/shows"]);
      refused("jk_init", "-j", inner, "uidbasics");
      refused("jk_init", "-n", "-j", inner, "uidbasics");
      refused("jk_cp", "--init", "-j", inner, "/bin/true");
      refused("jailkit", "import", "-n", "-j", inner, "/root/copy.json");
      refused("jailkit", "import", "-j", inner, "/root/copy.json");
    }
    expect(m.exists(inner)).toBe(false);
    // Somebody has taken the lines out, and the mount is there.
    m.must(["jailkit", "mount", "/srv/shows"]);
    withoutLines();
    refused("jk_init", "-j", inner, "uidbasics");
  });

  test("by jailkit adopt, and one that moves there", () => {
    m.must(["cp", "-a", "/srv/copy", inner]);
    refused("jailkit", "adopt", inner);
    refused("jk_init", "-j", inner, "uidbasics");
    m.remove(inner);
    m.must(["mv", "/srv/copy", inner]);
    refused("jailkit", "adopt", "--moved", "/srv/copy", inner);
    m.must(["mv", inner, "/srv/copy"]);
  });

  test("of a known one, files are brought, and the directory is not shown again", () => {
    m.must(["jailkit", "unmount", "/srv/shows"]);
    withoutLines();
    m.must(["jk_init", "-j", inner, "uidbasics"]);
    const { status, stderr } = m.run(["jailkit", "mount", "/srv/shows"]);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining("its files would be visible in /srv/shows"),
    ]);
    m.must(["mount", "--bind", "-o", "ro", "/opt/shown", "/srv/shows/opt/shown"]);
    m.must(["jk_init", "-f", "-j", inner, "uidbasics"]);
    m.must(["umount", "/srv/shows/opt/shown"]);
    m.must(["jailkit", "delete", "--yes", inner]);
  });
});

test("a damaged record of a live jail: jailkit adopt finds its mounts in fstab", () => {
  const [hand] = reportOf(listReportSchema, m.run(["jailkit", "list", "--json", "/srv/hand"]).stdout).jails;
  m.write(`/var/lib/jailkit/jails/${hand?.record}/manifest.json`, "damaged");
  m.must(["jailkit", "adopt", "--force", "/srv/hand"]);
  const [again] = reportOf(listReportSchema, m.run(["jailkit", "list", "--json", "/srv/hand"]).stdout).jails;
  expect(again).toMatchObject({ state: "ready", live: ["/usr"] });
  expect(m.run(["jk_check", "/srv/hand"]).stdout).not.toContain("umount");
});

describe("a session", () => {
  test.each([
    ["python3 -c 'import ssl, json, encodings.idna; print(json.dumps(ssl.OPENSSL_VERSION))'", /"OpenSSL /],
    ["perl -MPOSIX -MEncode -e 'print POSIX::floor(3.7), length decode(q(UTF-8), q(x))'", /^31$/],
    ["vim -es -N -u NONE -c 'call setline(1, [\"hello\"])' -c 'wq! note' && cat note", /^hello\n$/],
    ["TZ=Asia/Tokyo date +%Z", /^JST\n$/],
    ["iconv -f SHIFT_JIS -t UTF-8 </dev/null && echo ok", /^ok\n$/],
    ["touch /usr/bin/x 2>&1; cp /bin/true . && ls /", /Read-only file system[\s\S]*usr/],
  ])("%s", (command, printed) => {
    expect(inJail(command)).toMatchObject({ status: 0, stdout: expect.stringMatching(printed) });
  });

  test.skipIf(!existsSync("/usr/bin/php"))("php with a time zone, and the host's authorities", () => {
    const code =
      'date_default_timezone_set("Asia/Tokyo"); echo date("T"), extension_loaded("openssl") ? count(array_filter([openssl_get_cert_locations()["default_cert_dir"]], "is_dir")) : 1;';
    expect(inJail(`php -r '${code}'`)).toMatchObject({ status: 0, stdout: "JST1" });
  });

  test("git, sftp, and sshd's own ChrootDirectory with internal-sftp", () => {
    inJail("git init -q --bare repo.git");
    m.must(["mkdir", "-p", "/root/work"]);
    const environment = { GIT_SSH_COMMAND: sshd.command, HOME: "/root" };
    const git = (...words: string[]) => m.must(["git", "-C", "/root/work", ...words], { env: environment });
    git("init", "-q");
    git("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "first");
    git("push", "-q", "lily@127.0.0.1:repo.git", "HEAD:main");
    expect(inJail("git -C repo.git log --format=%s main").stdout).toBe("first\n");
    m.write("/root/upload", "uploaded");
    for (const [user, home] of [
      ["lily", "/home/lily"],
      ["max", "/home/max"],
    ]) {
      const batch = `put /root/upload ${home}/there\nget ${home}/there /root/back-${user}\n`;
      m.must(["sftp", ...sshd.clientOptions, "-b", "-", `${user}@127.0.0.1`], { stdin: batch });
      expect(m.read(`/root/back-${user}`)).toBe("uploaded");
      expect(m.read(`${jail}${home}/there`)).toBe("uploaded");
    }
  });

  test("goes on while a library is upgraded, and new programs use the new one", async () => {
    m.write("/usr/lib/live-test/data", "version 1\n");
    m.write("/usr/local/bin/live-reader", "#!/bin/sh\nexec cat /usr/lib/live-test/data -\n", { mode: 0o755 });
    const session = m.start(["ssh", ...sshd.clientOptions, "lily@127.0.0.1", "live-reader"]);
    await session.until(({ stdout }) => stdout.includes("version 1\n") || undefined);
    // As dpkg(1) does.
    m.write("/usr/lib/live-test/data.dpkg-new", "version 2\n");
    m.rename("/usr/lib/live-test/data.dpkg-new", "/usr/lib/live-test/data");
    expect(inJail("cat /usr/lib/live-test/data").stdout).toBe("version 2\n");
    session.write("still here\n");
    await session.until(({ stdout }) => stdout.includes("still here\n") || undefined);
    session.kill("SIGTERM");
    await session.ended;
  });

  test("goes on while a library that it has loaded is replaced, and new sessions have the new file", async () => {
    const library = "/usr/lib/x86_64-linux-gnu/libtinfo.so.6";
    const target = m.must(["realpath", library]).stdout.trim();
    const session = m.start(["ssh", ...sshd.clientOptions, "lily@127.0.0.1", "bash"]);
    session.write("echo ready\n");
    await session.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    m.must(["cp", "-p", target, `${target}.dpkg-new`]);
    m.rename(`${target}.dpkg-new`, target);
    m.must(["sh", "-c", "grep -q 'libtinfo.*(deleted)' /proc/[0-9]*/maps"]);
    session.write("(echo still $((6*7)))\n");
    await session.until(({ stdout }) => stdout.includes("still 42\n") || undefined);
    expect(inJail(`stat -c %i ${target}`).stdout).toBe(m.must(["stat", "-c", "%i", target]).stdout);
    session.kill("SIGTERM");
    await session.ended;
  });

  test("finds a library that was added in a directory of its own, after jk_update", () => {
    m.write("/root/library.c", "int answer(void) { return 42; }\n");
    m.write("/root/program.c", "int answer(void); int main(void) { return answer(); }\n");
    const add = (name: string) => {
      m.must(["gcc", "-shared", "-fPIC", "-o", `/usr/lib/live-lib/lib${name}.so`, "/root/library.c"]);
      m.must(["gcc", "-o", `/usr/bin/use-${name}`, "/root/program.c", "-L/usr/lib/live-lib", `-l${name}`]);
      m.must(["ldconfig"]);
    };
    m.mkdir("/usr/lib/live-lib");
    m.write("/etc/ld.so.conf.d/live-lib.conf", "/usr/lib/live-lib\n");
    for (const name of ["one", "two"]) {
      add(name);
      expect(inJail(`use-${name}`).status).toBe(127);
      expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(10);
      m.must(["jk_update", "-j", jail]);
      expect(inJail(`use-${name}`).status).toBe(42);
      expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
    }
  });
});

describe("a daemon that jk_chrootlaunch starts", () => {
  /** Starts a program as lily, and returns when it says that it is ready. */
  const launch = async (program: string, words: readonly string[], ready: string) => {
    const daemon = m.start(["jk_chrootlaunch", "-j", jail, "-u", "lily", "-x", program, "--", ...words]);
    await daemon.until(({ stdout, stderr }) => `${stdout}${stderr}`.includes(ready) || undefined);
    return daemon;
  };
  const python = (code: string) => m.must(["python3", "-c", code]).stdout;

  test.skipIf(!existsSync("/usr/sbin/nginx"))("nginx answers", async () => {
    const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
      (name) => `${name}_temp_path /tmp/${name};`,
    );
    const server = `${places.join(" ")} access_log off; server { listen 127.0.0.1:8080; return 200 hello; }`;
    const main = "daemon off; pid /tmp/nginx.pid; error_log stderr notice; events {}";
    m.write(`${jail}/etc/nginx.conf`, `${main} http { ${server} }\n`);
    const words = ["-e", "stderr", "-c", "/etc/nginx.conf"];
    const daemon = await launch("/usr/sbin/nginx", words, "start worker process ");
    const code =
      "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080').read().decode())";
    expect(python(code)).toBe("hello\n");
    m.must(["sh", "-c", `kill $(cat ${jail}/tmp/nginx.pid)`]);
    await daemon.ended;
  });

  test.skipIf(!existsSync("/usr/sbin/php-fpm8.4"))("php-fpm answers", async () => {
    const pool = "[www]\nlisten = /tmp/fpm.sock\npm = static\npm.max_children = 1\n";
    m.write(`${jail}/etc/fpm.conf`, `[global]\npid = /tmp/fpm.pid\nerror_log = /tmp/fpm.log\n${pool}`);
    const words = ["-y", "/etc/fpm.conf", "-n", "-F", "-O"];
    const daemon = await launch("/usr/sbin/php-fpm8.4", words, "ready to handle connections");
    const code = `import socket; s = socket.socket(socket.AF_UNIX); s.connect('${jail}/tmp/fpm.sock'); print('up')`;
    expect(python(code)).toBe("up\n");
    m.must(["sh", "-c", `kill $(cat ${jail}/tmp/fpm.pid)`]);
    await daemon.ended;
  });
});

describe("a mount that is missing", () => {
  test("is reported by list, check and explain with the command that mounts it, and nothing is copied in its place", () => {
    const remedy = `jailkit mount ${jail}`;
    expect(m.run(["jailkit", "unmount", jail])).toMatchObject({
      status: 0,
      stdout: `unmounted ${jail}/usr\n`,
    });
    expect(mountOf(`${jail}/usr`)).toBeUndefined();
    expect(state()).toBe("unmounted");
    expect(m.run(["jailkit", "list", jail]).stderr).toContain(remedy);
    expect(m.run(["jk_check", jail]).stdout).toContain(`remedy: ${remedy}\n`);
    expect(rules()).toContain(`live-mount ${jail}/usr`);
    expect(m.run(["jailkit", "explain", "lily"]).stdout).toContain(remedy);
    for (const words of [
      ["jk_init", "-j", jail, "basicshell"],
      ["jk_cp", "-j", jail, "/usr/bin/id"],
      ["jk_update", "-j", jail],
      ["jk_init", "--remove", "-j", jail, "git"],
    ])
      expect(m.run(words)).toMatchObject({ status: 1, stderr: expect.stringContaining(remedy) });
    expect(m.list(`${jail}/usr`)).toEqual([]);
    expect(sshd.ssh("lily", ["true"]).status).not.toBe(0);
    expect(m.run(["jailkit", "mount", "--all"]).stdout).toBe(`mounted ${jail}/usr\n`);
    expect(m.run(["jailkit", "mount", "--all"])).toMatchObject({ status: 0, stdout: "" });
    expect(state()).toBe("ready");
    expect(sshd.ssh("lily", ["true"]).status).toBe(0);
  });

  test("of several directories: nothing is copied into the one that is missing", () => {
    m.must(["umount", "/srv/other/opt/tool"]);
    for (const words of [
      ["jk_cp", "-j", "/srv/other", "/opt/tool/bin/hello"],
      ["jk_init", "-j", "/srv/other", "basicshell"],
      ["jk_init", "--live", "-j", "/srv/other"],
    ])
      expect(m.run(words)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining("jailkit mount /srv/other"),
      });
    expect(m.list("/srv/other/opt/tool")).toEqual([]);
    m.must(["jailkit", "mount", "/srv/other"]);
  });

  test("comes back at a reboot: mount -a in a new mount namespace", () => {
    const script = `umount ${jail}/usr; mount -a; cat /proc/self/mountinfo`;
    const lines = m.must(["unshare", "-m", "sh", "-c", script]).stdout.split("\n");
    const fields = lines.map((line) => line.split(" ")).filter((one) => one[4] === `${jail}/usr`);
    expect(fields.length).toBe(1);
    expect(fields[0]?.[3]).toBe("/usr");
    expect(fields[0]?.[5]?.split(",")).toEqual(expect.arrayContaining(OPTIONS));
    expect(fields[0]?.[6]).toBe("-");
  });

  test("unmount leaves one in use, and says so", async () => {
    const session = m.start(["ssh", ...sshd.clientOptions, "lily@127.0.0.1", "echo ready; cat"]);
    await session.until(({ stdout }) => stdout.includes("ready\n") || undefined);
    const { status, stderr } = m.run(["jailkit", "unmount", jail]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("is in use") });
    expect(state()).toBe("ready");
    session.kill("SIGTERM");
    await session.ended;
  });
});

test("jailkit forget leaves the mounts, and their lines as long as they are mounted", () => {
  const place = "/srv/forgotten";
  const forget = () => m.run(["jailkit", "forget", place]);
  // Also if the record cannot tell of them.
  for (const isDamaged of [false, true]) {
    m.must(["jk_init", "--live", "-j", place]);
    const record = m
      .must(["grep", "-rl", `"${place}"`, "/var/lib/jailkit/jails", "--include=manifest.json"])
      .stdout.trim();
    if (isDamaged) m.write(record, `${m.read(record).split("\n")[0]}\n`, { mode: 0o600 });
    const { stderr } = forget();
    expect([m.exists(record), stderr]).toEqual([
      false,
      expect.stringContaining(`: umount ${place}/usr && sed -i `),
    ]);
    expect(m.read("/etc/fstab")).toContain(` ${place}/usr none bind,`);
  }
  m.must(["jk_init", "--live", "-j", place]);
  m.must(["jailkit", "unmount", place]);
  expect(forget().status).toBe(0);
  expect(m.read("/etc/fstab")).not.toContain(place);
  expect(m.list(place)).toContain("etc");
});

test("deleting it leaves the machine's /usr whole", () => {
  const usr = () =>
    m.must(["sh", "-c", "find /usr -xdev -printf '%p %m %U %G %s %C@\\n' | sort | sha256sum"]).stdout;
  const before = usr();
  m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", "/srv/other"]);
  m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", jail]);
  expect(usr()).toBe(before);
  expect(m.exists(jail)).toBe(false);
  expect(m.read("/etc/fstab")).not.toContain(jail);
});
